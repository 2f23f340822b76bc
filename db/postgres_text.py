"""The text that Postgres can store."""

import re

NOT_POSTGRES_TEXT = re.compile("[\0\ud800-\udfff]")


def is_postgres_text(text: str) -> bool:
    """Return whether Postgres can store the text: it has no NUL and no half of a surrogate pair."""
    return NOT_POSTGRES_TEXT.search(text) is None
