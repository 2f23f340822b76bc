"""graphql-codegen: every documented operation becomes types that fit the program of the page, with scalars."""

from graphql import GraphQLObjectType, GraphQLUnionType

from tests.support.clients_schema import SCHEMA
from tests.support.graphql import Api
from tests.support.node import node
from tests.support.recipes import FILES, OUTPUTS, Recipes

PROGRAM = "ask.ts"
MERGED_ELSEWHERE = ("Connection", "Edge", "PageInfo")
"""Ends of the names of types that caches know as Relay's."""


async def test_the_program_prints_what_the_page_says(api: Api, recipes: Recipes) -> None:
    """It type-checks, which compiling it has shown, and works."""
    assert await node(recipes.program(PROGRAM, port=api.port)) == OUTPUTS[PROGRAM]


def test_scalars_have_types(recipes: Recipes) -> None:
    """Instants are strings, durations are numbers, and JSON has to be narrowed."""
    types = (recipes.folder / "generated/operations.ts").read_text()
    assert "nextRunAt: string | null" in types
    assert "everyMs: number" in types
    assert "payload: unknown" in types
    assert "'%future added value'" in types


def test_the_list_of_values_is_complete() -> None:
    """A type without an id is a value, unless it is a root or a part of a page."""
    roots = {SCHEMA.query_type, SCHEMA.mutation_type, SCHEMA.subscription_type}
    values = {
        name
        for name, kind in SCHEMA.type_map.items()
        if isinstance(kind, GraphQLObjectType)
        and kind not in roots
        and "id" not in kind.fields
        and not name.startswith("__")
        and not name.endswith(MERGED_ELSEWHERE)
    }
    listed = FILES["values.ts"].split("[", 1)[1].rsplit("]", 1)[0].replace('"', "").replace("\n", " ").split(",")
    assert {name.strip() for name in listed} - {""} == values


def test_possible_types_are_those_of_the_schema(recipes: Recipes) -> None:
    """Every union and interface is among them."""
    types = (recipes.folder / "generated/possible-types.ts").read_text()
    for name, kind in SCHEMA.type_map.items():
        if isinstance(kind, GraphQLUnionType):
            assert f'"{name}": [' in types
            assert all(f'"{member.name}"' in types for member in kind.types)
