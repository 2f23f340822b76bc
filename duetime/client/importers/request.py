"""The request that a command makes, and the members of the task that makes it."""

import base64
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, quote_plus, unquote, urlsplit, urlunsplit

from duetime.client.apply import reading
from duetime.client.importers.result import CannotTake
from duetime.client.importers.shell import literal, unescaped

FOLLOWED = 5
"""Redirects that a task can follow; curl and wget follow more."""
MOST_ATTEMPTS = 100
LONGEST_TIMEOUT = 3_600_000
LONGEST_INITIAL_DELAY = 86_400_000
LONGEST_ELAPSED = 2_592_000_000
HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"}
FORM = "application/x-www-form-urlencoded"
OF_CONNECTIONS = {
    "connection", "content-length", "expect", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding",
    "upgrade",
}  # fmt: skip
"""Headers that are made from the body, or concern one connection only: a task needs none of them."""
UNSAFE = re.compile(r"[^\x21\x23-\x3b\x3d\x3f-\x5b\x5d\x5f\x61-\x7a\x7e\x80-\U0010ffff]")
"""What no URL may contain."""
SECONDS = re.compile(r"[0-9]{1,12}(?:\.[0-9]*)?|\.[0-9]+")
LONGEST_DELAY = 600_000
"""curl's longest delay between two attempts."""
DEFAULT_LONGEST_DELAY = 300_000


@dataclass(slots=True)
class Request:
    """The request that a command makes, as far as its options are read."""

    stdin: str | None = None
    """The standard input of the command, until an option reads it."""
    urls: list[str] = field(default_factory=list)
    method: str | None = None
    headers: list[tuple[str, str]] = field(default_factory=list)
    data: list[str] = field(default_factory=list)
    query: list[str] = field(default_factory=list)
    is_json: bool = False
    in_query: bool = False
    is_head: bool = False
    redirects: int = FOLLOWED
    timeout_ms: int | None = None
    attempts: int = 1
    delay_ms: int | None = None
    longest_delay_ms: int = LONGEST_DELAY
    retry_statuses: list[str] | None = None
    retried_within_ms: int | None = None
    """How long after the first attempt another one may begin."""
    within_ms: int | None = None
    """How long all attempts together may take."""
    files: list[str] = field(default_factory=list)
    """The files to which its output goes."""

    def basic(self, credentials: str) -> None:
        """Authenticate by user and password."""
        encoded = base64.b64encode(unescaped(credentials).encode()).decode()
        self.headers.append(("Authorization", f"Basic {encoded}"))

    def header(self, value: str) -> None:
        """Add a header; curl and wget leave out one without a value. Raises `CannotTake`."""
        if value.startswith("@"):
            raise CannotTake(f"the headers are in a file of that machine, {value[1:]}")
        name, _, text = value.partition(":")
        name = name.strip()
        if name.lower() == "host" and text.strip():
            raise CannotTake("it sets the header Host, which a task makes from the URL")
        if not HEADER_NAME.fullmatch(name):
            raise CannotTake(f"{name!r} is no name of a header")
        if text.strip() and name.lower() not in OF_CONNECTIONS:
            self.headers.append((name, text.strip()))

    def input(self) -> str:
        """Return the standard input, which can be read once. Raises `CannotTake`."""
        if self.stdin is None:
            raise CannotTake("its body comes from the standard input, which is not known here")
        found, self.stdin = self.stdin, None
        return found


def seconds(value: str) -> int:
    """Return the milliseconds of a number of seconds. Raises `CannotTake`."""
    if not SECONDS.fullmatch(value):
        raise CannotTake(f"{value!r} is no number of seconds")
    return round(float(value) * 1_000)


def encoded(content: str) -> str:
    """Return a text as a form has it. Raises `CannotTake` for a variable whose value is not known."""
    return reading.escaped(quote_plus(literal(content), safe="~"))


