"""Shows a plan. Secrets appear as the marks that the API returns for them."""

from collections.abc import Iterator, Mapping
from typing import Any

from duetime.client import digits
from duetime.client.apply.plan import Plan, Step
from duetime.client.output import print_styled

MEMBERS = {
    **{
        name: f"action.{member}"
        for name, member in {
            "method": "method", "url": "url", "headers": "headers", "payload": "payload", "body": "body",
            "success_statuses": "successStatuses", "timeout_ms": "timeoutMs", "redirects": "redirects",
            "signing_secrets": "signingSecrets",
        }.items()
    },
    **{
        name: f"retry.{member}"
        for name, member in {
            "max_attempts": "maxAttempts", "initial_delay_ms": "initialDelayMs", "backoff_factor": "factor",
            "max_delay_ms": "maxDelayMs", "retry_statuses": "retryStatuses", "max_elapsed_ms": "maxElapsedMs",
        }.items()
    },
    "trigger_type": "trigger",
    "trigger_time": "trigger.at",
    "cron_expr": "trigger.expression",
    "timezone": "trigger.timezone",
    "every_ms": "trigger.everyMs",
    "start_at": "trigger.startAt",
    "end_at": "trigger.endAt",
    "jitter_ms": "trigger.jitterMs",
    "user_metadata": "metadata",
}  # fmt: skip
"""The members of the input, by the names that the audit log has for them."""
LONGEST = 200
SECRET = "secret"  # noqa: S105 (the name of a member)


def print_plan(plan: Plan) -> None:
    """Print each task to create, change or delete with its differences, and the counts."""
    for steps, sign, style in ((plan.creates, "+", "green"), (plan.updates, "~", "yellow"), (plan.deletes, "-", "red")):
        for step in steps:
            print_styled(f"{sign} {step.reference}  {step.name}", style)
            for line in differences(step) if sign == "~" else ():
                print_styled(f"    {line}", "")
    numbers = f"{len(plan.creates):,} to create, {len(plan.updates):,} to change, {len(plan.deletes):,} to delete"
    print_styled(f"{numbers}, {plan.unchanged:,} unchanged.", "bold")


def differences(step: Step) -> Iterator[str]:
    """Yield the members that differ."""
    for name in sorted(step.before.keys() | step.after.keys(), key=member_of):
        before, after = step.before.get(name), step.after.get(name)
        if name == "headers":
            yield from of_headers(before or {}, after or {})
        else:
            yield f"{member_of(name)}: {shown(before)} -> {shown(after)}"


def of_headers(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """Yield the headers that differ."""
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            yield f"action.headers.{name}: {shown(before.get(name))} -> {shown(after.get(name))}"


def member_of(name: str) -> str:
    """Return the member of the input that has a name in the audit log."""
    first, *more = name.split("_")
    return MEMBERS.get(name) or first + "".join(word.capitalize() for word in more)


def shown(value: Any) -> str:
    """Return a value as short text."""
    if isinstance(value, dict) and value.keys() == {SECRET}:
        return f"(secret {value[SECRET]})"
    if isinstance(value, list) and value and all(isinstance(each, dict) and each.keys() == {SECRET} for each in value):
        return ", ".join(map(shown, value))
    text = "(none)" if value is None else digits.written(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def as_json(plan: Plan) -> dict[str, Any]:
    """Return a plan for programs."""
    return {
        "create": [{"externalId": step.reference, "after": named(step.after)} for step in plan.creates],
        "update": [
            {"externalId": step.reference, "before": named(step.before), "after": named(step.after)}
            for step in plan.updates
        ],
        "delete": [{"id": step.id, "reference": step.reference} for step in plan.deletes],
        "unchanged": plan.unchanged,
    }


def named(members: Mapping[str, Any]) -> dict[str, Any]:
    """Return members with the names of the input."""
    return {member_of(name): value for name, value in members.items()}
