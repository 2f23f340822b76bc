"""Python's gql, as docs/clients.md uses it."""

import asyncio
import sys
from pathlib import Path

from db.settings import DatabaseSettings
from jobs.settings import JobsSettings
from tests.support.engine import working
from tests.support.graphql import Api
from tests.support.keys import guarded, make_key
from tests.support.recipes import DOCUMENTED, FILES, OUTPUTS

PROGRAM = "watch.py"
WITHIN = 20


def write(api: Api, path: Path, *, http_key: str | None = None, key: str | None = None) -> None:
    """Write the program for an API, with keys for requests and for the WebSocket."""
    program = FILES[PROGRAM].replace(DOCUMENTED, f"127.0.0.1:{api.port}")
    if http_key:
        program = program.replace("headers=HEADERS", f'headers={{"Authorization": "Bearer {http_key}"}}')
    if key:
        program = program.replace("init_payload=HEADERS", f'init_payload={{"Authorization": "Bearer {key}"}}')
    path.write_text(program)


async def run(path: Path) -> tuple[str, str]:
    """Run the program and return what it printed, and its complaints."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    printed, complaints = await asyncio.wait_for(process.communicate(), WITHIN)
    return printed.decode(), complaints.decode()


async def test_a_run_is_watched(service: Api, tmp_path: Path) -> None:
    """The program prints what the page says."""
    write(service, tmp_path / PROGRAM)
    assert await run(tmp_path / PROGRAM) == (OUTPUTS[PROGRAM], "")


async def test_keys(database: DatabaseSettings, jobs_settings: JobsSettings, tmp_path: Path) -> None:
    """With a key the program works; with a wrong key in connection_init it ends at once and says so."""
    async with guarded(database, jobs_settings) as api, working(database, jobs_settings):
        right = await make_key(api.engine, "writer")
        for name, key in (("right.py", right), ("wrong.py", f"duetime_{'A' * 43}")):
            write(api, tmp_path / name, http_key=right, key=key)
        programs = (run(tmp_path / name) for name in ("right.py", "wrong.py"))
        succeeded, (printed, complaints) = await asyncio.gather(*programs)
    assert succeeded == (OUTPUTS[PROGRAM], "")
    assert printed == ""
    assert "4403" in complaints
    assert "The key is unknown, revoked or expired" in complaints
