"""The program that runs apprise, and the guard of targets within it, in this process."""

import asyncio
import io
import json
import socket
import sys
from typing import Any

import pytest

from jobs.http.targets import EgressPolicy, parse_rules
from jobs.notifications import apprise_program
from jobs.notifications.apprise_program import HERE, UNREADABLE, Guard
from jobs.settings import LOOPBACK
from tests.support.target import CannedResponse, Target

# Modules of apprise import what later versions of Python no longer have.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

MESSAGE = {"title": "A task failed", "body": "with 500"}


def answer_to(monkeypatch: pytest.MonkeyPatch, **asked: Any) -> tuple[dict[str, Any], list[Guard]]:
    """Return what the program answers to a request, and the audit hook that it installed.

    Python never takes a hook away, so here it is called for what the program connects to, and for nothing later.
    """
    hooks: list[Guard] = []
    connect = socket.socket.connect

    def guarded_connect(own: socket.socket, address: Any) -> None:
        for hook in hooks:
            hook("socket.connect", (own, address))
        connect(own, address)

    output = io.StringIO()
    with monkeypatch.context() as patched:
        patched.setattr(sys, "addaudithook", hooks.append)
        patched.setattr(socket, "getaddrinfo", socket.getaddrinfo)
        patched.setattr(socket.socket, "connect", guarded_connect)
        patched.setattr(sys, "stdin", io.StringIO(json.dumps({"allowed": LOOPBACK, "denied": "", **asked})))
        patched.setattr(sys, "stdout", output)
        apprise_program.main()
    return json.loads(output.getvalue()), hooks


@pytest.mark.parametrize(
    ("url", "error"), [("json://localhost", None), ("nonsense://x", UNREADABLE), ("syslog://", HERE)]
)
def test_urls(url: str, error: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A URL is judged without any connection."""
    answer, hooks = answer_to(monkeypatch, url=url)
    assert answer == ({} if error is None else {"error": error, "refused": True})
    assert hooks == []


async def test_a_message_is_sent(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    """It arrives at a target that is allowed. What a target answers is told, and what is not allowed is refused."""
    target.responds("/fails", CannedResponse(status=500))
    url = target.url.replace("http://127.0.0.1", "json://localhost")

    async def send(path: str, **changes: str) -> dict[str, Any]:
        asked = {"url": f"{url}{path}", **MESSAGE, **changes}
        answer, _ = await asyncio.to_thread(answer_to, monkeypatch, **asked)
        return answer

    assert await send("/works") == {}
    [call] = target.calls
    assert {"title": "A task failed", "message": "with 500"}.items() <= json.loads(call.body).items()
    failed = await send("/fails")
    assert failed.keys() == {"error"}
    assert "500" in failed["error"]
    refused = await send("/works", allowed="")
    assert refused["refused"]
    assert "localhost" in refused["error"]
    assert len(target.calls) == 2


def test_a_plugin_that_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever apprise raises is an answer."""

    class Broken:
        def notify(self, **_: object) -> bool:
            raise LookupError("no such thing")

    import apprise

    monkeypatch.setattr(apprise.Apprise, "instantiate", lambda *_, **__: Broken())
    answer, _ = answer_to(monkeypatch, url="json://localhost", **MESSAGE)
    assert answer == {"error": "LookupError: no such thing"}
    monkeypatch.setattr(Broken, "notify", lambda *_, **__: False)
    answer, _ = answer_to(monkeypatch, url="json://localhost", **MESSAGE)
    assert answer == {"error": "apprise gave no reason"}


@pytest.mark.parametrize(
    ("event", "arguments", "error"),
    [
        ("subprocess.Popen", ("sh",), "starting a program is not allowed"),
        ("socket.connect", (None, "/run/docker.sock"), "sockets of this machine are blocked here"),
        ("socket.connect", (None, ("10.0.0.1", 80)), "10.0.0.1:80"),
        ("socket.sendto", (None, ("not an address", 53)), "not an address:53"),
        ("socket.connect", (None, ("127.0.0.1", 80)), None),
        ("socket.sendmsg", (None, None), None),
        ("open", ("/etc/passwd",), None),
    ],
)
def test_the_guard(event: str, arguments: tuple[Any, ...], error: str | None) -> None:
    """It refuses what tasks may not call either, and programs; files and known connections are none of its business."""
    guard = Guard(EgressPolicy(allowed=parse_rules(LOOPBACK), denied=()))
    if error is None:
        guard(event, arguments)
        return
    with pytest.raises(PermissionError, match=error):
        guard(event, arguments)


def test_the_guard_remembers_names() -> None:
    """An address is judged by the names that led to it."""
    rules = parse_rules("localhost")
    guard = Guard(EgressPolicy(allowed=rules, denied=()))
    [(*_, address), *_] = guard.getaddrinfo(b"localhost", 80, socket.AF_INET, socket.SOCK_STREAM)
    guard("socket.connect", (None, address))
    assert guard.refused is None
    with pytest.raises(PermissionError):
        guard("socket.connect", (None, ("127.0.0.2", 80)))
    assert guard.refused is not None
