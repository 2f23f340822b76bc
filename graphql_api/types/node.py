"""Objects with an id of their own, as Relay and normalized caches find them."""

from typing import Annotated

import strawberry

Id = Annotated[strawberry.ID, strawberry.argument(description="The id, a UUID.")]
"""An argument that selects an object."""


@strawberry.interface(description="An object with an id. Ids are UUIDs, unique across all types.")
class Node:
    """What can be found by its id alone."""

    id: strawberry.ID = strawberry.field(description="The id, a UUID.")
