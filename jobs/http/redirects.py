"""The next request after a redirect. Pure: the caller checks the new target."""

from yarl import URL

from jobs.http.request import PreparedRequest, parse_url
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


def redirected(call: PreparedRequest, *, status: int, location: str) -> PreparedRequest:
    """Return the request that follows, by RFC 9110, section 15.4. Raises `BadRedirect`."""
    source = URL(call.url)
    target = target_of(source, location)
    method, content, headers = call.method, call.content, dict(call.headers)
    becomes_get = (status == 303 and method != "HEAD") or (status in (301, 302) and method == "POST")
    if becomes_get and (method, content) != ("GET", b""):
        method, content = "GET", b""
        headers = {name: sent for name, sent in headers.items() if name not in OF_THE_BODY}
    if (target.scheme, target.raw_host, target.port) != (source.scheme, source.raw_host, source.port):
        kept = KEPT_ACROSS_ORIGINS.difference(call.secret)
        headers = {name: sent for name, sent in headers.items() if name in kept}
    return PreparedRequest(method, str(target), headers, content, call.secret)


def target_of(source: URL, location: str) -> URL:
    """Return the URL to which a location leads. Raises `BadRedirect`, whose text quotes nothing of the location."""
    try:
        target = source.join(URL(location)).with_fragment(None)
    except ValueError as error:
        raise BadRedirect("the response redirects to a URL that cannot be read as a URL") from error
    try:
        parse_url(str(target))
    except ValueError as error:
        # A library's reason stands behind the colon.
        problem = str(error) if error.__cause__ is None else str(error).partition(": ")[0]
        raise BadRedirect(f"the response redirects to a URL that {problem}") from error
    return target
