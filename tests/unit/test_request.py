"""What a task may call, as far as the request's form is concerned."""

import pytest

from jobs.http.request import ActionDraft, HeaderDraft, check
from jobs.security.encryption import SecretKeys

KEYS = SecretKeys([bytes(32)])
URL = "http://target.example/"


def problem(header: HeaderDraft) -> str:
    """The one thing that is wrong with a request of that header; nothing for one that is right."""
    _, problems = check(ActionDraft(url=URL, headers=[header]), secrets=KEYS)
    assert len(problems) <= 1
    return "".join(map(str, problems))


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("Host", "is made from the URL"),
        ("Content-Length", "is made from the payload"),
        ("Transfer-Encoding", "is made from the payload"),
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
def test_headers_of_the_connection_are_refused(name: str, why: str) -> None:
    """In any case of their letters, and with the reason."""
    for spelled in (name, name.lower(), name.upper()):
        assert f"{spelled} cannot be set: it {why}" in problem(HeaderDraft(spelled, "x"))


@pytest.mark.parametrize(
    "name", ["", " ", "a b", "a:", ":a", "a\r\nb", "a\n", "\x00", "ä", "a\t", "(a)", "a/b", " Host", "Host "]
)
def test_what_is_no_header_name_is_refused(name: str) -> None:
    """A name that another program reads otherwise would let a second request through."""
    assert "is no header name" in problem(HeaderDraft(name, "x"))


@pytest.mark.parametrize("value", ["a\r\nb: c", "a\nb", "a\rb", "a\x00b", "\r\n", "\x7f", "\x1b[0m", "\ud800"])
@pytest.mark.parametrize("secret", [False, True])
def test_values_that_would_break_out_are_refused(value: str, *, secret: bool) -> None:
    """Secrets likewise, which are not repeated."""
    assert "holds a line break or another control character" in problem(HeaderDraft("X-A", value, secret=secret))


@pytest.mark.parametrize("name", ["Authorization", "cookie", "PROXY-AUTHORIZATION", "x-Api-Key"])
def test_headers_that_are_secrets_by_their_names(name: str) -> None:
    """They are sealed without being asked for; an empty one too."""
    for value in ("s3cret", ""):
        columns, problems = check(ActionDraft(url=URL, headers=[HeaderDraft(name, value)]), secrets=KEYS)
        assert not problems
        assert list(columns["headers"][name]) == ["sealed"]


@pytest.mark.parametrize("url", ["http://[v1.a]/", "http://[127.0.0.1]/", "http://[localhost]/", "http://[]/"])
def test_brackets_hold_an_ipv6_address(url: str) -> None:
    """Nothing else could be called."""
    _, problems = check(ActionDraft(url=url), secrets=KEYS)
    assert len(problems) == 1
