"""Measures and reports the metrics of a process while it runs."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Literal
from uuid import UUID

from prometheus_client.registry import Collector
from sqlalchemy.ext.asyncio import AsyncEngine

from db.process_reports import REPORTED_EVERY
from jobs.cancellation import cancel_and_wait
from jobs.maintenance.duties import Duty, keep_doing
from jobs.process_metrics import ProcessMetrics


@asynccontextmanager
async def reporting(
    kind: Literal["api", "worker"], *, process_id: UUID, engine: AsyncEngine, parts: Sequence[Collector]
) -> AsyncIterator[None]:
    """Report the metrics of this process, with those of its `parts`, until the block ends."""
    metrics = ProcessMetrics(kind, process_id=process_id, engine=engine, parts=parts)
    duty = Duty(name="metrics", every=REPORTED_EVERY, do=metrics.report)
    tasks = [asyncio.create_task(metrics.measure_lag()), asyncio.create_task(keep_doing([duty]))]
    try:
        yield
    finally:
        await cancel_and_wait(*tasks)
