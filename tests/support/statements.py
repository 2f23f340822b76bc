"""The statements that an API executes for requests."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event

from tests.support.graphql import Api

BY_ITSELF = re.compile(r"notification|FROM workers|^SELECT clock_timestamp|^\s*SELECT (min\()?seq|process_reports")
"""What is in statements that the API executes at any time: it follows rules, workers, the clock and events, and reports
its metrics.
"""


@contextmanager
def statements(api: Api) -> Iterator[list[str]]:
    """Yield the statements that the API executes for requests during the block."""
    seen: list[str] = []

    def note(*arguments: Any) -> None:
        if not BY_ITSELF.search(arguments[2]):
            seen.append(arguments[2])

    # The API runs in this process, so its statements can be counted where SQLAlchemy sends them.
    engine = api.services.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)
