"""Fixtures of the tests in a browser, which is no part of the process that serves the pages."""

import asyncio
import json
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from db.settings import DatabaseSettings
from db.states import KeyScope
from jobs.settings import JobsSettings
from tests.support import keys
from tests.support.engine import working
from tests.support.graphql import Api, serving
from tests.support.node import NODE

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
"""The first one draws no windows of its own, so it takes less CPU time for the same pages."""
VISITS = Path(__file__).parent / "visits.ts"


class Browser:
    """A running Chromium, in which each visit has its own context."""

    def __init__(self, commands: IO[str], answers: IO[str]) -> None:
        self._commands = commands
        self._answers = answers

    async def visit(self, script: str, *arguments: Any) -> Any:
        """Run a script of this folder, and return its result. Fail with its error."""
        answer = json.loads(await asyncio.to_thread(self._ask, json.dumps([script, *arguments])))
        assert "error" not in answer, f"{script}: {answer['error']}"
        return answer["result"]

    def _ask(self, line: str) -> str:
        self._commands.write(f"{line}\n")
        self._commands.flush()
        return self._answers.readline()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Run Chromium for the whole session. CI installs it; elsewhere these tests are skipped with a reason."""
    chromium = next(filter(None, map(shutil.which, NAMES)), None)
    if chromium is None:
        pytest.skip("there is no Chromium here (on Debian: apt-get install chromium-headless-shell)")
    command: list[str | Path] = [NODE, VISITS, chromium]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield Browser(process.stdin, process.stdout)


@pytest.fixture
async def service(database: DatabaseSettings, jobs_settings: JobsSettings) -> AsyncIterator[Api]:
    """Yield a running API with a worker."""
    async with serving(database, jobs_settings) as api, working(database, jobs_settings):
        yield api


@pytest.fixture
async def guarded(database: DatabaseSettings, jobs_settings: JobsSettings) -> AsyncIterator[tuple[Api, str]]:
    """Yield a running API with a worker that requires keys, and a key of the scope write."""
    async with keys.guarded(database, jobs_settings) as api, working(database, jobs_settings):
        yield api, await keys.make_key(api.engine, "me", scope=KeyScope.WRITE)
