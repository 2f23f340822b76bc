"""The metrics of a worker's engine."""

from collections.abc import Iterable
from itertools import chain

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from jobs.engine.slots import Slots

SIZES = (1, 2, 5, 10, 20, 50, 100)


class EngineMetrics(Collector):
    """The metrics of one engine. Its parts update them; the engine's owner reports them."""

    def __init__(self, slots: Slots) -> None:
        self.claims = Counter("duetime_claims", "Claims of due runs, including those that found none.", registry=None)
        self.claim_batch_size = Histogram(
            "duetime_claim_batch_size", "Runs that one claim started.", buckets=SIZES, registry=None
        )
        self.result_batch_size = Histogram(
            "duetime_result_batch_size", "Outcomes that were stored together.", buckets=SIZES, registry=None
        )
        self.rescued_runs = Counter(
            "duetime_rescued_runs", "Attempts of lost workers that this worker has ended.", registry=None
        )
        self.flow_waits = Counter(
            "duetime_flow_waits", "Runs that were due and had to wait for a flow limit.", registry=None
        )
        self._slots = Gauge("duetime_slots", "Attempts that the worker may make at the same time.", registry=None)
        self._slots.set(slots.total)
        self._in_use = Gauge("duetime_slots_in_use", "Attempts that the worker is making.", registry=None)
        self._in_use.set_function(lambda: slots.total - slots.free)

    def claimed(self, runs: int) -> None:
        """Count a claim that started this number of runs."""
        self.claims.inc()
        if runs:
            self.claim_batch_size.observe(runs)

    def collect(self) -> Iterable[Metric]:
        """Return all of them."""
        parts: tuple[Collector, ...] = (
            self.claims,
            self.claim_batch_size,
            self.result_batch_size,
            self.rescued_runs,
            self.flow_waits,
            self._slots,
            self._in_use,
        )
        return chain.from_iterable(part.collect() for part in parts)
