"""The commands of docs/operate.md, docs/notifications.md and docs/limits.md are run, and do what the pages show."""

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from db.settings import DatabaseSettings
from db.states import TaskStatus
from jobs.security.encryption import parse_keys
from jobs.settings import JobsSettings
from tests.commands.test_guide import transcripts
from tests.support.command import duetime_in_process, duetime_up
from tests.support.engine import one_off, save
from tests.support.graphql import Api, serving
from tests.support.history import ago, run_of
from tests.support.notifications import PATIENCE, sealing
from tests.support.ports import free_port
from tests.support.servers import data_folder
from tests.support.target import CannedResponse, Target

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
COMMAND = ".venv/bin/duetime"
PAUSED = UUID("302310c0-ef4e-4643-99a3-cd172a050c64")
"""The task of docs/notifications.md that has paused itself."""
FAR = re.compile(r"^\S+ +network .*\n(?: +→.*\n)?", re.MULTILINE)
"""How long Postgres takes to answer, which says more about the machine of the test."""


def shown(page: str) -> Iterator[tuple[str, str]]:
    """Yield each command of a page with its output."""
    for block in BLOCK.findall((DOCS / page).read_text("utf-8")):
        yield from transcripts(block)


def shape(value: Any) -> Any:
    """Return which members a response has. A list has those of its first item."""
    if isinstance(value, dict):
        return {name: each if name == "__typename" else shape(each) for name, each in value.items()}
    return [shape(each) for each in value[:1]] if isinstance(value, list) else None


@pytest.mark.parametrize(("page", "number"), [("notifications.md", 5), ("limits.md", 3)])
async def test_requests(
    page: str, number: int, database: DatabaseSettings, jobs_settings: JobsSettings, target: Target
) -> None:
    """Each request gets a response with the members that the page shows. Ids of one are used in the next."""
    target.responds("/hook", CannedResponse(status=204))
    host = target.url.removeprefix("http://")
    own: dict[str, str] = {}
    async with serving(database, sealing(jobs_settings)) as api:
        api.http.timeout = PATIENCE
        paused = one_off(target.url, ago(0), id=PAUSED, status=TaskStatus.PAUSED)
        paused.next_run = paused.due_at = None
        await save(api.engine, paused, run_of(paused, scheduled_for=ago(1)))
        seen = 0
        for command, output in shown(page):
            words = shlex.split(ID.sub(lambda found: own.get(found[0], found[0]), command))
            assert words[:2] == ["curl", "-s"], command
            assert words[2] == "http://127.0.0.1:8080/graphql"
            body = words[words.index("-d") + 1].replace("127.0.0.1:9000", host)
            headers = dict([words[words.index("-H") + 1].split(": ", 1)])
            answer = (await api.http.post("/graphql", content=body, headers=headers)).text
            assert shape(json.loads(answer)) == shape(json.loads(output)), command
            own.update(zip(ID.findall(output), ID.findall(answer), strict=False))
            seen += 1
        assert seen == number
        if page == "notifications.md":
            await the_fields_alone_are_mutations(api, page)


async def the_fields_alone_are_mutations(api: Api, page: str) -> None:
    """A page shows some mutations without the request around them."""
    blocks = BLOCK.findall((DOCS / page).read_text("utf-8"))
    fields = [block for block in blocks if re.match(r"create\w+\(", block)]
    for field in fields:
        [made] = (await api.data(f"mutation {{ {field} {{ __typename }} }}")).values()
        assert made == {"__typename": "Channel"}, field
    assert fields


def run(command: str, *, environment: Mapping[str, str], folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run a command of docs/operate.md in a folder."""
    words, given = shlex.split(command), dict(environment)
    while "=" in words[0]:
        name, _, value = words.pop(0).partition("=")
        given[name] = value
    assert words.pop(0) == COMMAND
    return duetime_in_process(*words, cwd=folder, environment=given)


def comparable(output: str) -> str:
    """Return an output without numbers."""
    return re.sub(r" +", " ", re.sub(r"\d[\d.:]*", "N", FAR.sub("", output))).strip()


@pytest.mark.timeout(300)
def test_the_commands_of_an_operator(data_dir: Path, tmp_path: Path) -> None:
    """Each prints what the page shows, and has the status that belongs to it."""
    seen = 0
    with duetime_up(data_dir) as up, data_folder() as restored:
        named = {"DUETIME_COMMAND_NAME": COMMAND}
        running = named | {"DUETIME_DATA_DIR": str(data_dir), "PORT": up.url.rpartition(":")[2]}
        for command, output in shown("operate.md"):
            is_elsewhere = "nothing runs on the data folder" in output
            result = run(
                command.replace("/srv/restored", str(restored)),
                environment=named | {"PORT": str(free_port())} if is_elsewhere else running,
                folder=tmp_path,
            )
            printed = result.stdout.replace(str(tmp_path), "/srv/duetime")
            assert comparable(printed) == comparable(output), result.stderr
            assert result.returncode == int("\nerror " in f"\n{output}"), result.stderr
            seen += 1
    assert seen == 4
    assert (tmp_path / "duetime.dump").exists()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_the_command_that_makes_a_secret_key() -> None:
    """Its output is a key."""
    [command] = {*re.findall(r"openssl rand -base64 \d+", (DOCS / "operate.md").read_text("utf-8"))}
    key = subprocess.run(shlex.split(command), capture_output=True, text=True, check=True).stdout
    parse_keys(key)
