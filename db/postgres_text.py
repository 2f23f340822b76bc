"""The text that Postgres can store."""

import re

UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def is_storable(text: str) -> bool:
    """Return whether Postgres can store the text: it has no NUL and no half of a surrogate pair."""
    return UNSTORABLE.search(text) is None
