"""GraphQL over HTTP and websockets: Strawberry's view with what the GraphQL-over-HTTP specification asks beyond it.

The specification (https://graphql.github.io/graphql-over-http/draft/) wants 400 for a request that never came to be
executed, when the answer is `application/graphql-response+json`; to clients that only know `application/json` it stays
200.
"""

import json
from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Any

from cross_web import AsyncHTTPRequestAdapter, HTTPException, StarletteRequestAdapter
from graphql import GraphQLError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.exceptions import MissingQueryError
from strawberry.http import GraphQLHTTPResponse, GraphQLRequestData, process_result
from strawberry.http.base import BaseRequestProtocol
from strawberry.http.parse_content_type import parse_content_type
from strawberry.schema.exceptions import InvalidOperationTypeError
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.types import ExecutionResult
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType

from graphql_api import content_negotiation, request_body
from graphql_api.broadcast import SharedData
from graphql_api.context import Context, Services
from graphql_api.execution import persisted_queries
from graphql_api.execution.schema import DuetimeSchema, only
from graphql_api.middleware.api_keys import address_of
from graphql_api.pages.playground import Playground
from graphql_api.transport import sse
from graphql_api.transport.websocket import MAX_AT_ONCE, WebSocketHandler
from jobs import json_value

MAX_BODY_BYTES = 4 * 1024 * 1024
FIRST_MESSAGE_WITHIN = timedelta(seconds=10)
"""How long a websocket may be open before it is known who asks."""


class Body(StarletteRequestAdapter):
    """A request whose body is read up to a bound."""

    async def get_body(self) -> bytes:
        """Raises 413 beyond the bound, and 408 when it does not come."""
        services: Services = self._request.app.state.services
        try:
            return await request_body.read(self._request, limit=MAX_BODY_BYTES, within=services.body_within)
        except request_body.BodyRefused as refused:
            raise HTTPException(refused.status, str(refused)) from None


