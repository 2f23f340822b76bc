"""The HTTP request that a task makes."""

import json
from collections.abc import Sequence
from typing import Annotated, Any, cast
from uuid import UUID

import strawberry
from strawberry import UNSET
from strawberry.scalars import JSON

from db import models
from db.engine.finishes import Finish
from db.reads import large_values
from db.reads.large_values import LargeColumn
from db.states import BodyEncoding, RunState
from graphql_api import answer_size
from graphql_api.context import Info
from graphql_api.types import enums  # noqa: F401 (describes the enums)
from graphql_api.types.refusals import InvalidInput
from graphql_api.types.scalars import Milliseconds, given_members, given_or_none
from jobs.http.body import BodyDraft
from jobs.http.body import FormField as FormDraft
from jobs.http.body import draft_of as body_draft
from jobs.http.request import ActionDraft, HeaderDraft, HttpMethod, with_run_headers
from jobs.http.statuses import SUCCESS
from jobs.security.secret_headers import in_order, is_sealed
from jobs.tasks.run_input import RunInput

METHODS = {method.value: method for method in HttpMethod}


@strawberry.type(description="A header of a request or of a response.")
class Header:
    """The name and value of a header."""

    name: str = strawberry.field(description="The name, spelt as it was given.")
    value: str | None = strawberry.field(description="The value; null for a secret, which is never shown again.")
    secret: bool = strawberry.field(default=False, description="Whether the value is a secret.")


@strawberry.type(description="A field of a form.")
class FormField:
    """A field of a form."""

    name: str = strawberry.field(description="The name.")
    value: str = strawberry.field(description="The value.")


@strawberry.type(description="The request that a task makes.")
class HttpAction:
    """The request of a task, or of a run."""

    method: HttpMethod = strawberry.field(description="The HTTP method.")
    url: str = strawberry.field(description="The http or https URL.")
    success_statuses: list[str] = strawberry.field(description='Which statuses are a success, such as "2xx" or "404".')
    timeout_ms: Milliseconds = strawberry.field(description="Timeout of a whole attempt: connection, headers and body.")
    redirects: int = strawberry.field(description="Largest number of redirects to follow.")
    signed: bool = strawberry.field(description="Whether calls carry a Standard Webhooks signature.")
    row: strawberry.Private[models.Task | models.TaskVersion]
    run_id: strawberry.Private[UUID | None] = None
    run_headers: strawberry.Private[Sequence[Sequence[str]]] = ()
    body_of_definition: strawberry.Private[BodyDraft | None] = None

    @staticmethod
    def of_definition(task: models.Task) -> "HttpAction":
        """Return the action of a definition that a task has had, which comes with its large columns."""
        action = HttpAction.of(task)
        action.body_of_definition = body_draft(task.payload, task.body)
        return action

    @staticmethod
    def of(
        task: models.Task | models.TaskVersion, *, run_id: UUID | None = None, run_headers: Sequence[Sequence[str]] = ()
    ) -> "HttpAction":
        """Return the action of a task or of an earlier version; with a run's id, the one that the run sends."""
        return HttpAction(
            method=METHODS[task.method],
            url=task.url,
            success_statuses=list(task.success_statuses or SUCCESS),
            timeout_ms=Milliseconds(task.timeout_ms),
            redirects=task.redirects,
            signed=bool(task.signing_secrets),
            row=task,
            run_id=run_id,
            run_headers=run_headers,
        )

    @strawberry.field(description="The headers that the task sets, in the order in which they were given.")
    def headers(self) -> list[Header]:
        """Return the headers, those of the run among them."""
        return [
            Header(name=name, value=None, secret=True) if is_sealed(value) else Header(name=name, value=value)
            for name, value in with_run_headers(in_order(self.row), self.run_headers).items()
        ]

    @strawberry.field(description="The body, if it is sent as JSON.")
    async def payload(self, info: Info) -> JSON | None:
        """Return the payload, read only when it is selected."""
        if (own := await self._own_body(info)) is not None:
            return cast("JSON | None", own.payload)
        return cast("JSON | None", await self._large_value(info, large_values.PAYLOAD, large_values.EARLIER_PAYLOAD))

    @strawberry.field(description="The body, if it is a text or bytes; see bodyEncoding.")
    async def body(self, info: Info) -> str | None:
        """Return the body, in base64 if it was given so."""
        draft = await self._other_body(info)
        return draft.body if draft.body_base64 is None else draft.body_base64

    @strawberry.field(description="How `body` is written here: bytes come as BASE64.")
    async def body_encoding(self, info: Info) -> BodyEncoding:
        """Return whether the body is a text or bytes."""
        return BodyEncoding.UTF8 if (await self._other_body(info)).body_base64 is None else BodyEncoding.BASE64

    @strawberry.field(description="The fields of the form that is the body, if it is one.")
    async def form(self, info: Info) -> list[FormField] | None:
        """Return the fields of a form."""
        fields = (await self._other_body(info)).form
        return None if fields is None else [FormField(name=name, value=value) for name, value in fields]

    async def _own_body(self, info: Info) -> BodyDraft | None:
        """Return what the run sends in place of the task's body, or the body of an earlier definition."""
        if self.run_id is None:
            return self.body_of_definition
        [own] = await info.context.large_value(large_values.RUN_BODY, self.run_id) or [None]
        return None if own is None else body_draft(None, own)

    async def _other_body(self, info: Info) -> BodyDraft:
        if (own := await self._own_body(info)) is not None:
            return own
        return body_draft(None, await self._large_value(info, large_values.BODY, large_values.EARLIER_BODY))

    async def _large_value(self, info: Info, of_task: LargeColumn, of_version: LargeColumn) -> Any:
        """Return a large value of the row.

        If the task was changed since its row was read, the earlier version has the value that belongs to the row.
        """
        context, row = info.context, self.row
        if not isinstance(row, models.TaskVersion):
            found = await context.large_value(of_task, row.id)
            value, version = found or (None, row.version)
            earlier = await context.versions.load((row.id, row.version)) if version != row.version else None
            if earlier is None:
                return value
            row = earlier
        [value] = await context.large_value(of_version, (row.task_id, row.version)) or [None]
        return value


