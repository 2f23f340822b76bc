"""The HTTP request of a task, validated when the task is saved, so that its form cannot make a run fail."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import SplitResult, urlsplit

from yarl import URL

from db.postgres_text import is_postgres_text
from jobs.http.body import NO_BODY, BodyDraft, Content, stored_payload
from jobs.http.body import problems_of as body_problems
from jobs.http.body import stored as stored_body
from jobs.http.statuses import SUCCESS
from jobs.http.statuses import problems_of as status_problems
from jobs.http.urls import in_ascii
from jobs.problems import Problem
from jobs.security import signatures
from jobs.security.encryption import NoSecretKey, SecretKeys
from jobs.security.secret_headers import SEALED, is_secret_name, open_headers, seal

MAX_URL_LENGTH = 8_000
KEPT_URLS = 256
"""Number of URLs whose parts are kept: one is read several times when its task is saved."""
MAX_HEADERS = 100
MAX_HEADERS_BYTES = 32 * 1024
MAX_TIMEOUT_MS = 3_600_000
MAX_REDIRECTS = 5
DEFAULT_PORTS = {"http": 80, "https": 443}

TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
"""A field name by RFC 9110, section 5.6.2."""

CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f]")
"""What a field value cannot contain by RFC 9110, section 5.5. A tab is allowed."""

NOT_IN_URLS = re.compile(r'[\x00-\x20\x7f-\xa0<>"{}|\\^`\u2028\u2029\ud800-\udfff]')
"""Characters that RFC 3986 does not allow; other characters beyond ASCII are saved percent-encoded."""

NOT_IN_HOST_NAMES = re.compile(r"[%!$&'()*+,;=~]")

REFUSED_HEADERS = {
    "host": "is made from the URL",
    "content-length": "is made from the body",
    "transfer-encoding": "is made from the body",
    "expect": "is not supported",
    **dict.fromkeys(
        ("connection", "keep-alive", "proxy-authenticate", "proxy-connection", "te", "trailer", "trailers", "upgrade"),
        "concerns one connection only, and connections are shared",
    ),
}

NO_VALUE = "is missing; an empty value is ''"
HOW_TO_KEEP_SECRETS = "set DUETIME_SECRET_KEY to the output of `openssl rand -base64 32`"

DEFAULT_HEADERS = {
    "user-agent": ("User-Agent", "TaskScheduler/1.0"),
    "accept": ("Accept", "*/*"),
    "accept-encoding": ("Accept-Encoding", "gzip, deflate"),
}


class HttpMethod(StrEnum):
    """The methods that a task may use."""

    GET = "GET"
    POST = "POST"
    PUT = "PUT"
    PATCH = "PATCH"
    DELETE = "DELETE"
    HEAD = "HEAD"
    OPTIONS = "OPTIONS"


class HeaderDraft(NamedTuple):
    """A header as requested. A value of None was not given; then `kept`, the seal of the stored secret, stays."""

    name: str
    value: str | None
    secret: bool = False
    kept: str | None = None

    @property
    def is_secret(self) -> bool:
        """Whether the value is secret: because the request or the name says so, or because it was secret before."""
        return self.secret or is_secret_name(self.name) or self.kept is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionDraft:
    """An action as requested, not validated yet. Without `signing_secrets`, the stored ones stay."""

    url: str
    method: str = HttpMethod.GET
    headers: Sequence[HeaderDraft] = field(default=())
    body: BodyDraft = NO_BODY
    success_statuses: Sequence[str] = SUCCESS
    timeout_ms: int = 30_000
    redirects: int = 0
    signing_secrets: Sequence[str] | None = None
    kept_signing_secrets: Sequence[str] = ()


def with_run_headers(headers: Mapping[str, Any], given: Sequence[Sequence[str]]) -> dict[str, Any]:
    """Return a task's headers with those of a run, each of which replaces the one of its name, in any case."""
    if not given:
        return dict(headers)
    replaced = {name.lower() for name, _ in given}
    kept = {name: value for name, value in headers.items() if name.lower() not in replaced}
    kept.update((name, value) for name, value in given)
    return kept


