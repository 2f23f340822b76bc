"""Runs the program for apprise with a time limit, and removes the URL, which is a secret, from its output."""

import asyncio
import json
import os
import re
import sys
from datetime import timedelta
from typing import Any, NamedTuple
from urllib.parse import unquote

from jobs.security.secret_headers import MASK

PROGRAM = "jobs.notifications.apprise_program"
WITHIN = timedelta(seconds=30)
KEPT_ERROR_CHARACTERS = 500
KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "PYTHONPATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "SYSTEMROOT", "VIRTUAL_ENV")
"""No proxies: behind one, the check would only see the proxy's address. No HOME: no .netrc."""
SECRET_PART = re.compile(r"[^/:@?&=#,;\s]{3,}")
PUBLIC_PARTS = frozenset({"http", "https", "mailto", "mailtos", "json", "jsons", "yes", "true", "false", "the"})


class Outcome(NamedTuple):
    """How an attempt ended: without an error, or with one, which another attempt may or may not overcome."""

    error: str | None = None
    is_final: bool = False


class AppriseService:
    """Sends messages to URLs of apprise. `allowed` and `denied` are the lists of targets, as the settings have them."""

    def __init__(self, *, allowed: str, denied: str, within: timedelta = WITHIN) -> None:
        self._targets = {"allowed": allowed, "denied": denied}
        self._within = within

    async def problem_of(self, url: str) -> str | None:
        """Return what is wrong with a URL, or None."""
        return (await self._ask(url)).error

    async def send(self, url: str, *, title: str, body: str) -> Outcome:
        """Send a message. Raises nothing but cancellation."""
        return await self._ask(url, title=title, body=body)

    async def _ask(self, url: str, **message: str) -> Outcome:
        asked = json.dumps({"url": url, **self._targets, **message})
        environment = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            PROGRAM,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=environment | {"HOME": os.devnull},
        )
        try:
            async with asyncio.timeout(self._within.total_seconds()):
                output, _ = await process.communicate(asked.encode())
        except TimeoutError:
            return Outcome(f"apprise did not finish within {self._within.total_seconds():g} s")
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return outcome_of(output, url=url)


def outcome_of(output: bytes, *, url: str) -> Outcome:
    """Return the program's answer, without the URL."""
    try:
        answered: dict[str, Any] = json.loads(output)
    except ValueError:
        return Outcome("apprise ended without an answer")
    error = answered.get("error")
    refused = bool(answered.get("refused"))
    if error is None:
        return Outcome()
    # The program's own findings name at most a host and a port, which the channel's owner has to know.
    text = str(error) if refused else masked(str(error), url=url)
    return Outcome(text[:KEPT_ERROR_CHARACTERS], refused)


def masked(text: str, *, url: str) -> str:
    """Return a text without any part of a URL."""
    found = {*SECRET_PART.findall(url), *SECRET_PART.findall(unquote(url)), url}
    for part in sorted({*found, *map(unquote, found)} - PUBLIC_PARTS, key=len, reverse=True):
        text = re.sub(re.escape(part), MASK, text, flags=re.IGNORECASE)
    return text