@strawberry.input(description="A header to send.")
class HeaderInput:
    """A header to send. The value is required, except for a secret that keeps its stored value."""

    name: str = strawberry.field(description="The name, a token by RFC 9110. Each name may occur once, in any case.")
    value: str | None = strawberry.field(
        default=UNSET,
        description="The value, without line breaks. It is required, except in an update, where a secret header "
        "without a value keeps its stored one unless the URL changes to another origin.",
    )
    secret: bool | None = strawberry.field(
        default=False,
        description="Whether the value is encrypted and never shown. Authorization, Cookie, Proxy-Authorization "
        "and X-Api-Key are always secret, and a secret header stays secret.",
    )

    def draft(self) -> HeaderDraft:
        """Return the header as the use cases take it."""
        return HeaderDraft(self.name, given_or_none(self.value), secret=bool(self.secret))


@strawberry.input(description="A field of a form. A name may occur more than once.")
class FormFieldInput:
    """A field of a form."""

    name: str = strawberry.field(description="The name.")
    value: str = strawberry.field(description="The value.")


@strawberry.input(
    description="The request that a task makes. Its body is at most one of payload, body, bodyBase64 and form, each of "
    "at most 256 KiB, and comes with a Content-Type unless the headers have one."
)
class HttpActionInput:
    """The request to make."""

    method: HttpMethod | None = strawberry.field(default=HttpMethod.GET, description="The HTTP method.")
    url: str = strawberry.field(
        description="An http or https URL with a host and without a user name; at most 8,000 characters. Its path and "
        "query go out byte for byte; characters beyond ASCII are saved percent-encoded, and a host in IDNA."
    )
    headers: list[HeaderInput] | None = strawberry.field(
        default_factory=list,
        description="At most 100, 32 KiB in all; none of those that belong to the connection, Host or Content-Length.",
    )
    payload: JSON | None = strawberry.field(
        default=UNSET, description="The body as JSON, sent as application/json; null sends none."
    )
    body: str | None = strawberry.field(
        default=UNSET, description="The body as text, sent as it is in UTF-8, as text/plain; charset=utf-8."
    )
    body_base64: str | None = strawberry.field(
        default=UNSET, description="The body as bytes in base64, sent as application/octet-stream."
    )
    form: list[FormFieldInput] | None = strawberry.field(
        default=UNSET, description="The body as the fields of a form, sent as application/x-www-form-urlencoded."
    )
    success_statuses: list[str] | None = strawberry.field(
        default_factory=lambda: list(SUCCESS),
        description='Which statuses are a success, such as "2xx", "404" or "200-204"; null means the default.',
    )
    timeout_ms: Milliseconds | None = strawberry.field(
        default=Milliseconds(30_000),
        description="Timeout of a whole attempt; 1 to 3,600,000.",
    )
    redirects: int | None = strawberry.field(default=0, description="Largest number of redirects to follow; 0 to 5.")
    signing_secrets: list[str] | None = strawberry.field(
        default=UNSET,
        description="Secrets that sign calls by Standard Webhooks: `whsec_` and 24 to 64 bytes in base64; at most 4, "
        "each of which signs. They are never shown again.",
    )

    def draft(self) -> ActionDraft:
        """Return the action as the use cases take it."""
        members = given_members(self)
        for name in BodyDraft._fields:
            members.pop(name, None)
        members["headers"] = [header.draft() for header in self.headers or ()]
        return ActionDraft(**members, body=BodyDraft(**body_members(self)))


