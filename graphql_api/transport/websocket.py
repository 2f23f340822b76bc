"""A WebSocket with the protocol graphql-transport-ws (https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md)."""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import Any

from graphql import GraphQLError
from starlette.websockets import WebSocketDisconnect, WebSocketState
from strawberry.asgi import ASGIWebSocketAdapter
from strawberry.http import process_result
from strawberry.http.exceptions import WebSocketDisconnected
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import BaseGraphQLTransportWSHandler, Operation
from strawberry.subscriptions.protocols.graphql_transport_ws.types import (
    ConnectionInitMessage,
    Message,
    SubscribeMessage,
)
from strawberry.types import ExecutionResult
from strawberry.types.execution import PreExecutionError

from graphql_api.context import Context
from graphql_api.errors import BAD_REQUEST, limit_exceeded
from graphql_api.execution import persisted_queries
from graphql_api.execution.schema import DuetimeSchema
from graphql_api.middleware.api_keys import AuthenticationFailed
from graphql_api.transport import message_limits, messages_together
from jobs.security.api_keys import Caller

UNAUTHORIZED = 4401
FORBIDDEN = 4403
TOO_MANY_REQUESTS = 4429
TRY_AGAIN_LATER = 1013
MAX_AT_ONCE = 1_000
"""Largest number of operations on one WebSocket."""
MAX_REASON = 123
"""Largest number of bytes of the reason in a close frame."""


class ClosableWebSocket(ASGIWebSocketAdapter):
    """A WebSocket that may be closed by several at once: by its own messages, its key and its timeouts."""

    async def send_json(self, message: Mapping[str, object]) -> None:
        """Send a message. Raises `WebSocketDisconnected` if the WebSocket is closed."""
        if self.is_closed:
            raise WebSocketDisconnected
        await super().send_json(message)

    async def send_texts(self, texts: Sequence[str]) -> None:
        """Send messages together. Raises `WebSocketDisconnected` if the WebSocket is closed."""
        if self.is_closed:
            raise WebSocketDisconnected
        try:
            await messages_together.send(self.ws, texts)
        except (OSError, WebSocketDisconnect) as error:
            raise WebSocketDisconnected from error

    async def close(self, code: int, reason: str) -> None:
        """Close the WebSocket, unless it is closed already. A reason that is too long is cut."""
        if not self.is_closed:
            cut = reason.encode("utf-8", "replace")[:MAX_REASON]
            # The client may be gone, which is noticed only now.
            with suppress(WebSocketDisconnect):
                await super().close(code, cut.decode("utf-8", "ignore"))

    @property
    def is_closed(self) -> bool:
        """Whether one of both sides has closed the WebSocket."""
        return WebSocketState.DISCONNECTED in {self.ws.application_state, self.ws.client_state}


