"""GraphQL over HTTP: operations, and subscriptions as server-sent events."""

import re
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any, Self

import httpx

from duetime.client import digits
from duetime.client.errors import ClientError, NotAuthorised, Unreachable, UsageError, one_line
from duetime.client.profiles import DEFAULT_URL, KEY_VARIABLE, URL_VARIABLE, Profile

WITHIN = 60.0
"""Timeout of a response in seconds; changing a thousand tasks at once takes a few."""
SILENCE = 60.0
"""Seconds without a byte after which a stream counts as lost. The API sends a comment every few seconds."""
QUOTED = re.compile(r"[,;]? [Ff]ound: .*|(?<= value: )[\[{].*", re.DOTALL)
"""A value that an error of GraphQL quotes."""
GATEWAY = {502, 503, 504}
UNAUTHORISED = {"UNAUTHENTICATED", "FORBIDDEN"}

Data = dict[str, Any]


class GraphQLErrors(ClientError):
    """An operation was refused as a whole. `errors` has the API's errors."""

    def __init__(self, errors: list[Any]) -> None:
        super().__init__("; ".join(map(message_of, errors)))
        self.errors = errors


class Api:
    """A Duetime at an address. Threads can share it."""

    def __init__(self, profile: Profile) -> None:
        self.url = profile.url
        self._has_key = profile.key is not None
        headers = {"User-Agent": f"duetime/{version('duetime')}", "Content-Type": "application/json"}
        if profile.key:
            headers["Authorization"] = f"Bearer {profile.key}"
        # A redirect would send the key to another place, so redirects are not followed.
        try:
            self._http = httpx.Client(
                headers=headers, timeout=httpx.Timeout(WITHIN, connect=10), follow_redirects=False
            )
        except (OSError, ValueError, ImportError) as error:
            # httpx reads the variables of proxies and certificates, such as HTTP_PROXY and SSL_CERT_FILE.
            reason = one_line(str(error))
            raise UsageError(f"the settings of proxies or certificates cannot be used: {reason}") from None

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close its connections."""
        self._http.close()

    def execute(self, document: str, **variables: Any) -> Data:
        """Return the data of an operation. Raises `ClientError`, and `GraphQLErrors` if the API refuses it."""
        with self._failures():
            answer = self._http.post(
                f"{self.url}/graphql",
                content=digits.written({"query": document, "variables": variables}),
                headers={"Accept": "application/graphql-response+json"},
            )
        return self._data(self._body(answer.status_code, answer.content))

    def field(self, document: str, **variables: Any) -> Any:
        """Return the one field of an operation's data. Raises as `execute` does."""
        [value] = self.execute(document, **variables).values()
        return value

    def subscribe(self, document: str, **variables: Any) -> Generator[Any, None, None]:
        """Yield each result of a subscription's one field. Raises as `execute` does, also when the connection
        breaks."""
        with (
            self._failures(),
            self._http.stream(
                "POST",
                f"{self.url}/graphql",
                content=digits.written({"query": document, "variables": variables}),
                headers={"Accept": "text/event-stream"},
                timeout=httpx.Timeout(SILENCE, connect=10),
            ) as answer,
        ):
            if not answer.headers.get("Content-Type", "").startswith("text/event-stream"):
                self._data(self._body(answer.status_code, answer.read()))
                raise Unreachable(f"{self.url} did not respond with an event stream")
            kind = ""
            for line in answer.iter_lines():
                name, _, value = line.partition(": ")
                if name == "event":
                    kind = value
                elif name == "data" and kind == "next":
                    [result] = self._data(digits.read(value)).values()
                    yield result
                elif line.startswith("data") and kind == "complete":
                    return
        raise Unreachable(f"{self.url} ended the event stream")

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """Turn failures of the connection into `Unreachable`."""
        try:
            yield
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            hint = f"; run `duetime up`, or name another one by {URL_VARIABLE}" if self.url == DEFAULT_URL else ""
            raise Unreachable(f"{self.url} cannot be reached: {reason_of(error)}{hint}") from None

    def _body(self, status: int, content: bytes) -> Mapping[str, Any]:
        """Return the body of a response. Raises `ClientError` if it is not a GraphQL response."""
        try:
            body = digits.read(content)
        except ValueError:
            body = None
        if status in GATEWAY:
            raise Unreachable(f"{self.url} answered with status {status}: {message_in(body) or 'it is not available'}")
        if not isinstance(body, dict) or not body.keys() & {"data", "errors"}:
            raise Unreachable(f"{self.url} does not answer as a Duetime does (status {status}); check the address")
        return body

    def _data(self, body: Mapping[str, Any]) -> Data:
        """Return the data of a response. Raises `ClientError` for its errors."""
        errors = body.get("errors")
        if errors:
            if any(code_of(error) in UNAUTHORISED for error in errors):
                message = message_in(body) if self._has_key else f"a key is needed: set {KEY_VARIABLE}"
                raise NotAuthorised(f"{self.url} refuses the call: {message}")
            raise GraphQLErrors(errors)
        data: Data = body["data"]
        return data


def message_of(error: Any) -> str:
    """Return the message of an error without a quoted value, because the value may contain a secret."""
    return one_line(QUOTED.sub("", str(error.get("message"))))


def code_of(error: Any) -> str | None:
    """Return the code of an error of GraphQL, if it has one."""
    code: str | None = (error.get("extensions") or {}).get("code")
    return code


def message_in(body: Any) -> str:
    """Return the messages of a response's errors, or an empty text if it has none."""
    errors = body.get("errors") if isinstance(body, dict) else None
    return "; ".join(map(message_of, errors or ()))


def reason_of(error: Exception) -> str:
    """Return why a connection failed."""
    if isinstance(error, httpx.TimeoutException):
        return "it did not answer in time"
    return one_line(str(error)) or type(error).__name__
