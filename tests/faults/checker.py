"""Compares what was due with the runs in the database and the calls that the target saw.

It is pure, and shares no rule with `jobs`.


- Each instant of an order is the `scheduled_for` of exactly one run, or lies in the missed range of exactly one.
- Each call belongs to a run, and no attempt of a run is called twice unless it says so (`resent`); no call comes before
  its run is due.
- A run that SUCCEEDED got a response to its last attempt before it ended; every run ends as its order allows.
- The events of a run are a path through its states to its present one, and are numbered without gaps.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from uuid import UUID

from db.models import Run, RunEvent
from db.states import UNFINISHED, RunState
from db.states import RunEventType as Type
from tests.faults.order import Order
from tests.support.faulty_target import ReceivedCall

LATE = timedelta(seconds=1)
MILLISECOND = timedelta(milliseconds=1)
LOGGED_WITHIN = timedelta(milliseconds=20)
"""How much later than the worker receives a response the target may log it."""
SHOWN = 10
ENDS = {Type.SUCCEEDED, Type.FAILED, Type.UNKNOWN, Type.CANCELLED}
FOLLOWING: dict[Type | None, set[Type]] = {
    None: {Type.STARTED, Type.QUEUED, Type.SKIPPED, Type.MISSED},
    Type.QUEUED: {Type.STARTED, Type.CANCELLED},
    Type.STARTED: {Type.ATTEMPT_FAILED, Type.ATTEMPT_LOST, *ENDS},
    Type.ATTEMPT_FAILED: {Type.STARTED, Type.CANCELLED},
    Type.ATTEMPT_LOST: {Type.STARTED, Type.CANCELLED},
}
STATES = {
    Type.STARTED: RunState.RUNNING,
    Type.ATTEMPT_FAILED: RunState.RETRYING,
    Type.ATTEMPT_LOST: RunState.RETRYING,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the checker looks at. `events` are those of the orders' runs, `numbers` those of all events."""

    orders: Sequence[Order]
    runs: Sequence[Run]
    events: Sequence[RunEvent]
    numbers: Collection[int]
    calls: Sequence[ReceivedCall]


