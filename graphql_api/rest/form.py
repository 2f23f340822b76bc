"""The building blocks of the REST models: how members are read, and how their errors are worded.

A request says what is wrong in the old service's words, `action.method must be a string`, so each type here carries
its words. Null counts as absent, and unknown members are ignored.
"""

import math
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from graphql_api import instants

REQUIRED = "is required"
WITHOUT_NUL = r"^[^\x00]*$"
SENTENCES = {
    "trigger.datetime": "datetime is required for one-off triggers",
    "trigger.cron": "cron expression is required for cron triggers",
}
"""What the absence of a member is called, if it has a wording of its own."""
Model = TypeVar("Model", bound=BaseModel)


class BadRequest(Exception):
    """The request is malformed; the text says where and why."""


class Input(BaseModel):
    """Part of a request body."""

    model_config = ConfigDict(extra="ignore", strict=True)

    @model_validator(mode="before")
    @classmethod
    def _drop_nulls(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            raise PydanticCustomError("form", "must be an object")
        return {name: value for name, value in given.items() if value is not None or name in cls.nulls_kept()}

    @classmethod
    def nulls_kept(cls) -> set[str]:
        """Return the members in which null does not count as absent."""
        return set()


def described(words: str, **schema: Any) -> Any:
    """Return a member that has a description. `schema` has the bounds that the use cases check, for the document."""
    return Field(description=words, json_schema_extra=schema)


def optional(words: str, *, applied: Any = None, **schema: Any) -> Any:
    """Return such a member that may be absent. `applied` is the default that the use cases apply then."""
    if applied is not None:
        schema["default"] = applied
    return Field(None, description=words, json_schema_extra=schema)


def within(words: str, minimum: int, maximum: float, *, applied: int | None = None) -> Any:
    """Return such a member that is a number from `minimum` to `maximum`."""
    return optional(words, applied=applied, minimum=minimum, maximum=maximum)


def must_be(words: str) -> WrapValidator:
    """Return a validator whose only error is that the member must be what `words` say."""

    def check(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        try:
            return handler(value)
        except ValidationError as error:
            raise PydanticCustomError("form", "must be {words}", {"words": words}) from error

    return WrapValidator(check)


def _not_blank(value: str) -> str:
    if not value.strip():
        raise PydanticCustomError("missing", REQUIRED)
    return value


def _not_empty(value: str) -> str:
    if not value:
        raise PydanticCustomError("missing", REQUIRED)
    return value


def _integer(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _finite(value: Any) -> Any:
    # A float of this size would not be the number that was sent.
    return math.inf if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 2**53 else value


def _instant(value: Any) -> Any:
    if value == "":
        raise PydanticCustomError("missing", REQUIRED)
    try:
        return instants.parse(value) if isinstance(value, str) else value
    except ValueError as error:
        raise PydanticCustomError("instant", "{reason}", {"reason": str(error)}) from error


def one_of(choices: type[StrEnum]) -> WrapValidator:
    """Return a validator of a member that is one of a few words, in any case."""

    def check(value: Any, _handler: ValidatorFunctionWrapHandler) -> StrEnum:
        for choice in choices:
            if isinstance(value, str) and choice == value.lower():
                return choice
        raise PydanticCustomError("form", "must be one of {choices}", {"choices": ", ".join(choices)})

    return WrapValidator(check)


Text = Annotated[str, must_be("a string")]
Texts = Annotated[list[str], must_be("an array of strings")]
TextsByName = Annotated[dict[str, str], must_be("an object of strings")]
RequiredText = Annotated[str, must_be("a string"), AfterValidator(_not_empty)]
RequiredCron = Annotated[str, must_be("a string"), AfterValidator(_not_blank)]
Whole = Annotated[int, must_be("a whole number"), BeforeValidator(_integer)]
Number = Annotated[float, must_be("a number"), BeforeValidator(_finite)]
Instant = Annotated[
    datetime,
    must_be(f"an RFC 3339 instant with an offset, such as {instants.EXAMPLE}"),
    BeforeValidator(_instant),
    Field(examples=[instants.EXAMPLE]),
]


def validated(model: type[Model], body: Any) -> Model:
    """Return the body as a model. Raises `BadRequest` with the first error."""
    try:
        return model.model_validate(body)
    except ValidationError as error:
        raise BadRequest(words(error.errors(include_url=False)[0])) from error


def words(error: ErrorDetails) -> str:
    """Return an error in the old service's words."""
    path = ".".join(str(step) for step in without_tag(error["loc"]))
    match error["type"]:
        case "missing":
            return SENTENCES.get(path, f"{path} {REQUIRED}")
        case "instant":
            return f"{path}: {error['msg']}"
        case "union_tag_not_found" | "union_tag_invalid":
            return wrong_tag(f"{path}.type", error["input"].get("type"))
        case "model_attributes_type":
            return f"{path} must be an object"
        case _:
            return f"{path} {error['msg']}" if path else "The request body must be a JSON object"


def without_tag(path: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """Return the path of a member without the type of its trigger, which pydantic adds."""
    return (path[0], *path[2:]) if path[:1] == ("trigger",) and len(path) > 2 else path


def wrong_tag(path: str, tag: Any) -> str:
    """Return what is wrong with the type of a trigger."""
    if tag is None or tag == "":
        return f"{path} {REQUIRED}"
    if not isinstance(tag, str):
        return f"{path} must be a string"
    return f'invalid trigger type: {tag[:50]!r} is neither "one-off" nor "cron"'
