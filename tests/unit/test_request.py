"""Validation of a task's HTTP request."""

import pytest

from jobs.http.request import ActionDraft, HeaderDraft, check
from jobs.security.encryption import SecretKeys

KEYS = SecretKeys([bytes(32)])
URL = "http://target.example/"


def problem(header: HeaderDraft) -> str:
    """Return the one problem of a request with that header, or an empty text."""
    _, problems = check(ActionDraft(url=URL, headers=[header]), secrets=KEYS)
    assert len(problems) <= 1
    return "".join(map(str, problems))


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("Host", "is made from the URL"),
        ("Content-Length", "is made from the body"),
        ("Transfer-Encoding", "is made from the body"),
        ("Expect", "is not supported"),
        *(
            (name, "concerns one connection only")
            for name in (
                *("Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Connection"),
                *("TE", "Trailer", "Trailers", "Upgrade"),
            )
        ),
    ],
)
def test_connection_headers_are_refused(name: str, why: str) -> None:
    """The check ignores case, and the problem gives the reason."""
    for spelled in (name, name.lower(), name.upper()):
        assert f"{spelled} cannot be set: it {why}" in problem(HeaderDraft(spelled, "x"))


@pytest.mark.parametrize(
    "name", ["", " ", "a b", "a:", ":a", "a\r\nb", "a\n", "\x00", "ä", "a\t", "(a)", "a/b", " Host", "Host "]
)
def test_invalid_header_names_are_refused(name: str) -> None:
    """A name that another program parses differently would allow request smuggling."""
    assert "is not a header name" in problem(HeaderDraft(name, "x"))


@pytest.mark.parametrize("value", ["a\r\nb: c", "a\nb", "a\rb", "a\x00b", "\r\n", "\x7f", "\x1b[0m", "\ud800"])
@pytest.mark.parametrize("secret", [False, True])
def test_header_values_with_control_characters_are_refused(value: str, *, secret: bool) -> None:
    """They would allow header injection. Secret values are checked as well, and not repeated in the problem."""
    assert "contains a line break or another control character" in problem(HeaderDraft("X-A", value, secret=secret))


@pytest.mark.parametrize("name", ["Authorization", "cookie", "PROXY-AUTHORIZATION", "x-Api-Key"])
def test_credential_headers_are_always_sealed(name: str) -> None:
    """Headers with these names are sealed even if the request does not mark them as secret, and so are empty values."""
    for value in ("s3cret", ""):
        columns, problems = check(ActionDraft(url=URL, headers=[HeaderDraft(name, value)]), secrets=KEYS)
        assert not problems
        assert list(columns["headers"][name]) == ["sealed"]


@pytest.mark.parametrize("url", ["http://[v1.a]/", "http://[127.0.0.1]/", "http://[localhost]/", "http://[]/"])
def test_brackets_must_contain_an_ipv6_address(url: str) -> None:
    """RFC 3986 also allows future address formats in brackets, which no client can call."""
    _, problems = check(ActionDraft(url=url), secrets=KEYS)
    assert len(problems) == 1
