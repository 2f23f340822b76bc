# ruff: noqa: T201 (a command-line program prints)
"""Makes the JSON Schema of the files that `duetime apply` reads, from the input types of the API."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLSchema,
    Undefined,
    build_schema,
)

ROOT = Path(__file__).parents[2]
TASK = "CreateTaskInput"
REFERENCE = {
    "description": "A value that is kept elsewhere: in an environment variable, or in a file beside this one.",
    "oneOf": [
        {"type": "object", "properties": {name: {"type": "string"}}, "required": [name], "additionalProperties": False}
        for name in ("fromEnv", "fromFile")
    ],
}
REFERENCES = {("HeaderInput", "value"), ("HttpActionInput", "signingSecrets"), ("HttpActionInput", "body")}
LEFT_OUT = {"idempotencyKey"}
"""Members that apply has no use for, because the externalId does their work."""
SCALARS: dict[str, dict[str, Any]] = {
    "String": {"type": "string"},
    "ID": {"type": "string"},
    "Boolean": {"type": "boolean"},
    "Int": {"type": "integer"},
    "Float": {"type": "number"},
    "Milliseconds": {"type": "integer", "minimum": 0},
    "DateTime": {"type": "string", "format": "date-time"},
    "JSON": {},
}
VARIABLE = {"type": "string", "pattern": r"\$\{[A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?\}"}
"""A value may come from an environment variable, whatever its type is."""


def document(schema: GraphQLSchema) -> dict[str, Any]:
    """Return the JSON Schema of a file."""
    definitions = {name: definition for name, definition in of_inputs(schema.type_map[TASK])}  # noqa: C416
    task = {"$ref": f"#/$defs/{TASK}"}
    several = {"type": "array", "items": task}
    with_owner = {
        "type": "object",
        "properties": {
            "$schema": {"type": "string"},
            "owner": {
                "type": "string",
                "description": "The owner of the tasks: apply deletes those that it has no more.",
            },
            "tasks": several,
        },
        "required": ["tasks"],
        "additionalProperties": False,
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Tasks of Duetime",
        "anyOf": [with_owner, several, task],
        "$defs": definitions | {"reference": REFERENCE},
    }


def of_inputs(kind: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield an input type and those below it, each with its name."""
    if isinstance(kind, GraphQLNonNull | GraphQLList):
        yield from of_inputs(kind.of_type)
    elif isinstance(kind, GraphQLInputObjectType):
        yield kind.name, of_input(kind)
        for name, member in kind.fields.items():
            if name not in LEFT_OUT:
                yield from of_inputs(member.type)


def of_input(kind: GraphQLInputObjectType) -> dict[str, Any]:
    """Return the schema of an input type."""
    members = {name: member for name, member in kind.fields.items() if name not in LEFT_OUT}
    found: dict[str, Any] = {
        "description": kind.description,
        "type": "object",
        "properties": {
            name: of_member(kind.name, name, member.type)
            | {"description": member.description}
            | ({} if member.default_value in (Undefined, None) else {"default": member.default_value})
            for name, member in members.items()
        },
        "additionalProperties": False,
    }
    required = [name for name, member in members.items() if isinstance(member.type, GraphQLNonNull)]
    if kind.name == TASK:
        required.append("externalId")
    if required:
        found["required"] = required
    if kind.is_one_of:
        found |= {"minProperties": 1, "maxProperties": 1}
    return found


def of_member(owner: str, name: str, kind: GraphQLInputType) -> dict[str, Any]:
    """Return the schema of a member's value."""
    value = of_type(kind)
    if (owner, name) not in REFERENCES:
        return value
    reference = {"$ref": "#/$defs/reference"}
    return (
        {"type": "array", "items": {"anyOf": [{"type": "string"}, reference]}}
        if name == "signingSecrets"
        else {"anyOf": [value, reference]}
    )


def of_type(kind: GraphQLInputType) -> dict[str, Any]:
    """Return the schema of a type. A null stands for the default, so it is accepted where the API accepts it."""
    if isinstance(kind, GraphQLNonNull):
        return of_type(kind.of_type)
    if isinstance(kind, GraphQLList):
        return {"type": "array", "items": of_type(kind.of_type)}
    if isinstance(kind, GraphQLEnumType):
        return {"anyOf": [{"enum": list(kind.values)}, VARIABLE]}
    if isinstance(kind, GraphQLInputObjectType):
        return {"$ref": f"#/$defs/{kind.name}"}
    scalar = SCALARS[kind.name]
    return {"anyOf": [scalar, VARIABLE]} if scalar.get("type") in {"integer", "number", "boolean"} else dict(scalar)


def main() -> None:
    """Print the schema."""
    schema = build_schema((ROOT / "schema.graphql").read_text("utf-8"))
    print(json.dumps(document(schema), indent=2, ensure_ascii=False))


if __name__ == "__main__":
    main()
