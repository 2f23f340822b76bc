"""The metrics of one process, which it reports to Postgres, so that any API process can show those of all processes.

A worker has no port of its own, and several API processes share one, of which a scrape reaches any.
"""

import asyncio
import json
import os
import socket
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from functools import cache
from importlib.metadata import version
from itertools import chain
from typing import Any, Literal, cast
from uuid import UUID

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.core import InfoMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import QueuePool

from db import process_reports
from db.connection import autocommit
from jobs.ticks import AHEAD, until_tick

MEASURED_EVERY = timedelta(seconds=2)
LAG_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class ProcessMetrics:
    """The metrics of each process, together with those of its `parts`."""

    def __init__(
        self, kind: Literal["api", "worker"], *, process_id: UUID, engine: AsyncEngine, parts: Sequence[Collector]
    ) -> None:
        self.name = process_reports.process_name(kind, process_id)
        self._engine = autocommit(engine)
        self._info = {"kind": kind, "host": socket.gethostname(), "pid": str(os.getpid()), "version": duetime_version()}
        self._lag = Histogram(
            "duetime_event_loop_lag_seconds",
            "How long after its time the event loop of the process resumed a timer.",
            buckets=LAG_BUCKETS,
            registry=None,
        )
        # An AsyncEngine from db.connection always has this pool.
        pool = cast("QueuePool", engine.pool)
        in_use = Gauge(
            "duetime_postgres_pool_in_use", "Connections to Postgres that are in use in the process.", registry=None
        )
        in_use.set_function(pool.checkedout)
        size = Gauge("duetime_postgres_pool_size", "Connections to Postgres that the process may open.", registry=None)
        size.set_function(pool.size)
        started = Gauge("duetime_process_start_time_seconds", "When the process started, in Unix time.", registry=None)
        started.set(time.time())
        self._collectors: tuple[Collector, ...] = (started, self._lag, in_use, size, *parts)

    async def measure_lag(self) -> None:
        """Measure the lag of the event loop until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            # Just before a tick, whose own work would count as lag.
            pause = until_tick(MEASURED_EVERY, ahead=AHEAD).total_seconds()
            due = loop.time() + pause
            await asyncio.sleep(pause)
            self._lag.observe(max(loop.time() - due, 0))

    async def report(self) -> None:
        """Report once. Raises what the database raises; the next report has everything that this one would have."""
        async with self._engine.connect() as connection:
            await process_reports.record(connection, process=self.name, metrics=self.text())

    def text(self) -> str:
        """Return all metrics as JSON, each sample with the name of this process."""
        info = InfoMetricFamily("duetime_process", "A process that runs.", value=self._info)
        found = chain([info], *(collector.collect() for collector in self._collectors))
        return json.dumps([self._described(metric) for metric in found], separators=(",", ":"))

    def _described(self, metric: Metric) -> dict[str, Any]:
        return {
            "name": metric.name,
            "documentation": metric.documentation,
            "type": metric.type,
            "samples": [
                [sample.name, {"process": self.name, **sample.labels}, sample.value]
                for sample in metric.samples
                # The library reports for each series when it began, which is the start of the process.
                if not sample.name.endswith("_created")
            ],
        }


def reported(texts: Sequence[str]) -> Iterator[Metric]:
    """Yield the metrics of several processes from their reports, each metric once with the samples of all."""
    families: dict[str, Metric] = {}
    for described in chain.from_iterable(json.loads(text) for text in texts):
        family = families.setdefault(
            described["name"], Metric(described["name"], described["documentation"], described["type"])
        )
        for name, labels, value in described["samples"]:
            family.add_sample(name, labels, value)
    yield from families.values()


def delivery_attempts() -> Counter:
    """Return the counter of attempts to deliver notifications, by how they ended."""
    attempts = Counter(
        "duetime_notifications",
        "Attempts to deliver a notification, by how they ended: pending is to be tried again.",
        ["outcome"],
        registry=None,
    )
    for outcome in ("delivered", "pending", "failed"):
        attempts.labels(outcome)
    return attempts


@cache
def duetime_version() -> str:
    """Return the version of this program."""
    return version("duetime")
