"""GraphQL over HTTP and WebSocket: Strawberry's view, with what the GraphQL-over-HTTP specification requires in
addition.

The specification (https://graphql.github.io/graphql-over-http/draft/) requires 400 for a request that was not executed,
if the response is `application/graphql-response+json`. Clients that only know `application/json` still get 200.
"""

import json
from collections.abc import AsyncGenerator
from datetime import timedelta
from functools import lru_cache, partial
from typing import Any

from cross_web import AsyncHTTPRequestAdapter, HTTPException, StarletteRequestAdapter
from graphql import GraphQLError
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
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

from db import json_text
from graphql_api import content_negotiation, request_body
from graphql_api.answer_size import SharedData
from graphql_api.compat import tell_streams_by_class
from graphql_api.context import Context, Services
from graphql_api.errors import BAD_REQUEST
from graphql_api.execution import persisted_queries
from graphql_api.execution.schema import DuetimeSchema, only
from graphql_api.middleware.api_keys import address_of
from graphql_api.pages.playground import Playground
from graphql_api.responses import uncompressed, with_etag
from graphql_api.transport import message_limits, multipart, shared_stream, sse
from graphql_api.transport.shared_stream import SharedStreams
from graphql_api.transport.streaming import ResultStream, until_gone
from graphql_api.transport.websocket import MAX_AT_ONCE, ClosableWebSocket, WebSocketHandler
from jobs import json_value
from jobs.computation import off_loop

SHORT_BODY = 64 * 1024
"""Bytes of a body that is parsed at once; a longer one is parsed without holding up the event loop."""
UTF_8 = {"utf-8", "utf8"}
FIRST_MESSAGE_WITHIN = timedelta(seconds=10)
"""How long a WebSocket may be open before it sends its key."""

tell_streams_by_class()


class Body(StarletteRequestAdapter):
    """A request whose body is read up to a limit."""

    async def get_body(self) -> bytes:
        """Return the body. Raises 413 if it is too large, and 408 if it does not arrive in time."""
        services: Services = self._request.app.state.services
        try:
            return await request_body.read(self._request, limit=message_limits.MAX_BYTES, within=services.body_within)
        except request_body.BodyRefused as refused:
            raise HTTPException(refused.status, str(refused)) from None


