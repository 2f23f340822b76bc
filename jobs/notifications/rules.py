"""The use cases of rules. They take a transaction and flush; its owner commits."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from db.models import NotificationRule
from db.notifications import definitions, judging
from db.reads import tasks
from db.states import NotificationEvent
from jobs.errors import Conflict, ConflictReason, InvalidInput, NotFound
from jobs.problems import Problem
from jobs.tasks.audit import difference
from jobs.tasks.transaction import Transaction
from jobs.tasks.validation import name_problems, tag_problems

MAX_RULES = 100
MAX_CHANNELS_OF_RULE = 20
MAX_TASKS_OF_RULE = 1_000
MAX_AFTER_FAILURES = 1_000
DAY_MS = 86_400_000
LIMITS_MS = {
    "late_ms": ("lateMs", 1, 7 * DAY_MS),
    "tolerance_ms": ("toleranceMs", 0, 7 * DAY_MS),
    "gather_ms": ("gatherMs", 0, 600_000),
}
MIN_REMIND_EVERY_MS, MAX_REMIND_EVERY_MS = 1_000, 30 * DAY_MS
TOLD_BESIDE = {
    NotificationEvent.TEST: "is what testChannel sends; give another event",
    NotificationEvent.WORKERS_BACK: "is sent by rules with NO_WORKERS and RECOVERED; give these",
}
DEFAULTS: dict[str, Any] = {
    "task_ids": (),
    "tags": (),
    "after_failures": 1,
    "late_ms": None,
    "tolerance_ms": 60_000,
    "remind_every_ms": None,
    "gather_ms": 10_000,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleDraft:
    """A rule as requested, not validated yet. None leaves the old value, or stands for the default."""

    name: str | None = None
    channel_ids: Sequence[UUID] | None = None
    events: Sequence[NotificationEvent] | None = None
    task_ids: Sequence[UUID] | None = None
    tags: Sequence[str] | None = None
    after_failures: int | None = None
    late_ms: int | None = None
    tolerance_ms: int | None = None
    remind_every_ms: int | None = None
    gather_ms: int | None = None

    def given(self) -> dict[str, Any]:
        """Return the columns that the draft sets."""
        found: dict[str, Any] = {}
        if self.name is not None:
            found["name"] = self.name.strip()
        for name in ("channel_ids", "events", "task_ids", "tags"):
            if (members := getattr(self, name)) is not None:
                found[name] = [str(each) if name == "events" else each for each in members]
        for name in ("after_failures", "late_ms", "tolerance_ms", "gather_ms"):
            if (number := getattr(self, name)) is not None:
                found[name] = number
        if self.remind_every_ms is not None:
            found["remind_every_ms"] = self.remind_every_ms or None
        return found


async def create_rule(work: Transaction, draft: RuleDraft, *, now: datetime) -> NotificationRule:
    """Create a rule about everything from now on. Raises `InvalidInput`."""
    after_seq = await judging.start_cursor(await work.session.connection())
    rule = NotificationRule(
        id=uuid4(),
        name="",
        channel_ids=[],
        events=[],
        after_failures=1,
        tolerance_ms=0,
        gather_ms=0,
        after_seq=after_seq,
        created_at=now,
        updated_at=now,
    )
    problems = await problems_of(work, draft, rule)
    if await definitions.count(work.session, NotificationRule) >= MAX_RULES:
        problems.append(Problem((), f"there are {MAX_RULES} rules, which is the limit; delete one first"))
    apply(rule, DEFAULTS | draft.given(), problems)
    work.session.add(rule)
    work.record("createNotificationRule", after=shown(rule))
    await work.session.flush()
    return rule


async def update_rule(
    work: Transaction, rule_id: UUID, draft: RuleDraft, *, now: datetime, expected_version: int | None = None
) -> NotificationRule:
    """Change a rule, which then starts over, or nothing if the draft is equal to it.

    Raises `NotFound`, `Conflict` and `InvalidInput`.
    """
    after_seq = await judging.start_cursor(await work.session.connection())
    rule = await found_rule(work, rule_id)
    if expected_version is not None and expected_version != rule.version:
        message = f"The rule has version {rule.version}, not {expected_version}: it has been changed since"
        raise Conflict(message, reason=ConflictReason.STALE_VERSION)
    before = shown(rule)
    apply(rule, draft.given(), await problems_of(work, draft, rule))
    if shown(rule) != before:
        rule.version += 1
        rule.updated_at, rule.after_seq = now, after_seq
        await definitions.forget_alerts(work.session, rule_id)
        old, new = difference(before, shown(rule))
        work.record("updateNotificationRule", before=old | {"id": str(rule.id)}, after=new)
    await work.session.flush()
    return rule


async def delete_rule(work: Transaction, rule_id: UUID) -> None:
    """Delete a rule. Its deliveries are kept, and those that are pending are made. Raises `NotFound`."""
    await definitions.lock(work.session)
    rule = await found_rule(work, rule_id)
    work.record("deleteNotificationRule", before=shown(rule))
    await work.session.delete(rule)
    await work.session.flush()


async def found_rule(work: Transaction, rule_id: UUID) -> NotificationRule:
    """Return a rule. Raises `NotFound`."""
    found = await definitions.rules(work.session, [rule_id])
    if not found:
        raise NotFound("notification rule", rule_id)
    return found[0]


async def problems_of(work: Transaction, draft: RuleDraft, rule: NotificationRule) -> list[Problem]:
    """Return what is wrong with a draft of a rule."""
    problems = [*event_problems(draft, rule), *number_problems(draft)]
    if draft.name is not None:
        names = list(name_problems(draft.name))
        if not names:
            holder = await definitions.holder_of_name(work.session, NotificationRule, draft.name.strip())
            if holder not in (None, rule.id):
                names.append(Problem(("name",), "is the name of another rule; choose another one"))
        problems += names
    if draft.tags is not None:
        problems += tag_problems(draft.tags)
    if draft.channel_ids is not None:
        known = {channel.id for channel in await definitions.channels(work.session, draft.channel_ids)}
        problems += id_problems("channelIds", draft.channel_ids, known, least=1, most=MAX_CHANNELS_OF_RULE)
    if draft.task_ids is not None:
        ids = draft.task_ids[: MAX_TASKS_OF_RULE + 1]
        existing = (await tasks.find(work.session, ids=ids, without_large=True)).keys()
        problems += id_problems("taskIds", draft.task_ids, existing, least=0, most=MAX_TASKS_OF_RULE)
    return problems


def id_problems(
    member: str, ids: Sequence[UUID], known: Collection[UUID], *, least: int, most: int
) -> Iterator[Problem]:
    """Yield what is wrong with a list of ids: its length, an unknown id, or one that is given twice."""
    if not least <= len(ids) <= most:
        yield Problem((member,), f"must have {least} to {most:,} ids, not {len(ids):,}")
        return
    for place, each in enumerate(ids):
        if each in ids[:place]:
            yield Problem((member, str(place)), f"{each} is given twice")
        elif each not in known:
            yield Problem((member, str(place)), f"there is no {member.removesuffix('Ids')} {each}")


def event_problems(draft: RuleDraft, rule: NotificationRule) -> Iterator[Problem]:
    """Yield what is wrong with the events."""
    events = rule.events if draft.events is None else draft.events
    late_ms = rule.late_ms if draft.late_ms is None else draft.late_ms
    if draft.events is not None:
        if not draft.events:
            yield Problem(("events",), "is empty; give at least one event")
        for place, event in enumerate(draft.events):
            if event in TOLD_BESIDE:
                yield Problem(("events", str(place)), f"{event.name} {TOLD_BESIDE[event]}")
            elif event in draft.events[:place]:
                yield Problem(("events", str(place)), f"{event.name} is given twice")
    if NotificationEvent.LATE in (events or ()) and late_ms is None:
        yield Problem(("lateMs",), "is missing; LATE needs the number of milliseconds by which a run may begin late")


def number_problems(draft: RuleDraft) -> Iterator[Problem]:
    """Yield which numbers are out of bounds."""
    if draft.after_failures is not None and not 1 <= draft.after_failures <= MAX_AFTER_FAILURES:
        message = f"must be from 1 to {MAX_AFTER_FAILURES:,}, not {draft.after_failures:,}"
        yield Problem(("afterFailures",), message)
    for column, (member, least, most) in LIMITS_MS.items():
        number = getattr(draft, column)
        if number is not None and not least <= number <= most:
            yield Problem((member,), f"must be from {least:,} to {most:,}, not {number:,}")
    every = draft.remind_every_ms
    if every is not None and every != 0 and not MIN_REMIND_EVERY_MS <= every <= MAX_REMIND_EVERY_MS:
        message = f"must be 0, which means never, or from {MIN_REMIND_EVERY_MS:,} to {MAX_REMIND_EVERY_MS:,}"
        yield Problem(("remindEveryMs",), f"{message}, not {every:,}")


def apply(rule: NotificationRule, columns: dict[str, Any], problems: Sequence[Problem]) -> None:
    """Set columns of a rule. Raises `InvalidInput` with all problems."""
    if problems:
        raise InvalidInput(problems)
    for name, value in columns.items():
        setattr(rule, name, list(value) if isinstance(value, tuple) else value)


def shown(rule: NotificationRule) -> dict[str, Any]:
    """Return a rule as the audit log shows it."""
    left_out = {"after_seq", "version", "created_at", "updated_at"}
    return rule.model_dump(mode="json", exclude=left_out, exclude_none=True)
