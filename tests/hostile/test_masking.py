"""A target repeats a secret header in every place and form that it finds; nothing of it is stored or logged."""

import asyncio
import base64
import gzip
import html
import json
import logging
import os
import re
from collections.abc import Callable, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from db.models import Task
from db.settings import DatabaseSettings
from jobs.http.request import origin_of
from jobs.http.response_body import KEPT_BYTES
from jobs.security.secret_headers import seal
from jobs.settings import JobsSettings
from tests.support.dump import dump
from tests.support.engine import one_off, opened, runs_of, save, soon, working
from tests.support.logs import log_text
from tests.support.raw_target import Request, raw_target
from tests.support.waiting import wait_until

FILLING = re.compile("x{20,}")
BASE64 = re.compile("[A-Za-z0-9+/]{8,}={0,2}")
PART = 8
"""A part of a secret with this many characters must not be found."""
SECRETS = {
    "token": ("Authorization", "Bearer {}", "Zx9-Kq3Lm8Wv-Rt5Yp2Nc7Bd"),
    "escaped": ("X-Api-Key", "{}", "p\"q\\r/s+t ü%41 &<Tail>'9fQz7Kd"),
    "cookie": ("Cookie", "theme=dark; session={}; lang=en", "QmFzZTY0-c29tZXRoaW5n"),
    "long": ("X-Long", "{}", "".join(f"{number:03x}" for number in range(0x100, 0x200))),
}
OK = "HTTP/1.1 200 OK\r\n"
CHUNKED = f"{OK}Transfer-Encoding: chunked\r\n\r\n"


def body(text: str) -> str:
    """Return a response with a body, which ends with the connection."""
    return f"{OK}Content-Type: text/plain\r\n\r\n{text}"


def redirect(location: str) -> str:
    """Return a redirect."""
    return f"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: {location}\r\n\r\n"


def every_character(text: str, form: str) -> str:
    """Return the text with every byte in an escaped form."""
    return "".join(form.format(byte) for byte in text.encode())


def aligned(text: str, before: int) -> str:
    """Return Base64 in which the text begins at some byte."""
    return base64.b64encode(b"user:"[:before] + text.encode() + b":end").decode()


