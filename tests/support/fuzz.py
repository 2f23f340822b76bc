"""Random clients: documents from the schema, requests, and WebSockets, most of them almost right."""

import base64
import json
from collections.abc import Sequence
from random import Random
from typing import Any
from urllib.parse import quote
from uuid import UUID

from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLUnionType,
)

from tests.support.clients_schema import SCHEMA

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG, LAST = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA, 0x80
KNOWN = [UUID(int=number) for number in range(1, 6)]
"""The ids of the tasks that there should be at first."""
SOME_ID = str(KNOWN[0])
STRINGS: Sequence[str] = (
    *("", " ", "\0", "a", "\ud800", "\u202e", "\U0001d518", "a" * 300, "a" * 20_000, "9" * 400, "null"),
    *("__typename", "%00", "../", "Authorization", "a\r\nb: c", "e30=", "1:1", "********", "GET", "post", "TRACE"),
    *(SOME_ID, "0190b6a2-7c1e-7000-8000-00000000000A", "0" * 36, "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"),
    *("2100-01-01T09:00:00+23:59", "2026-02-30T00:00:00Z", "2100-01-01", "* * * * *", "0 0 29 2 *", "0 0 30 2 *"),
    *("*/0 * * * *", "@every 1s", "CRON_TZ=Europe/Berlin 30 2 * * *", "TZ=Nowhere * * * * *", "Europe/Berlin", "UTC"),
    *(
        "http://127.0.0.1:1/",
        "http://[::1]:99999/",
        "https://a:b@c/",
        "http://\u2024/",
        "file:///etc/passwd",
        "http://",
    ),
)
NUMBERS: Sequence[int | float] = (0, 1, -1, 5, 100, 101, 2**31 - 1, 2**31, 2**53 + 1, 2**63, -(2**63) - 1, 0.5, 1e308)
RIGHT: dict[str, Sequence[Any]] = {
    "id": [str(each) for each in KNOWN],
    "ids": [str(each) for each in KNOWN],
    "taskId": [str(each) for each in KNOWN],
    "name": ["a", "b"],
    "url": ["http://127.0.0.1:1/a", "http://127.0.0.1:1/b?c=d"],
    "expression": ["* * * * *", "0 9 * * 1-5", "*/5 2 * * *"],
    "timezone": ["UTC", "Europe/Berlin", "Australia/Lord_Howe"],
    "at": ["2100-01-01T09:00:00Z", "2100-01-01T09:00:00+01:00"],
    "startAt": ["2100-01-01T09:00:00Z"],
    "everyMs": [1_000, 86_400_000],
    "first": [1, 10, 100],
    "last": [1, 10, 100],
}
"""Values that pass, by the name of the argument or field."""
TYPES = ("query", "query", "query", "mutation", "mutation", "subscription")
PATHS = (
    *("/", "/graphql", "/health", "/health/live", "/metrics", "/openapi.json", "/swagger/index.html", "/assets/x"),
    *("/api/v1/tasks", f"/api/v1/tasks/{SOME_ID}", "/api/v1/tasks/1", f"/api/v1/tasks/{SOME_ID}/results"),
    *("/api/v1/results", "/nothing"),
)
CONTENT_TYPES = (
    "application/json",
    "application/json; charset=utf-8",
    "application/json; charset=latin-1",
    "text/plain",
    "a",
    "",
)
ACCEPTED = (
    "*/*",
    "application/json",
    "application/graphql-response+json",
    "text/event-stream",
    "text/html",
    ";q=x,,",
    "*/*;q=0",
)
PUNCTUATION = '{}()[]:"\\!$@.,#&|= \n\0é'


