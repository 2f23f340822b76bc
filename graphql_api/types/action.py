"""The HTTP request that a task makes."""

from typing import Any

import strawberry
from strawberry import UNSET
from strawberry.scalars import JSON

from db import models
from graphql_api.types import enums  # noqa: F401 (describes the enums)
from graphql_api.types.scalars import Milliseconds, given_members, given_or_none
from jobs.http.request import ActionDraft, HeaderDraft, HttpMethod
from jobs.security.secret_headers import in_order, is_sealed


@strawberry.type(description="A header of a request or of an answer.")
class Header:
    """A name and its value."""

    name: str = strawberry.field(description="The name, in the case in which it was given.")
    value: str | None = strawberry.field(description="The value; null for a secret, which nobody is shown again.")
    secret: bool = strawberry.field(default=False, description="Whether the value is a secret.")


@strawberry.type(
    description="What a task calls. `redirects`: how many may be followed. `signed`: calls carry a Standard Webhooks "
    "signature."
)
class HttpAction:
    """A request, as it is or was sent."""

    method: HttpMethod = strawberry.field(description="The method.")
    url: str = strawberry.field(description="The URL, http or https.")
    headers: list[Header] = strawberry.field(
        description="The headers that the task sets, in the order in which they were given."
    )
    payload: JSON | None = strawberry.field(description="The body, sent as JSON; null for none.")
    timeout_ms: Milliseconds = strawberry.field(
        description="How long an attempt may take in all: connection, headers and body."
    )
    redirects: int = strawberry.field(description="How many redirects may be followed.")
    signed: bool = strawberry.field(description="Whether calls carry a Standard Webhooks signature.")

    @staticmethod
    def of(task: models.Task | models.TaskVersion) -> "HttpAction":
        """The action of a task as it is, or as it was."""
        return HttpAction(
            method=HttpMethod(task.method),
            url=task.url,
            headers=[
                Header(name=name, value=None, secret=True) if is_sealed(value) else Header(name=name, value=value)
                for name, value in in_order(task).items()
            ],
            payload=task.payload,
            timeout_ms=Milliseconds(task.timeout_ms),
            redirects=task.redirects,
            signed=bool(task.signing_secrets),
        )


@strawberry.input(description="A header to send.")
class HeaderInput:
    """Its value is required, but for a secret that keeps what it has."""

    name: str = strawberry.field(description="The name, a token as in RFC 9110; each once, whatever its case.")
    value: str | None = strawberry.field(
        default=UNSET,
        description="The value, without line breaks. In an update, a secret header without a value keeps the one that "
        "it has, unless the URL leads to another origin; anywhere else a value is required.",
    )
    secret: bool = strawberry.field(
        default=False,
        description="Whether the value is kept encrypted and shown to nobody. Authorization, Cookie, "
        "Proxy-Authorization and X-Api-Key are secret in any case, and what was a secret stays one.",
    )

    def draft(self) -> HeaderDraft:
        """The same, for the use case."""
        return HeaderDraft(self.name, given_or_none(self.value), secret=self.secret)


@strawberry.input(description="What a task is to call.")
class HttpActionInput:
    """An action as it is asked for."""

    method: HttpMethod = strawberry.field(default=HttpMethod.GET, description="The method.")
    url: str = strawberry.field(description="http or https, with a host, without user name; at most 2,000 characters.")
    headers: list[HeaderInput] = strawberry.field(
        default_factory=list,
        description="At most 100, 32 KiB in all; none of those that belong to the connection, Host or Content-Length.",
    )
    payload: JSON | None = strawberry.field(
        default=UNSET, description="The body, any JSON of at most 256 KiB; null for none."
    )
    timeout_ms: Milliseconds = strawberry.field(
        default=Milliseconds(30_000),
        description="How long an attempt may take in all; 1 to 3,600,000.",
    )
    redirects: int = strawberry.field(default=0, description="How many redirects may be followed; 0 to 5.")
    signing_secrets: list[str] | None = strawberry.field(
        default=UNSET,
        description="Secrets by which calls are signed, as Standard Webhooks has it: `whsec_` and 24 to 64 bytes in "
        "base64; at most 4, each of which signs. Shown to nobody again.",
    )

    def draft(self) -> ActionDraft:
        """The same, for the use case."""
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
    description="What is to change in an action; what is absent or null stays as it is. `payload: null` given "
    "explicitly clears it; `signingSecrets: []` ends signing; headers, when given, are the whole list."
)
class UpdateHttpActionInput:
    """Some members of an action."""

    method: HttpMethod | None = strawberry.field(default=UNSET, description="The method.")
    url: str | None = strawberry.field(
        default=UNSET, description="http or https, with a host, without user name; at most 2,000 characters."
    )
    headers: list[HeaderInput] | None = strawberry.field(
        default=UNSET, description="All headers from now on; at most 100, 32 KiB in all."
    )
    payload: JSON | None = strawberry.field(
        default=UNSET, description="The body, any JSON of at most 256 KiB; null for none."
    )
    timeout_ms: Milliseconds | None = strawberry.field(
        default=UNSET, description="How long an attempt may take in all; 1 to 3,600,000."
    )
    redirects: int | None = strawberry.field(default=UNSET, description="How many redirects may be followed; 0 to 5.")
    signing_secrets: list[str] | None = strawberry.field(
        default=UNSET, description="All secrets by which calls are signed from now on; at most 4."
    )

    def members(self) -> dict[str, Any]:
        """What was given, by the names of the draft."""
        members = given_members(self)
        if self.headers:
            members["headers"] = [header.draft() for header in self.headers]
        if self.payload is None:
            members["payload"] = None
        return members
