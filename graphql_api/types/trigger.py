"""When a task is due."""

from datetime import datetime
from typing import Annotated, Any

import strawberry
from strawberry import UNSET

from db import models
from graphql_api.types.scalars import DefaultNumber, DefaultText, Milliseconds, given_or_none, is_given
from jobs.triggers import schedule
from jobs.triggers.columns import trigger_of
from jobs.triggers.revision import TriggerUpdate
from jobs.triggers.schedule import Cron, Interval, OneOff


@strawberry.type(description="Fires once.")
class OneOffTrigger:
    """One instant."""

    at: datetime = strawberry.field(description="The instant.")


@strawberry.type(description="Fires at the minutes that a cron expression selects, in a time zone.")
class CronTrigger:
    """A cron expression."""

    expression: str = strawberry.field(description="Five fields, or a macro such as @daily.")
    timezone: str = strawberry.field(description="The IANA time zone whose wall clock the expression refers to.")
    start_at: datetime | None = strawberry.field(description="The trigger has no instant before this one; inclusive.")
    end_at: datetime | None = strawberry.field(description="The trigger has no instant after this one; inclusive.")
    jitter_ms: Milliseconds = strawberry.field(
        description="Each call is delayed by up to this much; the delay is always the same for the same instant."
    )
    trigger: strawberry.Private[Cron]

    @strawberry.field(description="A description of the trigger in words.")
    def description(self) -> str:
        """Describe the trigger, only when the field is selected."""
        return schedule.describe(self.trigger)


@strawberry.type(
    description="Fires at an interval: the instants are startAt + n * everyMs, for n = 0, 1, … An absent startAt "
    "becomes the creation of the task + everyMs. startAt and endAt are inclusive."
)
class IntervalTrigger:
    """Every so often."""

    every_ms: Milliseconds = strawberry.field(description="The time from one instant to the next.")
    start_at: datetime | None = strawberry.field(
        description="The first instant; never null, but nullable so that it can be selected together with that of "
        "CronTrigger."
    )
    end_at: datetime | None = strawberry.field(description="The trigger has no instant after this one; inclusive.")
    jitter_ms: Milliseconds = strawberry.field(
        description="Each call is delayed by up to this much; the delay is always the same for the same instant."
    )


Trigger = Annotated[
    OneOffTrigger | CronTrigger | IntervalTrigger,
    strawberry.union("Trigger", description="When a task is due: once, by a cron expression, or at an interval."),
]


def trigger_type_of(task: models.Task) -> OneOffTrigger | CronTrigger | IntervalTrigger:
    """The trigger of a task."""
    trigger = trigger_of(task)
    match trigger:
        case OneOff():
            return OneOffTrigger(at=trigger.at)
        case Cron():
            return CronTrigger(
                expression=trigger.expression,
                timezone=trigger.timezone,
                start_at=trigger.start_at,
                end_at=trigger.end_at,
                jitter_ms=Milliseconds(trigger.jitter_ms),
                trigger=trigger,
            )
        case Interval():
            return IntervalTrigger(
                every_ms=Milliseconds(trigger.every_ms),
                start_at=trigger.first_instant,
                end_at=trigger.end_at,
                jitter_ms=Milliseconds(trigger.jitter_ms),
            )


NO_JITTER = Milliseconds(DefaultNumber(0))


@strawberry.input(description="Fires once: at an instant, or after a delay. Exactly one of the two is required.")
class OneOffTriggerInput:
    """One instant."""

    at: datetime | None = strawberry.field(default=UNSET, description="The instant, which must be in the future.")
    delay_ms: Milliseconds | None = strawberry.field(
        default=UNSET,
        description="The time from the moment when the trigger is stored, by Postgres's clock, until the instant; "
        "0 or more, at most 100 years. In previewTrigger it counts from now.",
    )


@strawberry.input(description="Fires at the minutes that a cron expression selects, in a time zone.")
class CronTriggerInput:
    """A cron expression."""

    expression: str = strawberry.field(
        description="Five fields, or a macro such as @daily; at most 256 characters. Beyond crontab(5), L as day of "
        "month is the last day, friL is the last Friday of the month, and mon#2 is its second Monday."
    )
    timezone: str | None = strawberry.field(
        default=DefaultText("UTC"), description="An IANA time zone, such as Europe/Berlin. Null stands for UTC."
    )
    start_at: datetime | None = strawberry.field(
        default=UNSET, description="The trigger has no instant before this one; inclusive."
    )
    end_at: datetime | None = strawberry.field(
        default=UNSET, description="The trigger has no instant after this one; inclusive."
    )
    jitter_ms: Milliseconds | None = strawberry.field(
        default=NO_JITTER,
        description="Delays each call by up to this much; at most the shortest gap between two instants. Null stands "
        "for 0.",
    )


@strawberry.input(description="Fires at an interval.")
class IntervalTriggerInput:
    """Every so often."""

    every_ms: Milliseconds = strawberry.field(description="The time from one instant to the next; at least 1,000.")
    start_at: datetime | None = strawberry.field(
        default=UNSET,
        description="The first instant. By default everyMs after the task is created, or, in an update, after the "
        "last instant that was settled.",
    )
    end_at: datetime | None = strawberry.field(
        default=UNSET, description="The trigger has no instant after this one; inclusive."
    )
    jitter_ms: Milliseconds | None = strawberry.field(
        default=NO_JITTER, description="Delays each call by up to this much; at most everyMs. Null stands for 0."
    )


@strawberry.input(one_of=True, description="When a task is due: exactly one of these.")
class TriggerInput:
    """Exactly one kind of trigger."""

    one_off: OneOffTriggerInput | None = strawberry.field(default=UNSET, description="Once.")
    cron: CronTriggerInput | None = strawberry.field(default=UNSET, description="By a cron expression.")
    interval: IntervalTriggerInput | None = strawberry.field(default=UNSET, description="At an interval.")

    def draft(self) -> schedule.Requested:
        """Return the requested trigger, unchecked."""
        return self.update().applied_to(None)

    def update(self) -> TriggerUpdate:
        """Return the trigger as an update takes it: its kind, and the members that are present."""
        if self.one_off:
            at, delay_ms = given_or_none(self.one_off.at), given_or_none(self.one_off.delay_ms)
            return TriggerUpdate.one_off(at=at, delay_ms=delay_ms)
        kinds = {Cron: self.cron, Interval: self.interval}
        [(kind, given)] = [(kind, given) for kind, given in kinds.items() if given]
        return TriggerUpdate(kind=kind, members=present_members(given))


def present_members(given: Any) -> dict[str, Any]:
    """Return the members of a trigger that are present, some of them null."""
    return {name: value for name, value in vars(given).items() if is_given(value)}
