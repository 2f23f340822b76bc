"""The schema as clients build it from schema.graphql, once for all tests, because that takes 0.1 s."""

from graphql import build_schema

from graphql_api.execution.schema import schema

SCHEMA = build_schema(schema.as_str())