class Endpoint(GraphQL[Context, None]):
    """The endpoint at /graphql."""

    request_adapter_class = Body
    graphql_transport_ws_handler_class = WebSocketHandler
    websocket_adapter_class = ClosableWebSocket

    schema: DuetimeSchema

    def __init__(self, schema: DuetimeSchema, *, playground: Playground) -> None:
        super().__init__(
            schema,
            subscription_protocols=(GRAPHQL_TRANSPORT_WS_PROTOCOL,),
            max_subscriptions_per_connection=MAX_AT_ONCE,
            connection_init_wait_timeout=FIRST_MESSAGE_WITHIN,
        )
        self.playground = playground
        self._streams: set[ResultStream] = set()
        self.shared_streams = SharedStreams()

    def end_streams(self) -> None:
        """End all streams of events. Their clients reconnect, to another process if this one is stopping."""
        for stream in self._streams:
            stream.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to a request. Malformed requests get an error in GraphQL's form."""
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            if content_negotiation.accepts_stream(request):
                await self.send_stream(request, send)
                return
            token = shared_stream.token_of(request)
            if request.method == "PUT":
                response = await self.reserve_stream(request)
            elif token is not None:
                response = await self.use_stream(request, token)
            else:
                response = await self.run(request)
        except HTTPException as refusal:
            errors = [{"message": refusal.reason, "extensions": BAD_REQUEST}]
            response = answer({"errors": errors}, request, status=refusal.status_code)
            if refusal.status_code == 405:
                response.headers["allow"] = "POST" if request.method == "GET" else "DELETE, GET, POST, PUT"
            if refusal.status_code == 408:
                response.headers["connection"] = "close"
        await response(scope, receive, send)

    def is_websocket_origin_allowed(self, request: WebSocket, origin: str) -> bool:
        """Return True: `OriginMiddleware` has checked the origin."""
        return True

    async def get_context(self, request: Request | WebSocket, response: Response | WebSocket) -> Context:
        """Return the context of one request or one WebSocket."""
        return Context(request.app.state.services, caller=request.scope["caller"], address=address_of(request))

    async def get_sub_response(self, request: Request) -> Response:  # type: ignore[override]
        """Return a response that carries the media type to `create_response`."""
        response = Response()
        response.media_type = content_negotiation.graphql_media_type(request)
        return response

    async def parse_http_body(self, request: AsyncHTTPRequestAdapter) -> GraphQLRequestData:
        """Return the operation in a request. Raises 400 or 415 with the reason."""
        if request.method == "GET":
            given: Any = self.parse_query_params(request.query_params)
        else:
            if not is_json(request.content_type or "none"):
                raise HTTPException(415, "The Content-Type has to be application/json, in UTF-8")
            body = await request.get_body()
            if len(body) > SHORT_BODY:
                given = await off_loop(partial(self.parse_json, body))
            else:
                given = self.parse_json(body)
        if not isinstance(given, dict):
            raise HTTPException(400, "The request has to be one JSON object with a query")
        return GraphQLRequestData(
            query=member(given, "query", str, "a string"),
            variables=member(given, "variables", dict, "an object"),
            operation_name=member(given, "operationName", str, "a string"),
            extensions=member(given, "extensions", dict, "an object"),
        )

    def parse_json(self, data: str | bytes) -> Any:
        """Return the parsed JSON. Raises 400."""
        try:
            return json_value.parse(data)
        except json_value.NotJson as error:
            raise HTTPException(400, f"The request is not JSON: {error}") from error

    def decode_json(self, data: str | bytes) -> object:
        """Return the parsed JSON of a WebSocket message. Raises `JSONDecodeError`, which closes the WebSocket with
        4400.
        """
        try:
            return json_value.parse(data)
        except json_value.NotJson as error:
            raise json.JSONDecodeError(str(error), "", 0) from error

    async def send_stream(self, request: Request, send: Send) -> None:
        """Send a stream of results. Raises the same as `run` for malformed requests."""
        adapter = self.request_adapter_class(request)
        if not self.is_request_allowed(adapter):
            raise HTTPException(405, "A stream takes GET and POST")
        context = await self.get_context(request, Response())
        is_multipart = not content_negotiation.names(request, content_negotiation.EVENT_STREAM)
        token = None if is_multipart else shared_stream.token_of(request)
        if token is not None:
            stream = ResultStream(self.shared_streams.open(token, context).frames(), sse.EVENTS)
        else:
            context.resume_after = request.headers.get("last-event-id")
            data = await self.parse_http_body(adapter)
            results = await self.stream_operation(data, context, is_get=request.method == "GET")
            if is_multipart:
                stream = ResultStream(multipart.frames(results, encode=self.encode_result), multipart.PARTS)
            else:
                stream = ResultStream(sse.frames(results, encode=self.encode_result), sse.EVENTS)
        self._streams.add(stream)
        try:
            await stream(request.scope, request.receive, send)
        finally:
            self._streams.discard(stream)
            if token is not None:
                self.shared_streams.remove(token)

    async def reserve_stream(self, request: Request) -> Response:
        """Return the token of a new stream, which many operations share."""
        if not content_negotiation.accepts(request, content_negotiation.TEXT):
            raise HTTPException(406, "The token of a stream is text/plain")
        context = await self.get_context(request, Response())
        token = self.shared_streams.reserve(context, encode=self.encode_result)
        return uncompressed(PlainTextResponse(token, status_code=201))

    async def use_stream(self, request: Request, token: str) -> Response:
        """Start or end an operation whose results go to a stream that many operations share."""
        context = await self.get_context(request, Response())
        stream = self.shared_streams.find(token, context)
        if request.method == "DELETE":
            stream.end(shared_stream.operation_id_of(request.query_params.get("operationId")))
            return Response()
        adapter = self.request_adapter_class(request)
        if not self.is_request_allowed(adapter):
            raise HTTPException(405, "An operation takes GET and POST")
        data = await self.parse_http_body(adapter)
        operation_id = shared_stream.operation_id_of((data.extensions or {}).get("operationId"))
        results = await self.stream_operation(data, stream.context, is_get=request.method == "GET")
        # The stream may have ended in the meantime.
        self.shared_streams.find(token, context).start(operation_id, results)
        return Response(status_code=202)

    async def stream_operation(
        self, data: GraphQLRequestData, context: Context, *, is_get: bool
    ) -> AsyncGenerator[list[ExecutionResult], None]:
        """Return the results of an operation. Raises 400 for a request without one, and 405 for a mutation by GET."""
        try:
            query = await self.document_of(data, context)
        except GraphQLError as error:
            return only(PreExecutionError(data=None, errors=[error]))
        if not query:
            raise HTTPException(400, "The request has no query")
        if refused := await self.schema.prepared_refusal(query, data.variables, data.operation_name):
            return only(refused)
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
        """Return the document of a request, also if the request has only its hash. Raises `GraphQLError`."""
        return await persisted_queries.text_of(
            data.query,
            data.extensions,
            store=context.services.documents,
            documents=self.schema.documents,
            caller=context.caller,
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
        """Execute a query or a mutation. Raises 400 for other requests, and 405 for a mutation by GET."""
        if isinstance(request_data, list):
            raise HTTPException(400, "Send one operation at a time")
        context.until_gone = partial(until_gone, request.receive)
        allowed = {OperationType.QUERY} if request.method == "GET" else {OperationType.QUERY, OperationType.MUTATION}
        try:
            query = await self.document_of(request_data, context)
            result = await self.schema.execute(
                query,
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
        kind = self.schema.operation_type(query, request_data.operation_name) if query else None
        if context.shows_responses or kind is OperationType.MUTATION or result.errors:
            uncompressed(sub_response)
        return result

    async def process_result(self, request: Request, result: ExecutionResult) -> GraphQLHTTPResponse:
        """Return the response body, without `data` if errors of the request prevented its execution."""
        answered = process_result(result)
        if result.data is None and result.errors and all(error.path is None for error in result.errors):
            del answered["data"]
        return answered

    def encode_result(self, result: ExecutionResult) -> str:
        """Return a result as the data of an event."""
        return str(self.encode_json(process_result(result)))

    def encode_json(self, data: object) -> str:
        """Return JSON. Results that many subscribers share are encoded already."""
        match data:
            case {"data": SharedData(text=text), **others} if not others:
                return f'{{"data":{text}}}'
        return json_text.write(data, separators=(",", ":"))

    def create_response(
        self, response_data: GraphQLHTTPResponse | list[GraphQLHTTPResponse], sub_response: Response
    ) -> Response:
        """Return 200, or 400 for a request that was not executed, with the negotiated media type."""
        refused = "data" not in response_data and sub_response.media_type == content_negotiation.GRAPHQL
        response = Response(self.encode_json(response_data), status_code=400 if refused else 200)
        response.headers["content-type"] = f"{sub_response.media_type}; charset=utf-8"
        if "cache-control" in sub_response.headers:
            response.headers["cache-control"] = sub_response.headers["cache-control"]
        return response

    def should_render_graphql_ide(self, request: BaseRequestProtocol) -> bool:
        """Return whether a person's browser is asking for the page."""
        accepted = content_negotiation.weights(request.headers.get("accept", ""))
        is_page = request.method == "GET" and "query" not in request.query_params
        return is_page and accepted.get(content_negotiation.HTML, 0) > 0

    async def render_graphql_ide(self, request: Request) -> Response:
        """Return the playground."""
        return with_etag(request, self.playground.show(request.url.replace(query="")))


@lru_cache(maxsize=64)
def is_json(content_type: str) -> bool:
    """Return whether a `Content-Type` is that of JSON in UTF-8. Most clients send one of a few."""
    media_type, parameters = parse_content_type(content_type)
    return media_type.lower() == content_negotiation.JSON and parameters.get("charset", "utf-8").lower() in UTF_8


def member(given: dict[str, Any], name: str, kind: type[Any], words: str) -> Any:
    """Return an optional member of the request. Raises 400 if it has another type."""
    value = given.get(name)
    if value is not None and not isinstance(value, kind):
        raise HTTPException(400, f"{name} has to be {words}")
    return value


def answer(body: dict[str, Any], request: Request, *, status: int) -> Response:
    """Return a response that does not come from an operation."""
    return Response(
        json.dumps(body),
        status_code=status,
        headers={"content-type": f"{content_negotiation.graphql_media_type(request)}; charset=utf-8"},
    )
