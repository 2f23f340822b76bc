"""What is said of errors of connections."""

import pytest

from db.connection import message_of


@pytest.mark.parametrize(
    ("error", "said"), [(OSError("connection refused"), "connection refused"), (TimeoutError(), "TimeoutError")]
)
def test_an_error_without_a_message_is_named(error: Exception, said: str) -> None:
    """A log of `error=""` would help nobody."""
    assert message_of(error) == said