def members(request: Request) -> dict[str, Any]:
    """Return the members of a task that makes a request. Raises `CannotTake`."""
    if request.stdin is not None:
        raise CannotTake("what follows % is its standard input, which it does not read")
    if len(request.urls) != 1:
        raise CannotTake(f"it has {len(request.urls)} URLs; a task calls one" if request.urls else "it has no URL")
    sends = bool(request.data) and not request.in_query
    action: dict[str, Any] = {"url": url_of(request)}
    method = request.method or ("HEAD" if request.is_head else "POST" if sends else "GET")
    if method not in METHODS:
        raise CannotTake(f"a task cannot use the method {method}")
    if method != "GET":
        action["method"] = method
    names = {name.lower() for name, _ in request.headers}
    if sends and "content-type" not in names:
        request.headers.append(("Content-Type", "application/json" if request.is_json else FORM))
    if request.is_json and "accept" not in names:
        request.headers.append(("Accept", "application/json"))
    if twice := [name for name, count in Counter(name.lower() for name, _ in request.headers).items() if count > 1]:
        raise CannotTake(f"it sends the header {twice[0]} twice; a task sends it once")
    if request.headers:
        action["headers"] = [{"name": name, "value": value} for name, value in request.headers]
    if sends:
        action["body"] = ("" if request.is_json else "&").join(request.data)
    if timeout := least(request.timeout_ms, request.within_ms):
        action["timeoutMs"] = min(timeout, LONGEST_TIMEOUT)
    if request.redirects:
        action["redirects"] = request.redirects
    return {"action": action, "retry": retry_of(request)}


def retry_of(request: Request) -> dict[str, Any]:
    """Return the retry policy of a request."""
    if request.attempts == 1:
        return {"maxAttempts": 1}
    found: dict[str, Any] = {"maxAttempts": request.attempts}
    if request.delay_ms is None:
        # The delay begins with a second, and doubles each time up to the longest one.
        found["initialDelayMs"] = 1_000
        last = 1_000 * 2 ** (request.attempts - 2)
        if min(last, DEFAULT_LONGEST_DELAY) != min(last, request.longest_delay_ms):
            found["maxDelayMs"] = request.longest_delay_ms
    else:
        found |= {"initialDelayMs": min(request.delay_ms, LONGEST_INITIAL_DELAY), "factor": 1.0}
    if request.retry_statuses is not None:
        found["retryStatuses"] = request.retry_statuses
    if elapsed := least(request.retried_within_ms, request.within_ms):
        found["maxElapsedMs"] = min(elapsed, LONGEST_ELAPSED)
    return found


def least(*limits: int | None) -> int | None:
    """Return the least of the limits that are given. 0 means no limit."""
    return min(filter(None, limits), default=None)


def url_of(request: Request) -> str:
    """Return the URL with a scheme, without a user, who is authenticated by a header. Raises `CannotTake`."""
    [given] = request.urls
    try:
        parts = urlsplit(given if "://" in given else f"http://{given}")
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError as error:
        raise CannotTake(f"its URL cannot be read: {error}") from None
    if parts.scheme not in {"http", "https"}:
        raise CannotTake(f"a task calls an http or https URL, not {parts.scheme}")
    if not has_host:
        raise CannotTake("its URL has no host")
    if parts.username is not None:
        request.basic(f"{unquote(parts.username)}:{unquote(parts.password or '')}")
        parts = parts._replace(netloc=parts.netloc.rpartition("@")[2])
    query = "&".join(filter(None, [parts.query, *(request.data if request.in_query else ()), *request.query]))
    return with_safe_characters(urlunsplit(parts._replace(query=query, fragment="")))


def with_safe_characters(url: str) -> str:
    """Return a URL in which what no URL may contain is percent-encoded, except in references."""

    def encode(text: str) -> str:
        return UNSAFE.sub(lambda found: quote(found.group()), text)

    parts, at = [], 0
    for found in reading.REFERENCE.finditer(url):
        parts += [encode(url[at : found.start()]), encode(found.group()[1:]) if found[1] else found.group()]
        at = found.end()
    return "".join([*parts, encode(url[at:])])
