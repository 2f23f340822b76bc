"""GraphQL over HTTP and websockets: Strawberry's view with what the GraphQL-over-HTTP specification asks beyond it.

The specification (https://graphql.github.io/graphql-over-http/draft/) wants 400 for a request that never came to be
executed, when the answer is `application/graphql-response+json`; to clients that only know `application/json` it stays
200.
"""

import json
from typing import Any

from cross_web import AsyncHTTPRequestAdapter, HTTPException, StarletteRequestAdapter
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.exceptions import MissingQueryError
from strawberry.http import GraphQLHTTPResponse, GraphQLRequestData, process_result
from strawberry.http.base import BaseRequestProtocol
from strawberry.http.parse_content_type import parse_content_type
from strawberry.schema.base import BaseSchema
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import BaseGraphQLTransportWSHandler
from strawberry.subscriptions.protocols.graphql_transport_ws.types import Message
from strawberry.types import ExecutionResult
from strawberry.types.graphql import OperationType

from graphql_api import bodies
from graphql_api.context import Context
from graphql_api.playground import Playground
from jobs import json_value

MAX_BODY_BYTES = 4 * 1024 * 1024
RESPONSE_TYPE = "application/graphql-response+json"
LEGACY_TYPE = "application/json"


class Body(StarletteRequestAdapter):
    """A request whose body is read up to a bound."""

    async def get_body(self) -> bytes:
        """Raises 413 beyond the bound."""
        try:
            return await bodies.read(self._request, limit=MAX_BODY_BYTES)
        except bodies.TooLarge:
            raise HTTPException(413, f"The request has more than {MAX_BODY_BYTES:,} bytes") from None


class Conversation(BaseGraphQLTransportWSHandler[Context, None]):
    """One websocket. A message of a wrong shape closes it with 4400, as the protocol wants, whatever is wrong."""

    async def handle_message(self, message: Message) -> None:
        """Looks at the shape first."""
        if problem := shape_problem(message):
            await self.handle_invalid_message(problem)
        else:
            await super().handle_message(message)


def shape_problem(message: Any) -> str | None:
    """What is wrong with a message's shape, in terms of the graphql-transport-ws protocol."""
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        return "A message is an object with a type"
    if message["type"] in {"subscribe", "complete"} and not isinstance(message.get("id"), str):
        return "The message needs an id, a string"
    if message["type"] == "subscribe":
        payload = message.get("payload")
        if not isinstance(payload, dict) or not isinstance(payload.get("query"), str):
            return "The payload of a subscribe message is an object with a query, a string"
        if not isinstance(payload.get("variables"), dict | None):
            return "The variables of a subscribe message are an object"
        if not isinstance(payload.get("operationName"), str | None):
            return "The operationName of a subscribe message is a string"
    return None