class Endpoint(GraphQL[Context, None]):
    """/graphql."""

    request_adapter_class = Body
    graphql_transport_ws_handler_class = WebSocketHandler

    schema: DuetimeSchema

    def __init__(self, schema: DuetimeSchema, *, playground: Playground) -> None:
        super().__init__(
            schema,
            subscription_protocols=(GRAPHQL_TRANSPORT_WS_PROTOCOL,),
            max_subscriptions_per_connection=MAX_AT_ONCE,
            connection_init_wait_timeout=FIRST_MESSAGE_WITHIN,
        )
        self.playground = playground
        self._streams: set[sse.EventStream] = set()

    def end_streams(self) -> None:
        """Ends all streams of events, whose clients come back, to another process if this one stops."""
        for stream in self._streams:
            stream.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers; a request that is none is answered as GraphQL errors are."""
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            if content_negotiation.names(request, content_negotiation.EVENT_STREAM):
                stream = await self.stream_events(request)
                self._streams.add(stream)
                try:
                    await stream(scope, receive, send)
                finally:
                    self._streams.discard(stream)
                return
            response = await self.run(request)
        except HTTPException as refusal:
            response = answer({"errors": [{"message": refusal.reason}]}, request, status=refusal.status_code)
            if refusal.status_code == 405:
                response.headers["allow"] = "POST" if request.method == "GET" else "GET, POST"
            if refusal.status_code == 408:
                response.headers["connection"] = "close"
        await response(scope, receive, send)

    def is_websocket_origin_allowed(self, request: WebSocket, origin: str) -> bool:
        """Whatever has come this far was let through by `OriginMiddleware`, which knows the origins."""
        return True

    async def get_context(self, request: Request | WebSocket, response: Response | WebSocket) -> Context:
        """Loaders and services for one request, or one websocket."""
        return Context(request.app.state.services, caller=request.scope["caller"], address=address_of(request))

    async def get_sub_response(self, request: Request) -> Response:  # type: ignore[override]
        """Carries the answer's type to `create_response`."""
        response = Response()
        response.media_type = content_negotiation.graphql_media_type(request)
        return response

    async def parse_http_body(self, request: AsyncHTTPRequestAdapter) -> GraphQLRequestData:
        """The operation. Raises 400 or 415, saying what is wrong."""
        if request.method == "GET":
            given: Any = self.parse_query_params(request.query_params)
        else:
            media_type, parameters = parse_content_type(request.content_type or "none")
            if media_type.lower() != content_negotiation.JSON or parameters.get("charset", "utf-8").lower() not in {
                "utf-8",
                "utf8",
            }:
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

    async def stream_events(self, request: Request) -> sse.EventStream:
        """Any operation's results as a stream of events. Raises what `run` raises for a request that is none."""
        adapter = self.request_adapter_class(request)
        if not self.is_request_allowed(adapter):
            raise HTTPException(405, "GraphQL takes GET and POST")
        data = await self.parse_http_body(adapter)
        context = await self.get_context(request, Response())
        results = await self.stream_operation(data, context, is_get=request.method == "GET")
        return sse.EventStream(results, encode=self.encode_result)

    async def stream_operation(
        self, data: GraphQLRequestData, context: Context, *, is_get: bool
    ) -> AsyncGenerator[ExecutionResult, None]:
        """The results of an operation. Raises 400 for a request without one, and 405 for a mutation by GET."""
        try:
            query = await self.document_of(data, context)
        except GraphQLError as error:
            return only(PreExecutionError(data=None, errors=[error]))
        if not query:
            raise HTTPException(400, "The request has no query")
        if is_get and self.schema.operation_type(query, data.operation_name) is OperationType.MUTATION:
            raise HTTPException(405, "Mutations need a POST")
        return await self.schema.stream(
            query,
            variable_values=data.variables,
            context_value=context,
            operation_name=data.operation_name,
            operation_extensions=data.extensions,
        )

    async def document_of(self, data: GraphQLRequestData, context: Context) -> str | None:
        """The document that was sent, or that a hash stands for. Raises `GraphQLError`."""
        return await persisted_queries.text_of(
            data.query, data.extensions, store=context.services.documents, documents=self.schema.documents
        )

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
                await self.document_of(request_data, context),
                root_value=root_value,
                variable_values=request_data.variables,
                context_value=context,
                operation_name=request_data.operation_name,
                allowed_operation_types=allowed,
                operation_extensions=request_data.extensions,
            )
        except GraphQLError as error:
            return PreExecutionError(data=None, errors=[error])
        except MissingQueryError as error:
            raise HTTPException(400, "The request has no query") from error
        except InvalidOperationTypeError as error:
            if error.operation_type is OperationType.SUBSCRIPTION:
                raise HTTPException(
                    400,
                    "Subscriptions need a websocket, protocol graphql-transport-ws, or a request that accepts "
                    "text/event-stream",
                ) from error
            raise HTTPException(405, "Mutations need a POST") from error

    async def process_result(self, request: Request, result: ExecutionResult) -> GraphQLHTTPResponse:
        """The answer, without `data` when the request's own faults kept it from being executed."""
        answered = process_result(result)
        if result.data is None and result.errors and all(error.path is None for error in result.errors):
            del answered["data"]
        return answered

    def encode_result(self, result: ExecutionResult) -> str:
        """A result as an event's data."""
        return str(self.encode_json(process_result(result)))

    def encode_json(self, data: object) -> str:
        """JSON. What many are sent is encoded already, on its own or within a message of a websocket."""
        match data:
            case {"data": SharedData(text=text), **others} if not others:
                return f'{{"data":{text}}}'
            case {"type": "next", "id": name, "payload": {"data": SharedData(text=text), **others}} if not others:
                return f'{{"type":"next","id":{json.dumps(name)},"payload":{{"data":{text}}}}}'
        return json.dumps(data, separators=(",", ":"))

    def create_response(
        self, response_data: GraphQLHTTPResponse | list[GraphQLHTTPResponse], sub_response: Response
    ) -> Response:
        """200, or 400 for a request that was not executed, in the type that the client asked for."""
        refused = "data" not in response_data and sub_response.media_type == content_negotiation.GRAPHQL
        return Response(
            self.encode_json(response_data),
            status_code=400 if refused else 200,
            headers={"content-type": f"{sub_response.media_type}; charset=utf-8"},
        )

    def should_render_graphql_ide(self, request: BaseRequestProtocol) -> bool:
        """A person's browser gets a page."""
        accepted = content_negotiation.weights(request.headers.get("accept", ""))
        is_page = request.method == "GET" and "query" not in request.query_params
        return is_page and accepted.get(content_negotiation.HTML, 0) > 0

    async def render_graphql_ide(self, request: Request) -> Response:
        """The playground."""
        return self.playground.show(request.url.replace(query=""))


def member(given: dict[str, Any], name: str, kind: type[Any], words: str) -> Any:
    """An optional member of the request. Raises 400 when it is of another kind."""
    value = given.get(name)
    if value is not None and not isinstance(value, kind):
        raise HTTPException(400, f"{name} has to be {words}")
    return value


def answer(body: dict[str, Any], request: Request, *, status: int) -> Response:
    """An answer that no operation made."""
    return Response(
        json.dumps(body),
        status_code=status,
        headers={"content-type": f"{content_negotiation.graphql_media_type(request)}; charset=utf-8"},
    )