WAYS: dict[str, Callable[[str], str | bytes]] = {
    "status line": lambda s: f"HTTP/1.1 {s}\r\n\r\n",
    "status code": lambda s: f"HTTP/1.1 2{s} OK\r\n\r\n",
    "version": lambda s: f"HTTP/1.{s} 200 OK\r\n\r\n",
    "no HTTP": lambda s: f"{s}\r\n\r\n",
    "reason": lambda s: f"HTTP/1.1 500 {s}\r\nContent-Length: 0\r\n\r\n",
    "invalid header name": lambda s: f"{OK}{s} x: y\r\n\r\n",
    "header without a colon": lambda s: f"{OK}{s}\r\n\r\n",
    "header with a NUL": lambda s: f"{OK}X: {s}\0{s}\r\n\r\n",
    "header name": lambda s: f"{OK}X-{s}: 1\r\nContent-Length: 0\r\n\r\n",
    "header name alone": lambda s: f"{OK}{s.upper()}: 1\r\nContent-Length: 0\r\n\r\n",
    "header value": lambda s: f"{OK}X-Echo: got {s}.\r\nContent-Length: 0\r\n\r\n",
    "header value in lower case": lambda s: f"{OK}X-Echo: {s.lower()}\r\nContent-Length: 0\r\n\r\n",
    "header value, escaped": lambda s: f"{OK}X-Echo: {quote(s)}\r\nContent-Length: 0\r\n\r\n",
    "interim header": lambda s: f"HTTP/1.1 103 Hints\r\nX-Echo: {s}\r\n\r\n{OK}Content-Length: 0\r\n\r\n",
    "Content-Length": lambda s: f"{OK}Content-Length: {s}\r\n\r\n",
    "two lengths": lambda s: f"{OK}Content-Length: 1\r\nContent-Length: 1{s}\r\n\r\n",
    "Transfer-Encoding": lambda s: f"{OK}Transfer-Encoding: {s}\r\n\r\n",
    "chunk size": lambda s: f"{CHUNKED}{s}\r\n",
    "later chunk size": lambda s: f"{CHUNKED}1\r\nx\r\n{s}\r\n",
    "chunk without an end": lambda s: f"{CHUNKED}1\r\nx{s}\r\n",
    "trailer": lambda s: f"{CHUNKED}0\r\n{s} x\r\n\r\n",
    "incomplete head": lambda s: f"{OK}X-Echo: {s}\r\nX-Next: {s}",
    "incomplete body": lambda s: f"{OK}Content-Length: 5000\r\n\r\n{s}",
    "long header": lambda s: f"{OK}X: {s * (9000 // len(s))}\r\n\r\n",
    "long header name": lambda s: f"{OK}{s * (9000 // len(s))}: x\r\n\r\n",
    "long status": lambda s: f"HTTP/1.1 200 {s * (9000 // len(s))}\r\n\r\n",
    "long chunk size": lambda s: f"{CHUNKED}{s * (9000 // len(s))}",
    "too many headers": lambda s: f"{OK}{''.join(f'X{number}: {s}' for number in range(200))}\r\n\r\n",
    "not gzip": lambda s: f"{OK}Content-Encoding: gzip\r\nContent-Length: {len(s.encode())}\r\n\r\n{s}",
    "behind the response": lambda s: f"{OK}Content-Length: 0\r\n\r\n{s}",
    "unknown host": lambda s: redirect(f"http://{s}.unknown/"),
    "unknown host, escaped": lambda s: redirect(f"http://{quote(s)}.unknown/"),
    "blocked host": lambda s: redirect(f"http://{s}.blocked/"),
    "blocked host in upper case": lambda s: redirect(f"https://{s.upper()}.blocked/"),
    "invalid port": lambda s: redirect(f"http://a.unknown:{s}/"),
    "invalid address": lambda s: redirect(f"http://[{s}]/"),
    "invalid scheme": lambda s: redirect(f"{s}://a.unknown/"),
    "path of an unknown host": lambda s: redirect(f"http://a.unknown/{s}"),
    "user of a URL": lambda s: redirect(f"http://{s}@a.unknown/"),
    "long host": lambda s: redirect(f"http://{'a' * 60}.{'a' * 60}.{s}.{s * 3}.unknown/"),
    "body": lambda s: body(f"you sent {s}, and {s}."),
    "body in upper case": lambda s: body(s.upper()),
    "body in lower case": lambda s: body(s.lower()),
    "body, percent-encoded": lambda s: body(f"key={quote(s, safe='')}&b={quote(s).lower()}&c={quote_plus(s)}"),
    "body, every byte percent-encoded": lambda s: body(every_character(s, "%{:02x}")),
    "body, one byte percent-encoded": lambda s: body(f"{s[:5]}%{ord(s[5]):02X}{s[6:]}"),
    "body, JSON": lambda s: body(json.dumps({"sent": s})),
    "body, JSON with slashes escaped": lambda s: body(json.dumps(s, ensure_ascii=False).replace("/", "\\/")),
    "body, every character escaped": lambda s: body("".join(f"\\u{ord(character):04X}" for character in s)),
    "body, JSON within JSON": lambda s: body(json.dumps(json.dumps({"sent": s}))),
    "body, repr": lambda s: body(repr(s)),
    "body, repr of bytes": lambda s: body(repr(s.encode())),
    "body, every byte in repr": lambda s: body(every_character(s, "\\x{:02x}")),
    "body, HTML": lambda s: body(html.escape(s)),
    "body, HTML by numbers": lambda s: body("".join(f"&#{ord(character)};" for character in s)),
    "body, Base64": lambda s: body(base64.b64encode(s.encode()).decode()),
    "body, Base64 within more": lambda s: body(" ".join(aligned(s, before) for before in range(4))),
    "body, Base64 for URLs": lambda s: body(base64.urlsafe_b64encode(s.encode()).decode()),
    "body, read as Latin-1": lambda s: body(s.encode().decode("latin-1")),
    "body, binary": lambda s: f"{OK}Content-Type: a/b\r\n\r\n".encode() + b"\xff\xfe" + s.encode() + b"\xff",
    "body, gzip": lambda s: f"{OK}Content-Encoding: gzip\r\n\r\n".encode() + gzip.compress(s.encode()),
}
FORMS: dict[str, Callable[[str], str]] = {
    "it": str,
    "it in upper case": str.upper,
    "it, escaped": lambda s: every_character(s, "\\x{:02x}"),
    "Base64": lambda s: base64.b64encode(s.encode()).decode(),
}