class Endpoint(GraphQL[Context, None]):
    """/graphql."""

    request_adapter_class = Body
    graphql_transport_ws_handler_class = Conversation

    def __init__(self, schema: BaseSchema, *, playground: Playground) -> None:
        super().__init__(schema, subscription_protocols=(GRAPHQL_TRANSPORT_WS_PROTOCOL,))
        self.playground = playground

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers; a request that is none is answered as GraphQL errors are."""
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            response = await self.run(request)
        except HTTPException as refusal:
            response = answer({"errors": [{"message": refusal.reason}]}, request, status=refusal.status_code)
            if refusal.status_code == 405:
                response.headers["allow"] = "POST" if request.method == "GET" else "GET, POST"
        await response(scope, receive, send)

    async def get_context(self, request: Request | WebSocket, response: Response | WebSocket) -> Context:
        """Loaders and services for one request, or one websocket."""
        return Context(request.app.state.services)

    async def get_sub_response(self, request: Request) -> Response:  # type: ignore[override]
        """Carries the answer's type to `create_response`."""
        response = Response()
        response.media_type = answer_type(request)
        return response

    async def parse_http_body(self, request: AsyncHTTPRequestAdapter) -> GraphQLRequestData:
        """The operation. Raises 400 or 415, saying what is wrong."""
        if request.method == "GET":
            given: Any = self.parse_query_params(request.query_params)
        else:
            media_type, parameters = parse_content_type(request.content_type or "none")
            if media_type != LEGACY_TYPE or parameters.get("charset", "utf-8").lower() not in {"utf-8", "utf8"}:
                raise HTTPException(415, "The Content-Type has to be application/json, in UTF-8")
            given = self.parse_json(await request.get_body())
        if not isinstance(given, dict):
            raise HTTPException(400, "The request has to be one JSON object with a query")
        return GraphQLRequestData(
            query=member(given, "query", str, "a string"),
            variables=member(given, "variables", dict, "an object"),
            operation_name=member(given, "operationName", str, "a string"),
            extensions=member(given, "extensions", dict, "an object"),
        )

    def parse_json(self, data: str | bytes) -> Any:
        """JSON, read strictly. Raises 400."""
        try:
            return json_value.parse(data)
        except json_value.NotJson as error:
            raise HTTPException(400, f"The request is not JSON: {error}") from error

    def decode_json(self, data: str | bytes) -> object:
        """JSON from a websocket. Raises `JSONDecodeError`, which closes it with 4400."""
        try:
            return json_value.parse(data)
        except json_value.NotJson as error:
            raise json.JSONDecodeError(str(error), "", 0) from error

    async def execute_operation(  # noqa: PLR0917 (Strawberry's signature)
        self,
        request: Request,
        request_adapter: AsyncHTTPRequestAdapter,
        request_data: GraphQLRequestData | list[GraphQLRequestData],
        context: Context,
        root_value: None,
        sub_response: Response,
    ) -> ExecutionResult:
        """Executes a query or a mutation. Raises 400 for what is none, and 405 for a mutation by GET."""
        if isinstance(request_data, list):
            raise HTTPException(400, "Send one operation at a time")
        allowed = {OperationType.QUERY} if request.method == "GET" else {OperationType.QUERY, OperationType.MUTATION}
        try:
            return await self.schema.execute(
                request_data.query,
                root_value=root_value,
                variable_values=request_data.variables,
                context_value=context,
                operation_name=request_data.operation_name,
                allowed_operation_types=allowed,
                operation_extensions=request_data.extensions,
            )
        except MissingQueryError as error:
            raise HTTPException(400, "The request has no query") from error
        except CannotGetOperationTypeError as error:
            raise HTTPException(400, error.as_http_error_reason()) from error
        except InvalidOperationTypeError as error:
            if error.operation_type is OperationType.SUBSCRIPTION:
                raise HTTPException(400, "Subscriptions need a websocket, protocol graphql-transport-ws") from error
            raise HTTPException(405, "Mutations need a POST") from error

    async def process_result(self, request: Request, result: ExecutionResult) -> GraphQLHTTPResponse:
        """The answer, without `data` when the request's own faults kept it from being executed."""
        answered = process_result(result)
        if result.data is None and result.errors and all(error.path is None for error in result.errors):
            del answered["data"]
        return answered

    def create_response(
        self, response_data: GraphQLHTTPResponse | list[GraphQLHTTPResponse], sub_response: Response
    ) -> Response:
        """200, or 400 for a request that was not executed, in the type that the client asked for."""
        refused = "data" not in response_data and sub_response.media_type == RESPONSE_TYPE
        return Response(
            self.encode_json(response_data),
            status_code=400 if refused else 200,
            headers={"content-type": f"{sub_response.media_type}; charset=utf-8"},
        )

    def should_render_graphql_ide(self, request: BaseRequestProtocol) -> bool:
        """A person's browser gets a page."""
        accepted = request.headers.get("accept", "")
        return request.method == "GET" and "query" not in request.query_params and "text/html" in accepted

    async def render_graphql_ide(self, request: Request) -> Response:
        """The playground."""
        return self.playground.show(request.url.replace(query=""))


def member(given: dict[str, Any], name: str, kind: type[Any], words: str) -> Any:
    """An optional member of the request. Raises 400 when it is of another kind."""
    value = given.get(name)
    if value is not None and not isinstance(value, kind):
        raise HTTPException(400, f"{name} has to be {words}")
    return value


def answer_type(request: Request) -> str:
    """The media type for the answer: the specification's where it is named, else the one that every client knows."""
    ranges = request.headers.get("accept", "").split(",")
    return RESPONSE_TYPE if any(part.split(";")[0].strip() == RESPONSE_TYPE for part in ranges) else LEGACY_TYPE


def answer(body: dict[str, Any], request: Request, *, status: int) -> Response:
    """An answer that no operation made."""
    return Response(
        json.dumps(body), status_code=status, headers={"content-type": f"{answer_type(request)}; charset=utf-8"}
    )
