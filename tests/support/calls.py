"""Calls of a worker to a raw target, and what a target can send without being asked."""

from datetime import timedelta

from jobs.clock import Clock
from jobs.http.body import NO_CONTENT, Content
from jobs.http.client import HttpCaller, Response
from jobs.http.request import Action
from jobs.http.targets import EgressPolicy, parse_rules
from jobs.settings import LOOPBACK
from tests.support.raw_target import RawTarget

STRAY = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Stray: yes\r\n\r\nstray"
UNASKED = {
    "a response": STRAY,
    "a timeout": b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 5\r\n\r\nstray",
    "an interim response": b"HTTP/1.1 103 Early Hints\r\nLink: </stray>\r\n\r\n",
    "the beginning of a response": b"HTTP/1.1 200 OK\r\nContent-Len",
    "a line break": b"\r\n",
    "bytes that are not HTTP": b"\x15\x03stray",
}
ENOUGH = timedelta(seconds=20)


def local_caller() -> HttpCaller:
    """Return the connections of a worker that may call this machine."""
    return HttpCaller(clock=Clock(), policy=EgressPolicy(allowed=parse_rules(LOOPBACK)))


async def call(
    caller: HttpCaller, target: RawTarget, key: str, *, payload: str | None = None, method: str | None = None
) -> Response:
    """Call the target and return the response."""
    action = Action(
        method=method or ("GET" if payload is None else "POST"),
        url=target.url,
        headers={},
        content=NO_CONTENT if payload is None else Content(payload.encode(), "application/json"),
        timeout=ENOUGH,
        redirects=0,
    )
    return await caller.call(action, headers={"Idempotency-Key": key})


def is_answer_to(response: Response, key: str) -> bool:
    """Return whether this is the response to the call with that key."""
    return (response.status_code, response.body, response.error) == (200, f"answer to {key}", None)