class Action(NamedTuple):
    """The request of a task. Secret headers and `signing_secrets` are sealed until the call.

    `secret_names` are the names of the headers that were sealed.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    content: Content
    timeout: timedelta
    redirects: int
    signing_secrets: Sequence[str] = ()
    secret_names: Sequence[str] = ()


class PreparedRequest(NamedTuple):
    """One request of an attempt. `headers` maps lower-case names to the name as it is sent, and the value.

    `secret` has the lower-case names of the secret headers.
    """

    method: str
    url: str
    headers: Mapping[str, tuple[str, str]]
    content: bytes
    secret: Collection[str] = ()


def prepare(action: Action, *, headers: Mapping[str, str]) -> PreparedRequest:
    """Return the first request of an attempt: the task's headers in their order, then Duetime's, then the defaults.

    Of headers with the same name, the first counts.
    """
    merged: dict[str, tuple[str, str]] = {}
    for own in (action.headers, headers):
        for name, value in own.items():
            merged.setdefault(name.lower(), (name, value))
    for name, default in DEFAULT_HEADERS.items():
        merged.setdefault(name, default)
    if action.content.content_type is not None:
        merged.setdefault("content-type", ("Content-Type", action.content.content_type))
    content = action.content.data
    return PreparedRequest(action.method, action.url, merged, content, frozenset(map(str.lower, action.secret_names)))


def check(draft: ActionDraft, *, secrets: SecretKeys) -> tuple[dict[str, Any], list[Problem]]:
    """Return the task's columns for this action, with secrets sealed, and every problem with it.

    The columns are empty if there is a problem.
    """
    problems = [
        *method_problems(draft.method),
        *url_problems(draft.url),
        *header_problems(draft.headers, secrets=secrets),
        *signing_problems(draft, secrets=secrets),
        *body_problems(draft.body),
        *success_problems(draft.success_statuses),
        *range_problems(draft),
    ]
    if problems:
        return {}, problems
    host, origin = host_of(parse_url(draft.url)), origin_of(draft.url)
    headers = {header.name: stored_value(header, origin=origin, secrets=secrets) for header in draft.headers}
    columns = {
        "method": draft.method.upper(),
        "url": in_ascii(draft.url),
        "host": host,
        "headers": headers or None,
        "header_order": list(headers) or None,
        "payload": stored_payload(draft.body),
        "body": stored_body(draft.body),
        "success_statuses": None if tuple(draft.success_statuses) == SUCCESS else list(draft.success_statuses),
        "signing_secrets": signatures.sealed(draft.signing_secrets, kept=draft.kept_signing_secrets, keys=secrets),
        "timeout_ms": draft.timeout_ms,
        "redirects": draft.redirects,
    }
    return columns, problems


def stored_value(header: HeaderDraft, *, origin: str, secrets: SecretKeys) -> str | dict[str, str]:
    """Return a valid header in its stored form. An unchanged secret keeps its seal."""
    value = None if header.value is None else header.value.strip(" \t")
    if not header.is_secret:
        return value or ""
    if header.kept is not None:
        before = {SEALED: header.kept}
        with suppress(NoSecretKey):
            if value is None or value == open_headers({header.name: before}, origin=origin, keys=secrets)[header.name]:
                return before
    return seal(value or "", name=header.name, origin=origin, keys=secrets)


def url_problems(url: str) -> Iterator[Problem]:
    """Yield what is wrong with a URL."""
    try:
        parse_url(url)
        check_length(in_ascii(url))
    except ValueError as error:
        yield Problem(("url",), str(error))


def method_problems(method: str) -> Iterator[Problem]:
    """Yield what is wrong with a method. GraphQL's enum leaves nothing to find here; REST accepts any text."""
    if method.upper() not in list(HttpMethod):
        yield Problem(("method",), f"{method[:20]!r} is not one of {', '.join(HttpMethod)}")


def check_length(url: str) -> None:
    """Raise `ValueError` for a URL that is too long."""
    if len(url) > MAX_URL_LENGTH:
        raise ValueError(f"has {len(url):,} characters; at most {MAX_URL_LENGTH:,} are accepted")


@lru_cache(maxsize=KEPT_URLS)
def parse_url(url: str) -> SplitResult:
    """Return the parts of a URL. Raises `ValueError`, whose text says what is wrong."""
    check_length(url)
    if found := NOT_IN_URLS.search(url):
        raise ValueError(f"contains the character {found.group()!r}, which a URL must percent-encode")
    try:
        split = urlsplit(url)
        port = split.port
        # Read the URL as the HTTP client does.
        URL(url)
    except ValueError as error:
        raise ValueError(f"cannot be read as a URL: {error}") from error
    if split.scheme not in DEFAULT_PORTS:
        raise ValueError("must begin with http:// or https://")
    if "@" in split.netloc:
        raise ValueError("contains a user name or password; send them in an Authorization header instead")
    hostname = split.hostname
    if not hostname:
        raise ValueError("has no host")
    if port == 0:
        raise ValueError("has port 0; ports are 1 to 65535")
    if "[" in split.netloc and ":" not in hostname:
        raise ValueError("has a host in brackets that is not an IPv6 address")
    if ":" in hostname and "%" in hostname:
        raise ValueError("contains a network interface after the address; write the address alone")
    if ":" not in hostname and NOT_IN_HOST_NAMES.search(hostname):
        raise ValueError("has a host with characters that host names cannot have")
    try:
        hostname.encode("idna")
    except UnicodeError as error:
        raise ValueError(f"has a host that is not a DNS name: {error}") from error
    return split