class WebSocketHandler(BaseGraphQLTransportWSHandler[Context, None]):
    """One WebSocket. A malformed message closes it with 4400, as the protocol requires."""

    schema: DuetimeSchema
    websocket: ClosableWebSocket
    messages_before_ack = 0

    async def handle(self) -> None:
        """Handle messages until the WebSocket closes, or its key becomes invalid."""
        with ExitStack() as self.held:
            if self.context.caller is not None:
                self.hold(self.context.caller)
            await super().handle()

    def hold(self, caller: Caller) -> None:
        """Close the WebSocket when the caller's key becomes invalid."""
        tasks: set[asyncio.Task[None]] = set()

        def close() -> None:
            reason = "The key was revoked or has expired"
            tasks.add(asyncio.create_task(self.websocket.close(code=FORBIDDEN, reason=reason)))

        self.held.enter_context(self.context.services.authenticator.holding(caller, close))

    async def handle_connection_init(self, message: ConnectionInitMessage) -> None:
        """Authenticate the caller, unless the upgrade request had a key."""
        payload: Any = message.get("payload")
        if self.context.caller is None and not self.connection_init_received:
            given = payload if isinstance(payload, dict) else {}
            shown = given.get("Authorization", given.get("authorization"))
            try:
                caller = await self.context.services.authenticator.admit(
                    shown if isinstance(shown, str) else None, address=self.context.address
                )
            except AuthenticationFailed as refused:
                code = TRY_AGAIN_LATER if refused.status == 503 else FORBIDDEN
                await self.websocket.close(code=code, reason=str(refused))
                return
            self.context.caller = caller
            self.hold(caller)
        await super().handle_connection_init(message)

    async def handle_message(self, message: Message) -> None:
        """Check the form of a message, and whether its time has come, then handle it."""
        # Messages that have arrived already are handled without waiting for anything, so others come first here.
        await asyncio.sleep(0)
        if problem := shape_problem(message):
            await self.handle_invalid_message(problem)
        elif not self.connection_acknowledged and (refused := self.refused_before_ack(message)):
            await self.websocket.close(*refused)
        else:
            await super().handle_message(message)

    def refused_before_ack(self, message: Message) -> tuple[int, str] | None:
        """Return the code and the reason to close with, if the message may not come before `connection_ack`."""
        self.messages_before_ack += 1
        if message["type"] in {"subscribe", "complete"}:
            return UNAUTHORIZED, "Unauthorized: wait for connection_ack before any operation"
        if self.messages_before_ack > message_limits.MAX_MESSAGES_BEFORE_ACK:
            return (
                TOO_MANY_REQUESTS,
                f"More than {message_limits.MAX_MESSAGES_BEFORE_ACK} messages before connection_ack",
            )
        return None

    async def send_message(self, message: Message) -> None:
        """Send a message. With `connection_ack`, messages may be as large as bodies."""
        if message["type"] == "connection_ack":
            message_limits.raise_limit(self.websocket.ws.scope)
        await super().send_message(message)

    async def handle_task_exception(self, error: Exception) -> None:
        """Log an error of an operation, but not a disconnected client."""
        if not isinstance(error, WebSocketDisconnected):
            await super().handle_task_exception(error)

    async def handle_subscribe(self, message: SubscribeMessage) -> None:
        """Check the number of operations, find the document of a hash, then start the operation."""
        payload: dict[str, Any] = {**message["payload"]}
        if self.connection_acknowledged and message["id"] not in self.operations:
            try:
                self.check_room()
                payload["query"] = await persisted_queries.text_of(
                    payload.get("query"),
                    payload.get("extensions"),
                    store=self.context.services.documents,
                    documents=self.schema.documents,
                    caller=self.context.caller,
                )
            except GraphQLError as error:
                await self.refuse(message, error)
                return
            if not payload["query"]:
                await self.refuse(message, GraphQLError("The request has no query", extensions=BAD_REQUEST))
                return
        await super().handle_subscribe({**message, "payload": payload})  # type: ignore[typeddict-item]

    async def _send_result_stream(self, operation: Operation[Context, None], result_source: Any) -> None:
        """Send the results of an operation, those together that come together."""
        results: AsyncGenerator[list[ExecutionResult], None] = result_source
        name = json.dumps(operation.id)
        is_first = True
        async for together in results:
            if is_first and isinstance(together[0], PreExecutionError):
                await operation.send_initial_errors(together[0].errors or [])
                return
            is_first = False
            await self.websocket.send_texts(
                [f'{{"type":"next","id":{name},"payload":{self.encode(result)}}}' for result in together]
            )

    def encode(self, result: ExecutionResult) -> str:
        """Return a result as the payload of a message."""
        return str(self.view.encode_json(process_result(result)))

    async def refuse(self, message: SubscribeMessage, error: GraphQLError) -> None:
        """Answer a subscribe message with an error."""
        await self.send_message({"id": message["id"], "type": "error", "payload": [error.formatted]})

    def forget_id(self, id: str) -> None:  # noqa: A002 (Strawberry's signature)
        """Forget the current operation. Its client may have completed it in the meantime, and reused its id for another
        one."""
        operation = self.operations.get(id)
        if operation is not None and operation.task is asyncio.current_task():
            del self.operations[id]

    def check_room(self) -> None:
        """Raise `GraphQLError` when the WebSocket already carries the largest number of operations."""
        if len(self.operations) >= MAX_AT_ONCE:
            raise limit_exceeded(f"{MAX_AT_ONCE:,} operations are running; one websocket carries no more at once")

    @staticmethod
    def _get_pre_execution_close_reason(error: GraphQLError) -> str | None:
        """Return None: a document that cannot be parsed ends its own operation, not the others on this WebSocket."""
        return None


def shape_problem(message: Any) -> str | None:
    """Return what is wrong with the form of a message, in terms of the graphql-transport-ws protocol."""
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        return "A message is an object with a type"
    if message["type"] in {"subscribe", "complete"} and not isinstance(message.get("id"), str):
        return "The message needs an id, a string"
    if message["type"] == "subscribe":
        return payload_problem(message.get("payload"))
    return None


def payload_problem(payload: Any) -> str | None:
    """Return what is wrong with the payload of a subscribe message."""
    if not isinstance(payload, dict):
        return "The payload of a subscribe message is an object with a query, a string"
    if not isinstance(payload.get("extensions"), dict | None):
        return "The extensions of a subscribe message are an object"
    has_hash = persisted_queries.MEMBER in (payload.get("extensions") or {})
    if not isinstance(payload.get("query"), str | None if has_hash else str):
        return "The payload of a subscribe message is an object with a query, a string"
    if not isinstance(payload.get("variables"), dict | None):
        return "The variables of a subscribe message are an object"
    if not isinstance(payload.get("operationName"), str | None):
        return "The operationName of a subscribe message is a string"
    return None