def body_members(input_: "HttpActionInput | UpdateHttpActionInput | RunTaskInput") -> dict[str, Any]:
    """Return the members of a body that were given, by the names of the draft."""
    given = {name: getattr(input_, name) for name in BodyDraft._fields}
    members = {name: value for name, value in given.items() if given_or_none(value) is not None}
    if "form" in members:
        members["form"] = [FormDraft(field.name, field.value) for field in members["form"]]
    return members


@strawberry.input(
    description="What one run sends instead of its task's own body and headers. The body is at most one of payload, "
    "body, bodyBase64 "
    "and form; if there is none, the run sends the task's."
)
class RunTaskInput:
    """The input of a run."""

    payload: JSON | None = strawberry.field(default=UNSET, description="A body as JSON.")
    body: str | None = strawberry.field(default=UNSET, description="A body as text.")
    body_base64: str | None = strawberry.field(default=UNSET, description="A body as bytes in base64.")
    form: list[FormFieldInput] | None = strawberry.field(default=UNSET, description="A body as the fields of a form.")
    headers: list[HeaderInput] | None = strawberry.field(
        default=UNSET,
        description="Headers, which replace those of the same name, in any case. They cannot be secret or replace a "
        "secret of the task.",
    )

    def draft(self) -> RunInput:
        """Return the input as the use cases take it."""
        headers = tuple(header.draft() for header in self.headers or ())
        return RunInput(body=BodyDraft(**body_members(self)), headers=headers)


@strawberry.input(
    description="What to change in an action. An absent or null member leaves the old value. A body in any form "
    "replaces the old one, and `clearBody: true` removes it. `signingSecrets: []` ends signing, and headers, if given, "
    "replace the whole list."
)
class UpdateHttpActionInput:
    """Some members of an action."""

    method: HttpMethod | None = strawberry.field(default=UNSET, description="The HTTP method.")
    url: str | None = strawberry.field(
        default=UNSET,
        description="An http or https URL with a host and without a user name; at most 8,000 characters. Its path and "
        "query go out byte for byte; characters beyond ASCII are saved percent-encoded, and a host in IDNA.",
    )
    headers: list[HeaderInput] | None = strawberry.field(
        default=UNSET, description="The headers that replace the old ones; at most 100, 32 KiB in total."
    )
    payload: JSON | None = strawberry.field(default=UNSET, description="A body as JSON.")
    body: str | None = strawberry.field(default=UNSET, description="A body as text.")
    body_base64: str | None = strawberry.field(default=UNSET, description="A body as bytes in base64.")
    form: list[FormFieldInput] | None = strawberry.field(default=UNSET, description="A body as the fields of a form.")
    clear_body: bool | None = strawberry.field(default=False, description="Whether the body is removed.")
    success_statuses: list[str] | None = strawberry.field(
        default=UNSET, description="The statuses that are a success, which replace the old ones."
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
        for name in (*BodyDraft._fields, "clear_body"):
            members.pop(name, None)
        if (body := body_members(self)) or self.clear_body:
            members["body"] = BodyDraft(**body)
            members["clear_body"] = bool(self.clear_body)
        if self.headers:
            members["headers"] = [header.draft() for header in self.headers]
        return members


@strawberry.type(description="How the call of tryAction ended. It is not stored.")
class TriedAction:
    """The outcome of a trial."""

    success: bool = strawberry.field(description="Whether the status is one of the action's successStatuses.")
    status_code: int | None = strawberry.field(description="The status; null without a response.")
    error_message: str | None = strawberry.field(description="Why the call did not succeed; null if it did.")
    duration_ms: Milliseconds = strawberry.field(description="How long the call took.")
    response_headers: list[Header] | None = strawberry.field(
        description="The headers of the response, in its order; null without a response."
    )
    response_body: str | None = strawberry.field(
        description="The body, with secrets masked and limited like that of a run; see responseBodyEncoding."
    )
    response_body_encoding: BodyEncoding = strawberry.field(description="How responseBody is written.")
    response_truncated: bool = strawberry.field(description="Whether responseBody is only the beginning of the body.")

    @staticmethod
    def of(finish: Finish) -> "TriedAction":
        """Return the outcome of a trial, whose size counts for the answer."""
        answer_size.add(len(finish.response_body or "") + len(finish.response_headers or ""))
        pairs = None if finish.response_headers is None else json.loads(finish.response_headers)
        return TriedAction(
            success=finish.state is RunState.SUCCEEDED,
            status_code=finish.status_code,
            error_message=finish.error_message,
            duration_ms=Milliseconds(finish.duration_ms),
            response_headers=None if pairs is None else [Header(name=name, value=value) for name, value in pairs],
            response_body=finish.response_body,
            response_body_encoding=finish.body_encoding,
            response_truncated=finish.body_truncated,
        )


TryActionResult = Annotated[
    TriedAction | InvalidInput,
    strawberry.union("TryActionResult", description="How the call ended, or why it was not made."),
]
