"""What is asked for next when a target sends a call elsewhere. Pure: whoever makes the call checks where it goes."""

from collections.abc import Collection, Mapping
from typing import NamedTuple

from yarl import URL

from jobs.http.request import read_url

REDIRECTS = frozenset({301, 302, 303, 307, 308})
BODY_HEADERS = frozenset({"content-type", "content-encoding", "content-language", "content-location"})
KEPT_ACROSS_ORIGINS = BODY_HEADERS | {
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "cache-control",
    "user-agent",
    "idempotency-key",
    "x-duetime-attempt",
    "x-duetime-scheduled-for",
}
"""Everything else may be a credential, whatever it is called, and is for the task's own origin alone."""


class BadRedirect(ValueError):
    """The target sends the call to where none can go."""


class PreparedRequest(NamedTuple):
    """One request of an attempt. `headers` by lower-case name, each with its name as it is sent, and its value.

    `secret` are the lower-case names of those that the task keeps as secrets.
    """

    method: str
    url: str
    headers: Mapping[str, tuple[str, str]]
    content: bytes
    secret: Collection[str] = ()


def redirected(call: PreparedRequest, *, status: int, location: str) -> PreparedRequest:
    """The request that follows, by RFC 9110, 15.4. Raises `BadRedirect`."""
    try:
        source = URL(call.url)
        target = source.join(URL(location)).with_fragment(None)
        read_url(str(target))
    except ValueError as error:
        raise BadRedirect(f"the answer redirects to a URL that {error}") from error
    method, content, headers = call.method, call.content, dict(call.headers)
    if (status == 303 and method != "HEAD") or (status in (301, 302) and method == "POST"):
        method, content = "GET", b""
        headers = {name: sent for name, sent in headers.items() if name not in BODY_HEADERS}
    if (target.scheme, target.raw_host, target.port) != (source.scheme, source.raw_host, source.port):
        kept = KEPT_ACROSS_ORIGINS.difference(call.secret)
        headers = {name: sent for name, sent in headers.items() if name in kept}
    return PreparedRequest(method, str(target), headers, content, call.secret)