@lru_cache(maxsize=KEPT_URLS)
def host_of(split: SplitResult) -> str:
    """Return `host:port`, by which a worker shares its slots. It is the same for every spelling of a name."""
    hostname = URL(split.geturl()).raw_host or ""
    bracketed = f"[{hostname}]" if ":" in hostname else hostname
    return f"{bracketed}:{split.port or DEFAULT_PORTS[split.scheme]}"


def origin_of(url: str) -> str:
    """Return `scheme://host:port` of a valid URL."""
    split = parse_url(url)
    return f"{split.scheme}://{host_of(split)}"


def header_problems(headers: Sequence[HeaderDraft], *, secrets: SecretKeys) -> Iterator[Problem]:
    """Yield what is wrong with headers: a name, a duplicate in any case, or a header that the connection needs."""
    if len(headers) > MAX_HEADERS:
        yield Problem(("headers",), f"has {len(headers):,} headers; at most {MAX_HEADERS} are accepted")
        return
    size = sum(len((header.name + (header.value or "")).encode("utf-8", "surrogatepass")) for header in headers)
    if size > MAX_HEADERS_BYTES:
        yield Problem(("headers",), f"takes {size:,} bytes; at most {MAX_HEADERS_BYTES:,} are accepted")
        return
    seen: set[str] = set()
    for place, header in enumerate(headers):
        name, value = header.name, header.value
        at = ("headers", str(place))
        key = name.lower()
        if not TOKEN.fullmatch(name):
            yield Problem(
                (*at, "name"),
                f"{name[:100]!r} is not a header name; header names consist of letters, digits and !#$%&'*+-.^_`|~",
            )
        elif key in REFUSED_HEADERS:
            yield Problem((*at, "name"), f"{name} cannot be set: it {REFUSED_HEADERS[key]}")
        elif key in seen:
            yield Problem((*at, "name"), f"{name} is given twice; give it once, with its values joined by commas")
        seen.add(key)
        if value is None and header.kept is None:
            yield Problem((*at, "value"), NO_VALUE)
        elif value is not None and header.is_secret and not secrets.present:
            yield Problem((*at, "value"), f"is a secret, and there is no key to encrypt it with; {HOW_TO_KEEP_SECRETS}")
        elif value is None:
            continue
        elif CONTROL.search(value) or not is_postgres_text(value):
            yield Problem((*at, "value"), "contains a line break or another control character")


def signing_problems(draft: ActionDraft, *, secrets: SecretKeys) -> Iterator[Problem]:
    """Yield what is wrong with signing: a secret's form, a missing key, or a header that a signature needs."""
    if draft.signing_secrets is not None:
        yield from signatures.problems_of(draft.signing_secrets)
    if draft.signing_secrets and not secrets.present:
        message = f"has secrets, and there is no key to encrypt them with; {HOW_TO_KEEP_SECRETS}"
        yield Problem(("signingSecrets",), message)
    signed = draft.kept_signing_secrets if draft.signing_secrets is None else draft.signing_secrets
    for place, header in enumerate(draft.headers[:MAX_HEADERS]):
        if signed and header.name.lower() in signatures.HEADERS:
            yield Problem(
                ("headers", str(place), "name"), f"{header.name} cannot be set: it is made from signingSecrets"
            )


def success_problems(written: Sequence[str]) -> Iterator[Problem]:
    """Yield what is wrong with the statuses that are a success."""
    if not written:
        yield Problem(("successStatuses",), "is empty, so no response could be a success; leave it out for 2xx")
    yield from status_problems(written, "successStatuses")


def range_problems(draft: ActionDraft) -> Iterator[Problem]:
    """Yield which numbers are out of bounds."""
    if not 1 <= draft.timeout_ms <= MAX_TIMEOUT_MS:
        yield Problem(("timeoutMs",), f"must be from 1 to {MAX_TIMEOUT_MS:,}, not {draft.timeout_ms:,}")
    if not 0 <= draft.redirects <= MAX_REDIRECTS:
        yield Problem(("redirects",), f"must be from 0 to {MAX_REDIRECTS}, not {draft.redirects:,}")
