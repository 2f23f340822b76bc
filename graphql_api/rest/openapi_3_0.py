"""The OpenAPI document in version 3.0, for tools that do not read 3.1.

The pattern of names in an object cannot be expressed in 3.0 and is left out. Everything else is converted: null becomes
a flag, a constant an enumeration of one, examples a single example, and a reference has no siblings.
"""

from typing import Any

VERSION = "3.0.3"
Schema = dict[str, Any]
NULL = {"type": "null"}


def of(document: dict[str, Any]) -> dict[str, Any]:
    """Return a document of version 3.1 in version 3.0."""
    info = document["info"] | {"license": {"name": document["info"]["license"]["name"]}}
    components = document["components"] | {
        "schemas": {name: of_schema(schema) for name, schema in document["components"]["schemas"].items()}
    }
    paths = {path: within(item) for path, item in document["paths"].items()}
    return document | {"openapi": VERSION, "info": info, "paths": paths, "components": components}


def within(part: Any) -> Any:
    """Return a part of the document with all schemas in it in version 3.0."""
    if isinstance(part, list):
        return [within(each) for each in part]
    if not isinstance(part, dict):
        return part
    return {
        name: of_schema(value) if name == "schema" else value if name in {"example", "examples"} else within(value)
        for name, value in part.items()
    }


def of_schema(schema: Schema) -> Schema:
    """Return a schema in version 3.0."""
    if schema == NULL:
        return nothing_but_null()
    found: Schema = {}
    for name, value in schema.items():
        match name:
            case "type" if value == "null":
                found |= nothing_but_null()
            case "const":
                found["enum"] = [value]
            case "examples":
                found["example"] = value[0]
            case "propertyNames":
                continue
            case "properties":
                found[name] = {member: of_schema(each) for member, each in value.items()}
            case "anyOf" if NULL in value:
                found |= or_null([of_schema(each) for each in value if each != NULL])
            case "allOf" | "anyOf" | "oneOf":
                found[name] = [of_schema(each) for each in value]
            case "not" | "items" | "additionalProperties" if isinstance(value, dict):
                found[name] = of_schema(value)
            case _:
                found[name] = value
    if "$ref" in found and len(found) > 1:
        found["allOf"] = [{"$ref": found.pop("$ref")}]
    return found


def nothing_but_null() -> Schema:
    """Return the schema that only null fits."""
    return {"type": "string", "nullable": True, "enum": [None]}


def or_null(choices: list[Schema]) -> Schema:
    """Return a schema that one of the choices fits, and null."""
    if len(choices) == 1 and "$ref" not in choices[0]:
        return choices[0] | {"nullable": True}
    return {"anyOf": [*choices, nothing_but_null()]}
