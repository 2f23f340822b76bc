"""The use cases of flow limits. They take a transaction and flush; its owner commits."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy.exc import IntegrityError

from db.models import FlowLimit
from db.tasks import flow_limits
from jobs.errors import Conflict, ConflictReason, InvalidInput, NotFound
from jobs.http.host_patterns import parse_host_pattern
from jobs.problems import Problem
from jobs.tasks.audit import difference
from jobs.tasks.transaction import Transaction
from jobs.tasks.validation import flow_key_problems

MAX_LIMITS = 1_000
MAX_CONCURRENT = 10_000
MAX_BURST = 10_000
LEAST_RATE = 0.0001
MAX_RATE = 10_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowLimitDraft:
    """A limit as requested, not validated yet. In an update, None leaves the old value, and 0 removes it."""

    host: str | None = None
    flow_key: str | None = None
    max_concurrent: int | None = None
    rate_per_second: float | None = None
    burst: int | None = None


async def create_flow_limit(work: Transaction, draft: FlowLimitDraft, *, now: datetime) -> FlowLimit:
    """Create a limit. Raises `InvalidInput`, and `Conflict` if there is one with this key."""
    limit = FlowLimit(id=uuid4(), created_at=now, updated_at=now)
    problems = [*key_problems(draft, limit), *value_problems(draft, least=1)]
    if draft.max_concurrent is None and draft.rate_per_second is None:
        problems.append(Problem((), "has no limit; give maxConcurrent, ratePerSecond, or both"))
    if draft.burst is not None and draft.rate_per_second is None:
        problems.append(Problem(("burst",), "requires a rate; also give ratePerSecond"))
    if await flow_limits.count(work.session) >= MAX_LIMITS:
        problems.append(Problem((), f"there are {MAX_LIMITS:,} flow limits, which is the most; delete one first"))
    if problems:
        raise InvalidInput(problems)
    if await flow_limits.holder(work.session, host=limit.host, flow_key=limit.flow_key) is not None:
        raise key_taken(limit)
    limit.max_concurrent, limit.rate_per_second = draft.max_concurrent, draft.rate_per_second
    limit.burst = None if draft.rate_per_second is None else draft.burst or 1
    work.session.add(limit)
    work.record("createFlowLimit", after=shown(limit))
    work.notify_limits()
    try:
        await work.session.flush()
    except IntegrityError as error:
        raise key_taken(limit) from error
    return limit


async def update_flow_limit(work: Transaction, limit_id: UUID, draft: FlowLimitDraft, *, now: datetime) -> FlowLimit:
    """Change a limit, or nothing if the draft is equal to it. Raises `NotFound` and `InvalidInput`."""
    limit = await locked(work, limit_id)
    before = shown(limit)
    problems = [*value_problems(draft, least=0)]
    most = limit.max_concurrent if draft.max_concurrent is None else draft.max_concurrent or None
    rate = limit.rate_per_second if draft.rate_per_second is None else draft.rate_per_second or None
    burst = limit.burst if draft.burst is None else draft.burst or None
    if most is None and rate is None:
        problems.append(Problem((), "would limit nothing; delete the limit instead"))
    if draft.burst and rate is None:
        problems.append(Problem(("burst",), "requires a rate; also give ratePerSecond"))
    if problems:
        raise InvalidInput(problems)
    limit.max_concurrent, limit.rate_per_second, limit.burst = most, rate, None if rate is None else burst or 1
    if shown(limit) != before:
        # The usage of the old rate does not apply to the new one.
        limit.free_at = None
        limit.version += 1
        limit.updated_at = now
        old, new = difference(before, shown(limit))
        work.record("updateFlowLimit", before=old | {"id": str(limit.id)}, after=new)
        work.notify_limits()
    await work.session.flush()
    return limit


async def delete_flow_limit(work: Transaction, limit_id: UUID) -> None:
    """Delete a limit. Workers start the runs that wait for it. Raises `NotFound`."""
    limit = await locked(work, limit_id)
    work.record("deleteFlowLimit", before=shown(limit))
    work.notify_limits()
    await work.session.delete(limit)
    await work.session.flush()


async def locked(work: Transaction, limit_id: UUID) -> FlowLimit:
    """Return a limit, locked. Raises `NotFound`."""
    limit = await flow_limits.lock(work.session, limit_id)
    if limit is None:
        raise NotFound("flow limit", limit_id)
    return limit


def key_problems(draft: FlowLimitDraft, limit: FlowLimit) -> Iterator[Problem]:
    """Set the key of a new limit in its one spelling, and yield what is wrong with it."""
    if draft.flow_key is not None:
        limit.flow_key = draft.flow_key
        yield from flow_key_problems(draft.flow_key, path=("key", "flowKey"))
        return
    try:
        limit.host = parse_host_pattern(draft.host or "")
    except ValueError as error:
        yield Problem(("key", "host"), str(error))


def value_problems(draft: FlowLimitDraft, *, least: int) -> Iterator[Problem]:
    """Yield what is wrong with the numbers of a limit. An update may have 0, which takes a member away."""
    takes_away = "" if least else "; 0 removes it"
    for name, number, most in (
        ("maxConcurrent", draft.max_concurrent, MAX_CONCURRENT),
        ("burst", draft.burst, MAX_BURST),
    ):
        if number is not None and not least <= number <= most:
            yield Problem((name,), f"must be from 1 to {most:,}, not {number:,}{takes_away}")
    rate = draft.rate_per_second
    if rate is not None and not (LEAST_RATE <= rate <= MAX_RATE or rate == least == 0):
        message = f"must be from {LEAST_RATE} to {MAX_RATE:,.0f} calls per second, not {rate:,}{takes_away}"
        yield Problem(("ratePerSecond",), message)


def key_taken(limit: FlowLimit) -> Conflict:
    """Return the conflict with a limit that has the same key."""
    message = f"There is a flow limit of {limit.host or limit.flow_key} already; change or delete that one"
    return Conflict(message, reason=ConflictReason.FLOW_LIMIT_EXISTS)


def shown(limit: FlowLimit) -> dict[str, Any]:
    """Return a limit as the audit log shows it."""
    names = ("host", "flow_key", "max_concurrent", "rate_per_second", "burst")
    members = {name: value for name in names if (value := getattr(limit, name)) is not None}
    return {"id": str(limit.id), **members}


def in_words(limit: FlowLimit) -> str:
    """Return what a run waits for, for people, as in `flow limit of api.example.com: 10 per second`."""
    parts = []
    if limit.rate_per_second is not None:
        parts.append(f"{limit.rate_per_second:g} per second")
    if limit.max_concurrent is not None:
        parts.append(f"{limit.max_concurrent:,} at the same time")
    key = f"flow key {limit.flow_key}" if limit.host is None else limit.host
    return f"flow limit of {key}: {', '.join(parts)}"
