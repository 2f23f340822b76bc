"""When a task is due."""

from datetime import datetime
from typing import Annotated

import strawberry
from strawberry import UNSET

from db import models
from graphql_api.types.scalars import Milliseconds, given_or_none
from jobs.triggers import schedule
from jobs.triggers.columns import trigger_of
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
    start_at: datetime = strawberry.field(description="The first instant.")
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


@strawberry.input(description="Fires once.")
class OneOffTriggerInput:
    """One instant."""

    at: datetime = strawberry.field(description="The instant, which has to be in the future.")


@strawberry.input(description="Fires at the minutes that a cron expression selects, in a time zone.")
class CronTriggerInput:
    """A cron expression."""

    expression: str = strawberry.field(
        description="Five fields, or a macro such as @daily; at most 256 characters. Beyond crontab(5), L as day of "
        "month is the last day, friL is the last Friday of the month, and mon#2 is its second Monday."
    )
    timezone: str = strawberry.field(default="UTC", description="An IANA time zone, such as Europe/Berlin.")
    start_at: datetime | None = strawberry.field(
        default=UNSET, description="The trigger has no instant before this one; inclusive."
    )
    end_at: datetime | None = strawberry.field(
        default=UNSET, description="The trigger has no instant after this one; inclusive."
    )
    jitter_ms: Milliseconds = strawberry.field(
        default=Milliseconds(0),
        description="Delays each call by up to this much; at most the shortest gap between two instants.",
    )


@strawberry.input(description="Fires at an interval.")
class IntervalTriggerInput:
    """Every so often."""

    every_ms: Milliseconds = strawberry.field(description="The time from one instant to the next; at least 1,000.")
    start_at: datetime | None = strawberry.field(
        default=UNSET, description="The first instant; by default everyMs after the task is created."
    )
    end_at: datetime | None = strawberry.field(
        default=UNSET, description="The trigger has no instant after this one; inclusive."
    )
    jitter_ms: Milliseconds = strawberry.field(
        default=Milliseconds(0), description="Delays each call by up to this much; at most everyMs."
    )


@strawberry.input(one_of=True, description="When a task is due: exactly one of these.")
class TriggerInput:
    """Exactly one kind of trigger."""

    one_off: OneOffTriggerInput | None = strawberry.field(default=UNSET, description="Once.")
    cron: CronTriggerInput | None = strawberry.field(default=UNSET, description="By a cron expression.")
    interval: IntervalTriggerInput | None = strawberry.field(default=UNSET, description="At an interval.")

    def draft(self) -> schedule.Trigger:
        """Return the requested trigger, unchecked."""
        if self.one_off:
            return OneOff(at=self.one_off.at)
        if self.cron:
            return Cron(
                expression=self.cron.expression,
                timezone=self.cron.timezone,
                start_at=given_or_none(self.cron.start_at),
                end_at=given_or_none(self.cron.end_at),
                jitter_ms=self.cron.jitter_ms,
            )
        if self.interval:
            return Interval(
                every_ms=self.interval.every_ms,
                start_at=given_or_none(self.interval.start_at),
                end_at=given_or_none(self.interval.end_at),
                jitter_ms=self.interval.jitter_ms,
            )
        raise AssertionError("GraphQL's @oneOf lets no empty trigger pass")
