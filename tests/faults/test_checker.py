"""The checker itself: flawless evidence passes, and each kind of flaw is found."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from db.models import Run, RunEvent
from db.states import MisfirePolicy, OverlapPolicy, RunEventType, RunState
from tests.faults.checker import Evidence, check
from tests.faults.order import SECOND, Order
from tests.support.faulty_target import ReceivedCall

START = datetime(2026, 1, 1, tzinfo=UTC)
SOON = timedelta(milliseconds=5)


class Story:
    """A task with four instants: one run succeeds, one is lost and sent again, and one also counts a missed instant."""

    def __init__(self) -> None:
        self.order = Order(id=uuid4(), first=START, last=START + 3 * SECOND, every=SECOND)
        self.runs: list[Run] = []
        self.events: list[RunEvent] = []
        self.calls: list[ReceivedCall] = []
        self._add(START, attempts=1)
        self._add(START + SECOND, attempts=2)
        self._add(START + 3 * SECOND, attempts=1, missed=1)

    def _add(self, at: datetime, *, attempts: int, missed: int = 0) -> None:
        assert self.order.id is not None
        run = Run(
            id=uuid4(),
            task_id=self.order.id,
            state=RunState.SUCCEEDED,
            scheduled_for=at,
            due_at=at,
            missed_count=missed,
            missed_since=at - missed * SECOND if missed else None,
            finished_at=at + SECOND,
            attempt=attempts,
            attempts=[{"number": number} for number in range(1, attempts + 1)],
        )
        self.runs.append(run)
        for number in range(1, attempts + 1):
            self.add_event(run, RunEventType.STARTED, RunState.RUNNING, number)
            self.calls.append(ReceivedCall(at + SOON, self.order.path, str(run.id), number, 200, at + SOON))
            if number < attempts:
                self.add_event(run, RunEventType.ATTEMPT_LOST, RunState.RETRYING, number)
        self.add_event(run, RunEventType.SUCCEEDED, RunState.SUCCEEDED, attempts)

    def add_event(self, run: Run, kind: RunEventType, state: RunState, attempt: int) -> None:
        """Add an event."""
        seq = len(self.events) + 1
        self.events.append(
            RunEvent(seq=seq, at=START, type=kind, task_id=run.task_id, run_id=run.id, state=state, attempt=attempt)
        )

    def evidence(self) -> Evidence:
        """Return what the checker gets."""
        numbers = [event.seq for event in self.events]
        return Evidence(orders=[self.order], runs=self.runs, events=self.events, numbers=numbers, calls=self.calls)

    def forget_run(self) -> None:
        """Remove a run and all traces of it."""
        run = self.runs.pop(0)
        self.calls = [call for call in self.calls if call.key != str(run.id)]

    def forget_call(self) -> None:
        """Remove the call of a run that succeeded."""
        del self.calls[0]

    def leave_unanswered(self) -> None:
        """Remove the response to a run that succeeded."""
        self.calls[0] = self.calls[0]._replace(status=None, responded_at=None)

    def end_by_a_late_answer(self) -> None:
        """Let a run end before the response to its last attempt, as if by the response to its lost one."""
        self.calls[2] = self.calls[2]._replace(responded_at=START + 3 * SECOND)

    def leave_unfinished(self) -> None:
        """Leave a run running."""
        self.runs[0].state = RunState.RUNNING

    def claim_twice(self) -> None:
        """Give an instant two runs."""
        self._add(START, attempts=1)

    def count_what_ran(self) -> None:
        """Count an instant that has a run as missed, too."""
        self.runs[2].missed_since, self.runs[2].missed_count = START + SECOND, 2

    def miscount(self) -> None:
        """Let a run count more missed instants than there were."""
        self.runs[2].missed_count = 2

    def send_twice(self) -> None:
        """Send an attempt twice."""
        self.calls.append(self.calls[0])

    def send_beyond_the_ledger(self) -> None:
        """Make a call for which there is no attempt."""
        self.calls.append(self.calls[0]._replace(attempt=2))

    def send_without_a_run(self) -> None:
        """Make a call under a key of which there is no run."""
        self.calls.append(self.calls[0]._replace(key=str(uuid4())))

    def send_early(self) -> None:
        """Let a call come in a microsecond before its instant."""
        self.calls[0] = self.calls[0]._replace(at=START - timedelta(microseconds=1))

    def run_between(self) -> None:
        """Add a run between two instants."""
        self._add(START + SECOND / 2, attempts=1)

    def fail(self) -> None:
        """Let a run fail although its target is healthy."""
        self.runs[0].state = RunState.FAILED
        self.events[1].type, self.events[1].state = RunEventType.FAILED, RunState.FAILED

    def drop_event(self) -> None:
        """Remove an event, and with it its number."""
        del self.events[3]

    def reverse_events(self) -> None:
        """Let a run start after its end."""
        self.events[0].seq, self.events[1].seq = 2, 1

    def leave_event_behind(self) -> None:
        """Remove the event of a run's end."""
        del self.events[-1]

    def forget_attempt(self) -> None:
        """Remove an attempt from the history of a run."""
        self.runs[1].attempts = self.runs[1].attempts[1:]