def cut(form: Callable[[str], str], kept: int, secret: str) -> str:
    """Return a response with a body that is cut within a form of the secret."""
    return body("x" * (KEPT_BYTES - kept) + form(secret) + "x" * 100)


for kept, form in product((9, 11, 12, 13, 14, 20, 41, 42), FORMS):
    WAYS[f"body cut after {kept} bytes of {form}"] = partial(cut, FORMS[form], kept)


def parts(text: str) -> set[str]:
    """Return all parts of a text that have the length of a forbidden one, in lower case."""
    return {text[at : at + PART].lower() for at in range(len(text) - PART + 1)}


def forbidden_parts(secret: str) -> set[str]:
    """Return the parts of a secret that must not be found, in plain and in Base64."""
    # The beginning and the end of Base64 depend on what stands around the secret.
    return parts(secret).union(*(parts(aligned(secret, before)[8:-12]) for before in range(3)))


def decoded(stored: str) -> str:
    """Return what was stored, and what each escape and each Base64 in it stands for."""
    stored = FILLING.sub("x", stored)
    seen = [
        stored,
        *(base64.b64decode(each).decode("latin-1") for each in BASE64.findall(stored) if len(each) % 4 == 0),
    ]
    for _ in range(3):
        seen.append(html.unescape(re.sub(r"(?:\\+x|%)([0-9a-fA-F]{2})|\\+u([0-9a-fA-F]{4})", character, seen[-1])))
    return "\n".join([*seen, *(each.replace("\\", "") for each in seen)])


def character(escape: re.Match[str]) -> str:
    """Return the character for which an escape stands."""
    return chr(int(escape[1] or escape[2], 16))


async def lookup(host: str, _: int) -> Sequence[str]:
    """Return an address that tasks may not call for names below `blocked`; other names have none."""
    if host.endswith(".blocked"):
        return ["10.0.0.1"]
    raise OSError(f"{host} is unknown")


def execution_log(folder: Path) -> str:
    """Return what workers wrote to the execution log."""
    return "".join(path.read_text() for path in folder.iterdir())


@pytest.mark.parametrize("kind", SECRETS)
async def test_nothing_of_a_secret_is_kept(
    database: DatabaseSettings,
    jobs_settings: JobsSettings,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    kind: str,
) -> None:
    """Runs, attempts, events, Redis, the service's log and the execution log contain no part of the secret."""
    caplog.set_level(logging.DEBUG)
    name, value, secret = SECRETS[kind]
    ways = list(WAYS)
    settings = jobs_settings.model_copy(
        update={"secret_key": base64.b64encode(os.urandom(32)).decode(), "log_dir": tmp_path}
    )

    async def respond(request: Request, writer: asyncio.StreamWriter) -> None:
        assert request.headers[name.lower()].encode("latin-1").decode() == value.format(secret)
        # Some redirects lead back to the target.
        response = WAYS[ways[int(request.path[1:])]](secret) if request.path[1:].isdigit() else body("")
        writer.write(response if isinstance(response, bytes) else response.encode())
        writer.close()

    async with raw_target(respond) as target, opened(database) as engine:
        sealed = seal(value.format(secret), name=name, origin=origin_of(target.url), keys=settings.secrets)

        def task(number: int) -> Task:
            url = f"{target.url}{number}"
            return one_off(url, soon(), headers={name: sealed}, header_order=[name], redirects=3, max_attempts=1)

        tasks = dict(zip(WAYS, map(task, range(len(WAYS))), strict=True))
        async with working(database, settings, lookup=lookup):
            await save(engine, *tasks.values())
            for each in tasks.values():
                await wait_until(lambda: runs_of(engine, each.id, at_least=1), what="the run has ended")  # noqa: B023
            stored = await dump(engine, settings.redis)
    logs = log_text(caplog) + execution_log(tmp_path)
    assert {f"/{number}" for number in range(len(ways))} <= {request.path for request in target.requests}
    assert all(str(task.id) in logs for task in tasks.values())

    forbidden = forbidden_parts(secret)
    found = {}
    lines = f"{stored}\n{logs}".split("\n")
    for way, each in tasks.items():
        found[way] = forbidden & parts(decoded("\n".join(line for line in lines if str(each.id) in line)))
    assert {way: left for way, left in found.items() if left} == {}
    assert forbidden & parts(decoded("\n".join(lines))) == set()