@dataclass(slots=True, kw_only=True)
class Findings:
    """What the checker found. `lost`, `doubled`, `early` and `wrong` must be empty."""

    runs: int = 0
    calls: int = 0
    resent: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    early: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    late: list[tuple[datetime, timedelta]] = field(default_factory=list)
    """For each call that is not a retry: when it came in, and how long that was after its run was due."""

    def percentile(self, percent: int) -> timedelta:
        """Return a percentile of the lateness."""
        found = sorted(lateness for _, lateness in self.late)
        return found[min(len(found) * percent // 100, len(found) - 1)] if found else timedelta()

    @property
    def lateness(self) -> str:
        """The median, 99th percentile and maximum of the lateness, in milliseconds."""
        return "/".join(f"{self.percentile(percent) / MILLISECOND:.0f}" for percent in (50, 99, 100))

    def recovery(self, since: datetime) -> timedelta:
        """Return how long after `since` the last call came in that was more than a second late; zero without one."""
        late = [at for at, lateness in self.late if lateness > LATE and at > since]
        return max(late, default=since) - since

    def __str__(self) -> str:
        lines = [
            (
                f"{self.runs} runs, {self.calls} calls: {len(self.lost)} lost, {len(self.doubled)} doubled, "
                f"{len(self.early)} early, {len(self.wrong)} wrong, {self.resent} resent; "
                f"lateness p50/p99/max {self.lateness} ms"
            )
        ]
        for kind in ("lost", "doubled", "early", "wrong"):
            found = getattr(self, kind)
            lines += [f"  {kind}: {text}" for text in found[:SHOWN]]
            if len(found) > SHOWN:
                lines.append(f"  {kind}: and {len(found) - SHOWN} more")
        return "\n".join(lines)

    @property
    def bad(self) -> bool:
        """Whether anything was found that must not happen."""
        return bool(self.lost or self.doubled or self.early or self.wrong)


def check(evidence: Evidence) -> Findings:
    """Return everything that the evidence shows."""
    findings = Findings(runs=len(evidence.runs))
    by_task: defaultdict[UUID, list[Run]] = defaultdict(list)
    for run in evidence.runs:
        by_task[run.task_id].append(run)
    for order in evidence.orders:
        if order.id is None:
            findings.lost.append(f"task {order.name} was not created")
        else:
            check_instants(order, by_task[order.id], findings)
    check_calls(evidence, findings)
    check_events(evidence, findings)
    return findings


def check_instants(order: Order, runs: Sequence[Run], findings: Findings) -> None:
    """Check that each instant has exactly one run or is counted in one, and that the counts are right."""
    accounted: Counter[datetime] = Counter()
    instants = list(order.instants())
    for run in runs:
        accounted[run.scheduled_for] += 1
        counted = [at for at in instants if run.missed_since and run.missed_since <= at < run.scheduled_for]
        accounted.update(counted)
        if len(counted) != run.missed_count:
            findings.wrong.append(f"{named(run)} counts {run.missed_count} missed instants of {len(counted)}")
        if run.state in UNFINISHED:
            findings.lost.append(f"{named(run)} has not ended")
        elif run.state not in order.states():
            findings.wrong.append(f"{named(run)} must not end like that: {run.error_message}")
        if run.due_at < run.scheduled_for:
            findings.early.append(f"{named(run)} is due before its instant, at {run.due_at}")
    for at in instants:
        if accounted[at] != 1:
            kind = findings.doubled if accounted[at] else findings.lost
            kind.append(f"instant {at} of task {order.id} is accounted for {accounted[at]} times ({order.misfire})")
    for at in accounted.keys() - set(instants):
        findings.wrong.append(f"task {order.id} was not due at {at}, and has a run for it")


def check_calls(evidence: Evidence, findings: Findings) -> None:
    """Check each call against its run."""
    paths = {order.path for order in evidence.orders}
    calls = [call for call in evidence.calls if call.path in paths]
    runs = {str(run.id): run for run in evidence.runs}
    lost_attempts = {(str(e.run_id), e.attempt) for e in evidence.events if e.type == Type.ATTEMPT_LOST}
    findings.calls = len(calls)
    seen: defaultdict[str, list[int]] = defaultdict(list)
    answered: dict[tuple[str, int], datetime] = {}
    for call in calls:
        run = runs.get(call.key)
        if run is None:
            findings.doubled.append(f"a call of {call.path} at {call.at} belongs to no run: {call.key}")
            continue
        if call.at < run.due_at:
            findings.early.append(f"{named(run)} was called {run.due_at - call.at} before it was due")
        again = (call.key, call.attempt - 1) in lost_attempts
        if again and seen[call.key]:
            findings.resent += 1
        if again or call.attempt == 1:
            findings.late.append((call.at, call.at - run.due_at))
        seen[call.key].append(call.attempt)
        if call.responded_at is not None and call.status is not None and 200 <= call.status < 300:
            answered[call.key, call.attempt] = call.responded_at
    for run in evidence.runs:
        check_answers(run, seen[str(run.id)], answered, findings)


def check_answers(
    run: Run, called_as: Sequence[int], answered: Mapping[tuple[str, int], datetime], findings: Findings
) -> None:
    """Check a run against its calls. `called_as` are the numbers of the attempts that came in."""
    resent = {entry["number"] for entry in run.attempts if entry.get("resent")}
    for attempt, count in Counter(called_as).items():
        if count > 1 + (attempt in resent) or attempt > run.attempt:
            findings.doubled.append(f"{named(run)}, of {run.attempt} attempts, was called {count} times as {attempt}")
    if run.state == RunState.SUCCEEDED:
        answered_at = answered.get((str(run.id), run.attempt))
        if answered_at is None:
            findings.lost.append(f"{named(run)} got no response to attempt {run.attempt}")
        elif run.finished_at is None or run.finished_at < answered_at - LOGGED_WITHIN:
            findings.wrong.append(f"{named(run)} ended at {run.finished_at}, before its response at {answered_at}")
    if [entry["number"] for entry in run.attempts] != list(range(1, run.attempt + 1)):
        findings.wrong.append(f"{named(run)} made {run.attempt} attempts and records {len(run.attempts)}")


def check_events(evidence: Evidence, findings: Findings) -> None:
    """Check the numbers of all events, and the path of each run."""
    numbers = sorted(evidence.numbers)
    for one, other in pairwise(numbers):
        if other != one + 1:
            findings.wrong.append(f"event {one} is followed by {other}")
    by_run: defaultdict[UUID, list[RunEvent]] = defaultdict(list)
    for event in sorted(evidence.events, key=lambda event: event.seq):
        by_run[event.run_id].append(event)
    for run in evidence.runs:
        path = by_run.pop(run.id, [])
        for problem in problems_of(run, path):
            findings.wrong.append(f"{named(run)}: {problem}; its events: {[str(event.type) for event in path]}")
    for run_id in by_run:
        findings.wrong.append(f"there are events of run {run_id}, which does not exist")


def problems_of(run: Run, path: Sequence[RunEvent]) -> Iterable[str]:
    """Yield what is wrong with the events of a run, given in order."""
    before: Type | None = None
    attempt = 0
    for event in path:
        kind = Type(event.type)
        if kind not in FOLLOWING.get(before, set()):
            yield f"{before} is followed by {kind}"
        attempt += kind == Type.STARTED
        if event.attempt != attempt:
            yield f"event {event.seq} is of attempt {event.attempt} instead of {attempt}"
        if event.state != STATES.get(kind, kind.value):
            yield f"event {event.seq} has state {event.state}"
        before = kind
    if not path or path[-1].state != run.state:
        yield "its last event has another state"
    if attempt != run.attempt:
        yield f"{attempt} attempts were started and {run.attempt} are recorded"


def named(run: Run) -> str:
    """Return the name of a run in the findings."""
    return f"run {run.id} for {run.scheduled_for} ({run.state})"