def test_flawless_evidence_passes() -> None:
    """The figures are right, too."""
    found = check(Story().evidence())

    assert not found.bad, str(found)
    assert (found.runs, found.calls, found.resent) == (3, 4, 1)
    assert found.percentile(50) == found.percentile(100) == SOON


@pytest.mark.parametrize(
    ("damage", "kind"),
    [
        (Story.forget_run, "lost"),
        (Story.forget_call, "lost"),
        (Story.leave_unanswered, "lost"),
        (Story.leave_unfinished, "lost"),
        (Story.end_by_a_late_answer, "wrong"),
        (Story.claim_twice, "doubled"),
        (Story.count_what_ran, "doubled"),
        (Story.miscount, "wrong"),
        (Story.send_twice, "doubled"),
        (Story.send_beyond_the_ledger, "doubled"),
        (Story.send_without_a_run, "doubled"),
        (Story.send_early, "early"),
        (Story.run_between, "wrong"),
        (Story.fail, "wrong"),
        (Story.drop_event, "wrong"),
        (Story.reverse_events, "wrong"),
        (Story.leave_event_behind, "wrong"),
        (Story.forget_attempt, "wrong"),
    ],
)
def test_flaw_is_found(damage: Callable[[Story], None], kind: str) -> None:
    """Each kind of flaw is found under its own name."""
    story = Story()
    damage(story)

    assert getattr(check(story.evidence()), kind)


def test_policies_allow_only_their_own_states() -> None:
    """A run may be SKIPPED only if the overlap policy says so, and MISSED only if the misfire policy does."""
    for state, field, policy in (
        (RunState.SKIPPED, "overlap", OverlapPolicy.SKIP),
        (RunState.MISSED, "misfire", MisfirePolicy.SKIP),
    ):
        story = Story()
        story.runs[0].state, story.runs[0].attempt, story.runs[0].attempts = state, 0, []
        story.events[0].type, story.events[0].state, story.events[0].attempt = RunEventType(state.value), state, 0
        del story.events[1]
        story.calls.pop(0)
        for seq, event in enumerate(story.events):
            event.seq = seq
        assert check(story.evidence()).wrong
        setattr(story.order, field, policy)
        assert not check(story.evidence()).bad


def test_instants_of_an_order() -> None:
    """Both ends are included, and an order without an interval is due once."""
    assert list(Order(first=START).instants()) == [START]
    assert len(list(Order(first=START, last=START + 10 * SECOND, every=3 * SECOND).instants())) == 4
    assert len(list(Order(first=START, last=START + 9 * SECOND, every=3 * SECOND).instants())) == 4
    hourly = Order(first=START, last=START + timedelta(hours=2), cron="0 * * * *")
    assert len(list(hourly.instants())) == 3
