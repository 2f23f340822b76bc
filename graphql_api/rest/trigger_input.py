"""The trigger in a request body: what clients send, and how it becomes what the use cases take."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field
from typing_extensions import TypeAliasType

from graphql_api.rest.form import (
    SENTENCES,
    BadRequest,
    Input,
    Instant,
    RequiredCron,
    Whole,
    described,
    must_be,
    optional,
    within,
)
from jobs.legacy import cron_text
from jobs.triggers.revision import TriggerUpdate
from jobs.triggers.schedule import Cron
from jobs.triggers.validation import MAX_EVERY_MS

OnlyCron = Annotated[None, must_be("left out: only cron triggers have it")]
WINDOW = {"start_at", "end_at", "jitter_ms"}
"""Members of a trigger that the old service did not have. In an update null sets the default."""


class OneOffTrigger(Input):
    """Fires once: at an instant, or after a delay."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {"required": [name], "properties": {name: {"not": {"type": "null"}}}}
                for name in ("datetime", "delay_ms")
            ]
        }
    )

    type: Literal["one-off"]
    datetime: Instant | None = optional("An instant in the future, with an offset.")
    delay_ms: Whole | None = within(
        "The time from the moment when the trigger is stored until the instant, in milliseconds, in place of "
        "`datetime`.",
        0,
        MAX_EVERY_MS,
    )
    start_at: OnlyCron = optional("Only cron triggers have it.")
    end_at: OnlyCron = optional("Only cron triggers have it.")
    jitter_ms: OnlyCron = optional("Only cron triggers have it.")

    def update(self) -> TriggerUpdate:
        """Return the trigger as an update takes it. Raises `BadRequest`."""
        if self.datetime is None and self.delay_ms is None:
            raise BadRequest(SENTENCES["trigger.datetime"])
        if None not in {self.datetime, self.delay_ms}:
            raise BadRequest("the instant is given twice: by trigger.datetime and by trigger.delay_ms")
        return TriggerUpdate.one_off(at=self.datetime, delay_ms=self.delay_ms)


class CronTrigger(Input):
    """Fires by a cron expression, or at an interval."""

    type: Literal["cron"]
    cron: RequiredCron = described(
        "Five fields, or a macro such as @daily. It may begin with `TZ=<zone> ` or `CRON_TZ=<zone> `, and may be "
        "`@every <duration>`, such as `@every 1h30m`.",
        format="cron",
        examples=["0 9 * * *", "@every 10s"],
    )
    timezone: Annotated[str, must_be("an IANA time zone")] | None = optional(
        "An IANA time zone; UTC by default.", format="timezone"
    )
    start_at: Instant | None = optional(
        "The first instant of an interval, or an instant before which a cron expression does not fire; inclusive."
    )
    end_at: Instant | None = optional(
        "The trigger has no instant after this one; inclusive.", examples=["2100-01-31T09:00:00Z"]
    )
    jitter_ms: Whole | None = optional(
        "Delays each call by up to this many milliseconds; at most the shortest gap between two instants.",
        minimum=0,
        applied=0,
    )

    @classmethod
    def nulls_kept(cls) -> set[str]:
        """Return the members in which null sets the default."""
        return WINDOW

    def update(self) -> TriggerUpdate:
        """Return the trigger as an update takes it. Raises `BadRequest`.

        The cron text is the whole expression, with its zone or its period; the other members stay if they are absent.
        """
        try:
            found, zone = cron_text.parse(self.cron.strip())
        except ValueError as error:
            raise BadRequest(f"invalid cron expression: {error}") from error
        if None not in {self.timezone, zone} and self.timezone != zone:
            raise BadRequest("the time zone is given twice: in trigger.cron and in trigger.timezone")
        if isinstance(found, Cron):
            members: dict[str, Any] = {"expression": found.expression, "timezone": self.timezone or found.timezone}
        else:
            members = {"every_ms": found.every_ms}
        given = {name: getattr(self, name) for name in WINDOW & self.model_fields_set}
        return TriggerUpdate(kind=type(found), members=members | given)


TriggerInput = TypeAliasType(
    "TriggerInput",
    Annotated[OneOffTrigger | CronTrigger, Field(discriminator="type", description="When the task is due.")],
)
