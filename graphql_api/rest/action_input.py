"""The action and the bodies in a request body: what clients send, and how it becomes what the use cases take."""

from itertools import combinations
from typing import Annotated, Any

from pydantic import ConfigDict

from graphql_api.rest.form import (
    WITHOUT_NUL,
    Input,
    RequiredText,
    Text,
    Texts,
    TextsByName,
    Whole,
    described,
    must_be,
    optional,
    within,
)
from jobs import json_value
from jobs.http import statuses
from jobs.http.body import MAX_BODY_BYTES, MAX_FIELDS, BodyDraft, FormField
from jobs.http.request import MAX_HEADERS, MAX_REDIRECTS, MAX_TIMEOUT_MS, MAX_URL_LENGTH, TOKEN, HeaderDraft
from jobs.security.secret_headers import MASK

HEADER_VALUE = r"^[^\x00-\x08\x0a-\x1f\x7f]*$"
BASE64 = r"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
STATUSES: dict[str, Any] = {
    "items": {"type": "string", "pattern": statuses.PATTERN},
    "maxItems": statuses.MAX_ITEMS,
}
BODY_MEMBERS = ("payload", "body", "body_base64", "form")


class FormFieldInput(Input):
    """A field of a form. A name may occur more than once."""

    name: Text = described("The name.", pattern=WITHOUT_NUL)
    value: Text = described("The value.", pattern=WITHOUT_NUL)


class BodyInput(Input):
    """A body in one of four forms, or none."""

    model_config = ConfigDict(
        json_schema_extra={
            "allOf": [
                {"not": {"required": list(pair), "properties": {name: {"not": {"type": "null"}} for name in pair}}}
                for pair in combinations(BODY_MEMBERS, 2)
            ]
        }
    )

    payload: Any = optional(
        f"The body as JSON, of at most {MAX_BODY_BYTES:,} bytes and {json_value.MAX_DEPTH} levels; null sends none. "
        "Numbers keep every digit. At most one of `payload`, `body`, `body_base64` and `form` is not null."
    )
    body: Text | None = optional("The body as text, sent as it is in UTF-8.", pattern=WITHOUT_NUL)
    body_base64: Text | None = optional("The body as bytes in base64.", pattern=BASE64)
    form: Annotated[list[FormFieldInput], must_be("an array of fields, each with a name and a value")] | None = (
        optional("The body as the fields of a form.", maxItems=MAX_FIELDS)
    )

    def draft(self) -> BodyDraft:
        """Return the body as the use cases take it."""
        form = None if self.form is None else [FormField(field.name, field.value) for field in self.form]
        return BodyDraft(payload=self.payload, body=self.body, body_base64=self.body_base64, form=form)


HEADERS: dict[str, Any] = {
    "propertyNames": {"type": "string", "pattern": f"^{TOKEN.pattern}$"},
    "additionalProperties": {"type": "string", "pattern": HEADER_VALUE},
    "maxProperties": MAX_HEADERS,
}


class ActionInput(BodyInput):
    """The request that the task makes."""

    method: RequiredText = described("An HTTP method, in any case.")
    url: RequiredText = described(
        "An http or https URL, to a target that the service may call.", format="uri", maxLength=MAX_URL_LENGTH
    )
    headers: TextsByName | None = optional(
        "Each name once, in any case, and none that the connection needs, such as Host.", **HEADERS
    )
    success_statuses: Texts | None = optional(
        "Which statuses are a success, such as `2xx`, `404` or `200-204`.",
        applied=list(statuses.SUCCESS),
        minItems=1,
        **STATUSES,
    )
    timeout_ms: Whole | None = within("Timeout of one attempt, in milliseconds.", 1, MAX_TIMEOUT_MS, applied=30_000)
    redirects: Whole | None = within("Number of redirects to follow.", 0, MAX_REDIRECTS, applied=MAX_REDIRECTS)

    def members(self) -> dict[str, Any]:
        """Return the whole request, and what Duetime adds to it as far as it was given."""
        return {
            "method": self.method,
            "url": self.url,
            "headers": [
                HeaderDraft(name, None if value == MASK else value) for name, value in (self.headers or {}).items()
            ],
            "body": self.draft(),
        } | self.model_dump(include={"timeout_ms", "redirects", "success_statuses"}, exclude_unset=True)
