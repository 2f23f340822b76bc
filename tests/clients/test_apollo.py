"""Apollo Client, as docs/clients.md sets it up."""

from tests.support.graphql import Api
from tests.support.node import TESTS, node
from tests.support.recipes import COMPILED, OUTPUTS, Recipes

PROGRAM = "apollo/main.ts"


async def test_pages_mutations_events_and_values_meet_in_the_cache(service: Api, recipes: Recipes) -> None:
    """The program prints what the page says, no value is lost in the cache, and documents are persisted."""
    program = recipes.program(PROGRAM, port=service.port)
    printed = await node(
        TESTS / "clients/apollo.ts",
        *(str(recipes.folder / COMPILED), str(program), f"{service.url}/graphql"),
        options=["--conditions=development"],
    )
    assert printed == OUTPUTS[PROGRAM]
