"""The next request after a redirect. Pure: the caller checks the new target."""

from collections.abc import Sequence
from typing import NamedTuple

from yarl import URL

from jobs.http.request import DEFAULT_PORTS, PreparedRequest, parse_url
from jobs.http.urls import Parts, in_ascii, resolved
from jobs.security.signatures import HEADERS

REDIRECTS = frozenset({301, 302, 303, 307, 308})
BODY_HEADERS = frozenset({"content-type", "content-encoding", "content-language", "content-location"})
OF_THE_BODY = (
    BODY_HEADERS
    | frozenset(HEADERS)
    | {"content-md5", "digest", "content-digest", "repr-digest", "signature", "signature-input"}
)
"""Headers that are wrong for a request without the body: what describes it, its digests, and its signatures."""
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
"""Any other header may be a credential, whatever its name, and is only for the task's own origin."""


class BadRedirect(ValueError):
    """The redirect leads to a URL that cannot be called."""


class Hop(NamedTuple):
    """A redirect that was followed: its status, the URL to which it led, and the method of the request there."""

    status: int
    url: str
    method: str


def redirected(call: PreparedRequest, *, status: int, locations: Sequence[str]) -> PreparedRequest:
    """Return the request that follows, by RFC 9110, section 15.4. Raises `BadRedirect`."""
    if len(set(locations)) > 1:
        raise BadRedirect(f"the response has {len(locations)} Location headers, so its target is ambiguous")
    url = target_of(call.url, locations[0])
    source, target = URL(call.url), URL(url)
    method, content, headers = call.method, call.content, dict(call.headers)
    becomes_get = (status == 303 and method != "HEAD") or (status in (301, 302) and method == "POST")
    if becomes_get and (method, content) != ("GET", b""):
        method, content = "GET", b""
        headers = {name: sent for name, sent in headers.items() if name not in OF_THE_BODY}
    if (target.scheme, target.raw_host, target.port) != (source.scheme, source.raw_host, source.port):
        kept = KEPT_ACROSS_ORIGINS.difference(call.secret)
        headers = {name: sent for name, sent in headers.items() if name in kept}
    return PreparedRequest(method, url, headers, content, call.secret)


def target_of(source: str, location: str) -> str:
    """Return the URL to which a location leads. Raises `BadRedirect`, whose text quotes nothing of the location.

    The text has its bytes beyond ASCII as the handler `surrogateescape` decodes them.
    """
    try:
        target = in_ascii(resolved(source, location))
    except ValueError as error:
        raise BadRedirect("the response redirects to a URL with a host that is not a DNS name") from error
    if (Parts.of(target).scheme or "").lower() not in DEFAULT_PORTS:
        raise BadRedirect("the response redirects to a URL that does not begin with http:// or https://")
    try:
        parse_url(target)
    except ValueError as error:
        # A library's reason stands behind the colon.
        problem = str(error) if error.__cause__ is None else str(error).partition(": ")[0].removesuffix(" as a URL")
        raise BadRedirect(f"the response redirects to a URL that {problem}") from error
    return target
