"""Which events a rule tells of, as a pure computation."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from db.states import NotificationEvent, RunCause, RunEventType
from jobs.notifications.alerts import Judgement, Rule, judge_event, judge_workers
from jobs.notifications.apprise_service import masked, outcome_of
from jobs.notifications.delivery import POLICY
from jobs.notifications.message import one_line

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
EVERYTHING = frozenset(
    {NotificationEvent.FAILED, NotificationEvent.RECOVERED, NotificationEvent.LATE, NotificationEvent.ABSENT}
)


@dataclass(frozen=True, slots=True)
class SomeTask:
    """A task as judging reads it."""

    id: UUID = field(default_factory=uuid4)
    name: str = "a task"
    host: str = "host:80"
    tags: tuple[str, ...] = ("a",)


@dataclass(frozen=True, slots=True)
class SomeRun:
    """A run as judging reads it."""

    due_at: datetime
    scheduled_for: datetime
    cause: str = RunCause.SCHEDULE
    missed_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class SomeEvent:
    """A run event as judging reads it."""

    type: str
    at: datetime
    run_id: UUID = field(default_factory=uuid4)
    attempt: int = 1
    status_code: int | None = None
    error_message: str | None = None


def told_of(
    *ends: tuple[RunEventType, int], rule: Rule | None = None, missed_since: datetime | None = None
) -> list[str]:
    """Return the notifications of events, each some seconds after its run was due; the runs are due each minute."""
    judgement, task = Judgement(now=NOW), SomeTask()
    rule = rule or Rule(id=uuid4(), name="r", events=EVERYTHING, late=2 * SECOND, tolerance=10 * SECOND)
    for place, (kind, seconds) in enumerate(ends):
        due = NOW + place * 60 * SECOND
        run = SomeRun(due, due, missed_since=missed_since)
        event = SomeEvent(kind, due + seconds * SECOND)
        judge_event(judgement, rule, event, task=task, run=run, pauses={})
    return [str(telling.event) for telling in judgement.told]


S, F, U, M, B = (
    RunEventType.SUCCEEDED,
    RunEventType.FAILED,
    RunEventType.UNKNOWN,
    RunEventType.MISSED,
    RunEventType.STARTED,
)


@pytest.mark.parametrize(
    ("ends", "told"),
    [
        ([(S, 1), (S, 1)], []),
        ([(F, 1), (F, 1), (S, 1), (S, 1), (F, 1)], ["failed", "recovered", "failed"]),
        ([(U, 1), (S, 1)], ["failed", "recovered"]),
        ([(B, 3), (B, 3), (B, 1), (B, 3)], ["late", "late"]),
        ([(B, 2)], []),
        ([(S, 11), (S, 11), (S, 1), (S, 11)], ["absent", "recovered", "absent"]),
        ([(M, 1), (S, 1)], ["absent", "recovered"]),
        ([(F, 11), (S, 1)], ["failed", "absent", "recovered"]),
        ([(S, 10)], []),
    ],
)
def test_what_is_told(ends: list[tuple[RunEventType, int]], told: list[str]) -> None:
    """Each event is told once until it is over."""
    assert told_of(*ends) == told


def test_instants_that_a_run_stands_for_are_told_and_over_at_once() -> None:
    """A run in time that stands for an earlier instant tells that instant, and needs no recovery."""
    assert told_of((S, 1), missed_since=NOW - 60 * SECOND) == ["absent"]


def test_failures_count_one_after_another() -> None:
    """With n = 3, two failures are nothing, and a success begins a new count."""
    rule = Rule(id=uuid4(), name="r", events=EVERYTHING, after_failures=3)
    assert told_of((F, 1), (F, 1), (S, 1), (F, 1), (F, 1), (F, 1), (F, 1), (S, 1), rule=rule) == ["failed", "recovered"]


def test_a_rule_tells_only_what_it_selects() -> None:
    """RECOVERED alone is told as well, without its FAILED."""
    rule = Rule(id=uuid4(), name="r", events=frozenset({NotificationEvent.RECOVERED}))
    assert told_of((F, 1), (S, 1), rule=rule) == ["recovered"]


@pytest.mark.parametrize(
    ("rule", "matches"), [({}, True), ({"tags": {"a"}}, True), ({"tags": {"a", "b"}}, False), ({"ids": True}, False)]
)
def test_which_tasks(rule: dict[str, set[str]], matches: bool) -> None:  # noqa: FBT001
    """A rule is about tasks with its ids and all of its tags."""
    ids = frozenset({uuid4()}) if "ids" in rule else frozenset[UUID]()
    tags = frozenset(rule.get("tags", set()))
    assert Rule(id=uuid4(), name="r", events=EVERYTHING, task_ids=ids, tags=tags).matches(SomeTask()) is matches


def test_workers_are_missed_after_the_tolerance_only() -> None:
    """A restart of all workers within the tolerance is nothing."""
    events = frozenset({NotificationEvent.NO_WORKERS, NotificationEvent.RECOVERED})
    rule, judgement = Rule(id=uuid4(), name="r", events=events, tolerance=10 * SECOND), Judgement(now=NOW)
    for seconds, living in ((0, 0), (9, 0), (9, 1), (20, 0), (29, 0), (30, 0), (40, 0), (41, 2), (42, 2)):
        judgement.now = NOW + seconds * SECOND
        judge_workers(judgement, rule, living=living)
    assert [str(telling.event) for telling in judgement.told] == ["no_workers", "workers_back"]


def test_no_part_of_a_url_is_in_an_error() -> None:
    """User, password, token and address are masked, also where they are percent-encoded in the URL."""
    url = "mailto://me%40x:pass%2Fword@mail.example.com:587/token/?to=ops@example.com"
    error = "login of me@x with pass/word at MAIL.EXAMPLE.COM (token) failed for ops@example.com"
    text = masked(error, url=url)
    for secret in ("me@x", "pass", "word", "example", "token", "ops"):
        assert secret not in text.lower(), text
    assert "failed for" in text


def test_a_program_that_says_nothing_is_an_error() -> None:
    """Output that is no answer is named, and may be tried again."""
    assert outcome_of(b"", url="json://x") == ("apprise ended without an answer", False)


def test_deliveries_go_on_for_hours() -> None:
    """The delays of the policy add up to what the documents say."""
    total = sum((POLICY.delay_after(n, randomness=0.5) or timedelta() for n in range(1, 12)), timedelta())
    assert timedelta(hours=5) < total < timedelta(hours=8)


def test_names_cannot_add_lines_to_a_mail() -> None:
    """A line break in an imported task's name does not become a header."""
    assert one_line("a\r\nBcc: x@example.com") == "a  Bcc: x@example.com"
