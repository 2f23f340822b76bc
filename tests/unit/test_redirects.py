"""The request that follows a redirect."""

import pytest

from jobs.http.redirects import BadRedirect, redirected
from jobs.http.request import PreparedRequest

HEADERS = {
    name.lower(): (name, "v")
    for name in ("Authorization", "Cookie", "X-Api-Key", "X-Token", "Accept", "Content-Type", "Idempotency-Key")
}
SAFE = ["accept", "content-type", "idempotency-key"]


def call(method: str = "POST", url: str = "https://a.example/dir/page?q=1") -> PreparedRequest:
    """Return a request with a body and credentials."""
    return PreparedRequest(method, url, HEADERS, b"{}")


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("/other", "https://a.example/other"),
        ("other", "https://a.example/dir/other"),
        ("?q=2", "https://a.example/dir/page?q=2"),
        ("//b.example/x", "https://b.example/x"),
        ("https://b.example:8443/x#part", "https://b.example:8443/x"),
        ("/a b", "https://a.example/a%20b"),
        ("/grün", "https://a.example/gr%C3%BCn"),
        ("", "https://a.example/dir/page?q=1"),
    ],
)
def test_a_location_is_resolved_against_the_request(location: str, url: str) -> None:
    """As RFC 3986, section 5.2, defines."""
    assert redirected(call(), status=307, locations=[location]).url == url


@pytest.mark.parametrize(
    ("status", "method", "becomes"),
    [
        (301, "POST", "GET"),
        (302, "POST", "GET"),
        (303, "POST", "GET"),
        (303, "PUT", "GET"),
        (303, "HEAD", "HEAD"),
        (301, "PUT", "PUT"),
        (302, "DELETE", "DELETE"),
        (307, "POST", "POST"),
        (308, "POST", "POST"),
    ],
)
def test_the_method_follows_the_status(status: int, method: str, becomes: str) -> None:
    """A request that becomes a GET loses its body and the headers that describe it."""
    after = redirected(call(method), status=status, locations=["/"])
    assert after.method == becomes
    changed = method != becomes
    assert after.content == (b"" if changed else b"{}")
    assert ("content-type" in after.headers) != changed


@pytest.mark.parametrize("location", ["/", "https://a.example:443/", "https://A.example/x"])
def test_credentials_are_kept_within_an_origin(location: str) -> None:
    """The origin is scheme, host and port, with default ports and the case of the host normalized."""
    assert redirected(call(), status=307, locations=[location]).headers == HEADERS


@pytest.mark.parametrize(
    "location",
    ["https://b.example/", "http://a.example/", "https://a.example:8443/", "//a.example.b/", "https://www.a.example/"],
)
def test_credentials_are_dropped_at_another_origin(location: str) -> None:
    """Every header that may be a credential is dropped, and a redirect back does not restore it."""
    after = redirected(call(), status=307, locations=[location])
    assert sorted(after.headers) == SAFE
    assert sorted(redirected(after, status=307, locations=["https://a.example/"]).headers) == SAFE


@pytest.mark.parametrize(
    "location",
    [
        *("file:///etc/passwd", "gopher://a.example/", "javascript:alert(1)", "ftp://a.example/", "http:///x"),
        *("https://user:password@a.example/", "http://a.example:0/", "http://a.example:99999/", "http://[::1"),
        "http://a%00b/",
    ],
)
def test_redirects_to_invalid_urls_are_refused(location: str) -> None:
    """The same URLs are refused when a task is saved."""
    with pytest.raises(BadRedirect, match=r"^the response redirects to a URL that "):
        redirected(call(), status=302, locations=[location])


def test_a_secret_header_is_dropped_at_another_origin_whatever_its_name() -> None:
    """User-Agent follows a redirect, unless the task stores its value as a secret."""
    first = call()._replace(headers={"user-agent": ("User-Agent", "v")})
    hidden = first._replace(secret={"user-agent"})
    away = "https://b.example/"
    assert set(redirected(first, status=307, locations=[away]).headers) == {"user-agent"}
    assert set(redirected(hidden, status=307, locations=[away]).headers) == set()
    assert set(redirected(hidden, status=307, locations=["/x"]).headers) == {"user-agent"}
