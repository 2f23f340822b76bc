"""The HTTP request that a task makes."""

from typing import Any, cast

import strawberry
from strawberry import UNSET
from strawberry.scalars import JSON

from db import models
from db.reads import large_values
from graphql_api.context import Info
from graphql_api.types import enums  # noqa: F401 (describes the enums)
from graphql_api.types.scalars import Milliseconds, given_members, given_or_none
from jobs.http.request import ActionDraft, HeaderDraft, HttpMethod
from jobs.security.secret_headers import in_order, is_sealed


@strawberry.type(description="A header of a request or of a response.")
class Header:
    """The name and value of a header."""

    name: str = strawberry.field(description="The name, spelt as it was given.")
    value: str | None = strawberry.field(description="The value; null for a secret, which is never shown again.")
    secret: bool = strawberry.field(default=False, description="Whether the value is a secret.")


@strawberry.type(description="The request that a task makes.")
class HttpAction:
    """The request of a task, or of a run."""

    method: HttpMethod = strawberry.field(description="The HTTP method.")
    url: str = strawberry.field(description="The http or https URL.")
    headers: list[Header] = strawberry.field(
        description="The headers that the task sets, in the order in which they were given."
    )
    timeout_ms: Milliseconds = strawberry.field(description="Timeout of a whole attempt: connection, headers and body.")
    redirects: int = strawberry.field(description="Largest number of redirects to follow.")
    signed: bool = strawberry.field(description="Whether calls carry a Standard Webhooks signature.")
    row: strawberry.Private[models.Task | models.TaskVersion]

    @staticmethod
    def of(task: models.Task | models.TaskVersion) -> "HttpAction":
        """Return the action of a task or of an earlier version."""
        return HttpAction(
            method=HttpMethod(task.method),
            url=task.url,
            headers=[
                Header(name=name, value=None, secret=True) if is_sealed(value) else Header(name=name, value=value)
                for name, value in in_order(task).items()
            ],
            timeout_ms=Milliseconds(task.timeout_ms),
            redirects=task.redirects,
            signed=bool(task.signing_secrets),
            row=task,
        )

    @strawberry.field(description="The body, sent as JSON; null if there is none.")
    async def payload(self, info: Info) -> JSON | None:
        """Return the payload, read only when it is selected.

        If the task was changed since its row was read, the earlier version has the payload that belongs to the row.
        """
        context, row = info.context, self.row
        if isinstance(row, models.Task):
            found = await context.large_value(large_values.PAYLOAD, row.id)
            payload, version = found or (None, row.version)
            earlier = await context.versions.load((row.id, row.version)) if version != row.version else None
            if earlier is None:
                return cast("JSON | None", payload)
            row = earlier
        [payload] = await context.large_value(large_values.EARLIER_PAYLOAD, (row.task_id, row.version)) or [None]
        return payload


@strawberry.input(description="A header to send.")
class HeaderInput:
    """A header to send. The value is required, except for a secret that keeps its stored value."""

    name: str = strawberry.field(description="The name, a token by RFC 9110. Each name may occur once, in any case.")
    value: str | None = strawberry.field(
        default=UNSET,
        description="The value, without line breaks. It is required, except in an update, where a secret header "
        "without a value keeps its stored one unless the URL changes to another origin.",
    )
    secret: bool = strawberry.field(
        default=False,
        description="Whether the value is encrypted and never shown. Authorization, Cookie, Proxy-Authorization "
        "and X-Api-Key are always secret, and a secret header stays secret.",
    )

    def draft(self) -> HeaderDraft:
        """Return the header as the use cases take it."""
        return HeaderDraft(self.name, given_or_none(self.value), secret=self.secret)


@strawberry.input(description="The request that a task makes.")
class HttpActionInput:
    """The request to make."""

    method: HttpMethod = strawberry.field(default=HttpMethod.GET, description="The HTTP method.")
    url: str = strawberry.field(
        description="An http or https URL with a host and without a user name; at most 2,000 characters."
    )
    headers: list[HeaderInput] = strawberry.field(
        default_factory=list,
        description="At most 100, 32 KiB in all; none of those that belong to the connection, Host or Content-Length.",
    )
    payload: JSON | None = strawberry.field(
        default=UNSET, description="The body, any JSON of at most 256 KiB; null sends none."
    )
    timeout_ms: Milliseconds = strawberry.field(
        default=Milliseconds(30_000),
        description="Timeout of a whole attempt; 1 to 3,600,000.",
    )
    redirects: int = strawberry.field(default=0, description="Largest number of redirects to follow; 0 to 5.")
    signing_secrets: list[str] | None = strawberry.field(
        default=UNSET,
        description="Secrets by which calls are signed, as Standard Webhooks has it: `whsec_` and 24 to 64 bytes in "
        "base64; at most 4, each of which signs. Shown to nobody again.",
    )

    def draft(self) -> ActionDraft:
        """Return the action as the use cases take it."""
        return ActionDraft(
            method=self.method,
            url=self.url,
            headers=[header.draft() for header in self.headers],
            payload=given_or_none(self.payload),
            timeout_ms=self.timeout_ms,
            redirects=self.redirects,
            signing_secrets=given_or_none(self.signing_secrets),
        )


@strawberry.input(
    description="What to change in an action. An absent or null member leaves the old value, except that an "
    "explicit `payload: null` clears the payload. `signingSecrets: []` ends signing, and headers, if "
    "given, replace the whole list."
)
class UpdateHttpActionInput:
    """Some members of an action."""

    method: HttpMethod | None = strawberry.field(default=UNSET, description="The HTTP method.")
    url: str | None = strawberry.field(
        default=UNSET, description="An http or https URL with a host and without a user name; at most 2,000 characters."
    )
    headers: list[HeaderInput] | None = strawberry.field(
        default=UNSET, description="The headers that replace the old ones; at most 100, 32 KiB in total."
    )
    payload: JSON | None = strawberry.field(
        default=UNSET, description="The body, any JSON of at most 256 KiB; null sends none."
    )
    timeout_ms: Milliseconds | None = strawberry.field(
        default=UNSET, description="Timeout of a whole attempt; 1 to 3,600,000."
    )
    redirects: int | None = strawberry.field(
        default=UNSET, description="Largest number of redirects to follow; 0 to 5."
    )
    signing_secrets: list[str] | None = strawberry.field(
        default=UNSET, description="The signing secrets that replace the old ones; at most 4."
    )

    def members(self) -> dict[str, Any]:
        """Return the members that were given, by the names of the draft."""
        members = given_members(self)
        if self.headers:
            members["headers"] = [header.draft() for header in self.headers]
        if self.payload is None:
            members["payload"] = None
        return members
