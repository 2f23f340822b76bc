"""The GraphQL schema. `duetime schema` prints it into schema.graphql."""

from graphql import GraphQLError
from strawberry import Schema
from strawberry.extensions import ParserCache, ValidationCache
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionContext

from graphql_api.errors import MaskSurprises
from graphql_api.mutations import Mutation
from graphql_api.queries import Query
from graphql_api.subscriptions import Subscription
from graphql_api.types.refusals import HANDLERS
from graphql_api.types.scalars import SCALARS

CACHED_DOCUMENTS = 256


class QuietSchema(Schema):
    """Strawberry's schema, but for its log of every error: a caller's mistakes are no news, and surprises are logged
    where they are masked."""

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        """Logs nothing."""


schema = QuietSchema(
    query=Query,
    mutation=Mutation,
    subscription=Subscription,
    extensions=[
        MaskSurprises,
        lambda: ParserCache(maxsize=CACHED_DOCUMENTS),
        lambda: ValidationCache(maxsize=CACHED_DOCUMENTS),
    ],
    exception_handlers=HANDLERS,
    config=StrawberryConfig(scalar_map=SCALARS),
)