class Fuzzer:
    """Makes random input for one client."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self._schema = SCHEMA

    def chance(self, probability: float) -> bool:
        """Return True with a probability."""
        return self.random.random() < probability

    def mutated(self, text: str) -> str:
        """Return the text after a few random edits."""
        for _ in range(self.random.randint(1, 4)):
            start = self.random.randint(0, len(text))
            end = min(len(text), start + self.random.choice((0, 1, 1, 2, 10, 100)))
            edit = self.random.choice(("", text[start:end] * 2, self.random.choice(PUNCTUATION), self.word()))
            text = text[:start] + edit + text[end:]
        return text

    def mutated_bytes(self, data: bytes) -> bytes:
        """Return the bytes after a few random edits."""
        for _ in range(self.random.randint(1, 4)):
            start = self.random.randint(0, len(data))
            end = start + self.random.choice((0, 1, 1, 2, 10))
            edit = self.random.choice((b"", data[start:end] * 2, self.random.randbytes(1), b"\r\n", b"\xff", b"\0"))
            data = data[:start] + edit + data[end:]
        return data

    def word(self) -> str:
        """Return a string that something may take for what it is not."""
        return self.random.choice(STRINGS)

    def json_value(self, depth: int = 3) -> Any:
        """Return a JSON value."""
        kind = self.random.randrange(8 if depth else 5)
        if kind < 2:
            return self.word()
        if kind == 2:
            return self.random.choice(NUMBERS)
        if kind < 5:
            return self.random.choice((None, True, False, [], {}))
        if kind == 5:
            return [self.json_value(depth - 1) for _ in range(self.random.randrange(4))]
        return {self.word(): self.json_value(depth - 1) for _ in range(self.random.randrange(4))}

    def document(self) -> str:
        """Return an operation that is valid but for some of its values, or one that was valid before it was edited."""
        kind = self.random.choice(TYPES)
        root = {
            "query": self._schema.query_type,
            "mutation": self._schema.mutation_type,
            "subscription": self._schema.subscription_type,
        }[kind]
        assert root is not None
        text = f"{kind} {self._selection(root, depth=self.random.choice((2, 3, 5)))}"
        return self.mutated(text) if self.chance(0.2) else text

    def _selection(self, of: Any, *, depth: int) -> str:
        if isinstance(of, GraphQLUnionType | GraphQLInterfaceType):
            possible = self._schema.get_possible_types(of)
            chosen = self.random.sample(possible, k=min(2, len(possible)))
            return (
                "{ __typename " + " ".join(f"... on {t.name} {self._selection(t, depth=depth)}" for t in chosen) + " }"
            )
        assert isinstance(of, GraphQLObjectType)
        names = self.random.sample(list(of.fields), k=min(len(of.fields), self.random.choice((1, 1, 2, 4))))
        if of is self._schema.subscription_type:
            names = names[:1]
        fields = [self._field(name, of.fields[name], depth=depth) for name in names]
        return "{ " + " ".join([*filter(None, fields), *(["__typename"] if not any(fields) else [])]) + " }"

    def _field(self, name: str, field: GraphQLField, *, depth: int) -> str:
        named = field.type
        while isinstance(named, GraphQLNonNull | GraphQLList):
            named = named.of_type
        is_leaf = isinstance(named, GraphQLScalarType | GraphQLEnumType)
        if not is_leaf and depth == 0:
            return ""
        given = [
            f"{argument}: {self._literal(taken.type, argument)}"
            for argument, taken in field.args.items()
            if isinstance(taken.type, GraphQLNonNull) or self.chance(0.4)
        ]
        arguments = f"({', '.join(given)})" if given else ""
        return f"{name}{arguments}" + ("" if is_leaf else f" {self._selection(named, depth=depth - 1)}")

    def _literal(self, of: Any, name: str, *, depth: int = 4) -> str:
        if isinstance(of, GraphQLNonNull):
            return self._literal(of.of_type, name, depth=depth)
        if self.chance(0.02):
            return self.random.choice(("null", "$x", "A", "[]", "{}", '"x"', "1"))
        if isinstance(of, GraphQLList):
            size = self.random.randrange(3)
            return f"[{', '.join(self._literal(of.of_type, name, depth=depth) for _ in range(size))}]"
        if isinstance(of, GraphQLInputObjectType):
            return self._input_object(of, depth=depth)
        return self._leaf(of, name)

    def _leaf(self, of: GraphQLScalarType | GraphQLEnumType, name: str) -> str:
        if isinstance(of, GraphQLEnumType):
            values: list[str] = list(of.values)
            return self.random.choice(values)
        if name in RIGHT and self.chance(0.8):
            return json.dumps(self.random.choice(RIGHT[name]))
        if of.name == "Boolean":
            return self.random.choice(("true", "false"))
        if of.name in {"Int", "Float"}:
            return json.dumps(self.random.choice(NUMBERS[:7] if of.name == "Int" else NUMBERS))
        return json.dumps(self.word())

    def _input_object(self, of: GraphQLInputObjectType, *, depth: int) -> str:
        optional = 0.3 if depth else 0.0
        names = [
            name for name, field in of.fields.items() if isinstance(field.type, GraphQLNonNull) or self.chance(optional)
        ]
        if of.is_one_of and self.chance(0.95):
            names = [self.random.choice(list(of.fields))]
        given = [f"{name}: {self._literal(of.fields[name].type, name, depth=max(depth - 1, 0))}" for name in names]
        return f"{{{', '.join(given)}}}"

    def operation(self) -> Any:
        """Return the body of a request with an operation."""
        body: dict[str, Any] = {"query": self.document()}
        for name in ("variables", "operationName", "extensions", self.word()):
            if self.chance(0.1):
                body[name] = self.json_value()
        if self.chance(0.1):
            body["extensions"] = {"persistedQuery": {"version": 1, "sha256Hash": self.word()}}
        return self.json_value() if self.chance(0.05) else body

    def task(self) -> Any:
        """Return the body of a request to create or change a task by REST."""
        body: dict[str, Any] = {
            "name": self.word(),
            "trigger": {"type": self.random.choice(("cron", "one-off")), "cron": self.word(), "datetime": self.word()},
            "action": {
                "method": self.word(),
                "url": self.word(),
                "headers": self.json_value(),
                "payload": self.json_value(),
            },
        }
        part = self.random.choice((body, body["trigger"], body["action"]))
        part[self.random.choice([*part, "timezone", "retry"])] = self.json_value()
        return body

    def request(self) -> bytes:
        """Return a request of HTTP/1.1, after which the server closes the connection if the request is a right one."""
        path, headers, body = self.random.choice(PATHS), [f"Accept: {self.random.choice(ACCEPTED)}"], b""
        method = self.random.choice(("GET", "GET", "POST", "POST", "PUT", "DELETE", "OPTIONS", "HEAD", "A"))
        if self.chance(0.5):
            path, method = "/graphql", self.random.choice(("GET", "POST", "POST"))
        if method in {"POST", "PUT"}:
            value = self.operation() if path == "/graphql" else self.task()
            text = self.mutated(json.dumps(value)) if self.chance(0.2) else json.dumps(value)
            body = text.encode("utf-8", "replace")
            content_type = "application/json" if self.chance(0.9) else self.random.choice(CONTENT_TYPES)
            headers += [f"Content-Type: {content_type}", f"Content-Length: {len(body)}"]
        elif self.chance(0.5):
            names = ("query", "variables", "page", "limit", "status", "success", "task_id")
            value = self.document() if path == "/graphql" else self.word()
            path += f"?{self.random.choice(names)}={quote(value, errors='replace')}"
        if self.chance(0.1):
            name = self.random.choice(
                ("Idempotency-Key", "Origin", "Content-Encoding", "Authorization", "Expect", "X-A")
            )
            headers.append(f"{name}: {self.word()}")
        head = "\r\n".join([f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "Connection: close", *headers, "", ""])
        sent = head.encode("utf-8", "replace") + body
        return self.mutated_bytes(sent) if self.chance(0.2) else sent

    def handshake(self) -> bytes:
        """Return the request for a WebSocket."""
        key = base64.b64encode(self.random.randbytes(16)).decode()
        lines = ["GET /graphql HTTP/1.1", "Host: 127.0.0.1", "Upgrade: websocket", "Connection: Upgrade"]
        lines += [
            f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Protocol: graphql-transport-ws",
        ]
        sent = "\r\n".join([*lines, "", ""]).encode()
        return self.mutated_bytes(sent) if self.chance(0.05) else sent

    def frames(self) -> bytes:
        """Return what a client sends on a WebSocket."""
        messages: list[Any] = [{"type": "connection_init"}] if self.chance(0.95) else []
        for _ in range(self.random.randint(1, 12)):
            name = self.random.choice("12345")
            kind = self.random.randrange(10)
            if kind < 6:
                messages.append({"type": "subscribe", "id": name, "payload": self.operation()})
            elif kind == 6:
                messages.append({"type": "complete", "id": name})
            elif kind < 9:
                messages.append({"type": self.random.choice(("ping", "pong"))})
            else:
                messages.append({"type": self.word(), "id": self.json_value(1), "payload": self.json_value()})
        return b"".join(self._frames_of(json.dumps(message)) for message in messages)

    def _frames_of(self, text: str) -> bytes:
        data = (self.mutated(text) if self.chance(0.03) else text).encode("utf-8", "replace")
        if self.chance(0.03):
            opcode = self.random.choice((BINARY, CLOSE, PING, PONG, CONTINUATION, 0x3, 0xF, 0x40))
            return self._frame(opcode | self.random.choice((0, LAST)), data[:100])
        if self.chance(0.1):
            cut = self.random.randint(0, len(data))
            control = self._frame(PING | LAST, b"x") if self.chance(0.5) else b""
            return self._frame(TEXT, data[:cut]) + control + self._frame(CONTINUATION | LAST, data[cut:])
        sent = self._frame(TEXT | LAST, data)
        return self.mutated_bytes(sent) if self.chance(0.02) else sent

    def _frame(self, head: int, data: bytes) -> bytes:
        mask = self.random.randbytes(4)
        masked = bytes(byte ^ mask[place % 4] for place, byte in enumerate(data))
        size = len(data)
        if size < 126:
            length = bytes([LAST | size])
        elif size < 2**16:
            length = bytes([LAST | 126]) + size.to_bytes(2, "big")
        else:
            length = bytes([LAST | 127]) + size.to_bytes(8, "big")
        return bytes([head]) + length + mask + masked
