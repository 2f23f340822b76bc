"""Logs statements that take long, where DUETIME_SLOW_STATEMENT_MS says so."""

import logging
import time
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, event
from sqlalchemy.ext.asyncio import AsyncEngine

logger = logging.getLogger(__name__)
BEGAN_AT = "duetime_began_at"
MOST = 2_000
"""Characters of a statement in the log. Its parameters are never logged."""


def log_slow_statements(engine: AsyncEngine, *, longer_than: timedelta) -> None:
    """Log each statement on the engine that takes longer, from when it is sent until its result has been read.

    Statements that fail are not logged here: their errors are.
    """

    def begin(connection: Connection, *_: Any) -> None:
        connection.info[BEGAN_AT] = time.perf_counter()

    def end(connection: Connection, _: Any, statement: str, *__: Any) -> None:
        took = time.perf_counter() - connection.info[BEGAN_AT]
        if took > longer_than.total_seconds():
            logger.warning(
                "A statement took long.",
                extra={"action": "slow_statement", "ms": round(took * 1_000, 1), "statement": in_one_line(statement)},
            )

    event.listen(engine.sync_engine, "before_cursor_execute", begin)
    event.listen(engine.sync_engine, "after_cursor_execute", end)


def in_one_line(statement: str) -> str:
    """Return the beginning of a statement, with single spaces."""
    return " ".join(statement.split())[:MOST]
