"""The programs of docs/graphql.md run against a service, and print what the page says."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from db.settings import DatabaseSettings
from graphql_api import cursors
from graphql_api.settings import PREFIX, ApiSettings
from jobs.settings import JobsSettings
from tests.support.graphql import Api
from tests.support.history import append_events
from tests.support.keys import guarded
from tests.support.node import ENDS_WITHIN, TESTS, node, running_node
from tests.support.proxy import running_proxy

ROOT = TESTS.parent
PAGE = (ROOT / "docs" / "graphql.md").read_text("utf-8")
DOCUMENTED = "127.0.0.1:8080"
PROGRAMS: dict[str, tuple[str, str]] = {
    name: (program, said)
    for program, name, said in re.findall(r"```ts\n(// (\S+)\n.*?)```\n\n```text\n(.*?)```", PAGE, re.DOTALL)
}
WITHIN = 10


class Examples:
    """The page's programs in a folder with the packages that the page says to install."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        (folder / "node_modules").symlink_to(TESTS / "node_modules", target_is_directory=True)
        (folder / "package.json").write_text('{"type": "module"}')

    def program(self, name: str) -> Path:
        """Write a program of the page, for another port, and return its path."""
        path = self.folder / name
        path.write_text(PROGRAMS[name][0].replace(DOCUMENTED, f"127.0.0.1:{self.port}"))
        return path

    @asynccontextmanager
    async def lines(self, name: str) -> AsyncIterator[asyncio.StreamReader]:
        """Run a program that does not end, and return its output."""
        async with running_node(self.program(name)) as process:
            assert process.stdout is not None
            yield process.stdout


@pytest.fixture
def examples(api: Api, tmp_path: Path) -> Examples:
    """The page's programs, for the running API."""
    return Examples(tmp_path, api.port)


def alike(text: str) -> str:
    """Return the text without what differs from run to run."""
    return re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "(an instant)", re.sub(r'"cursor":"[^"]*"', '"cursor":"…"', text))


async def test_creating_and_paging(api: Api, examples: Examples) -> None:
    """A task is created, its next instant is printed, and it is listed; created again, it stays one task."""
    for name in ("create.ts", "create.ts", "page.ts"):
        assert alike(await node(examples.program(name))) == alike(PROGRAMS[name][1])
    assert (await api.data("{ tasks { totalCount } }"))["tasks"]["totalCount"] == 1


async def test_upserting(api: Api, examples: Examples) -> None:
    """A task is created, left as it is, and changed; run again, the program first takes the change back."""
    assert await node(examples.program("upsert.ts")) == PROGRAMS["upsert.ts"][1]
    outcomes = [json.loads(line)["outcome"] for line in (await node(examples.program("upsert.ts"))).splitlines()]
    assert outcomes == ["UPDATED", "UNCHANGED", "UPDATED"]
    assert (await api.data("{ tasks { totalCount } }"))["tasks"]["totalCount"] == 1


async def test_refusals_are_told_by_typename(examples: Examples) -> None:
    """The same program prints what is wrong with an input, and where."""
    program = examples.program("create.ts")
    program.write_text(program.read_text().replace("0 9 * * 1-5", "0 25 * * *"))
    output = await node(program)
    assert output.startswith("trigger.cron.expression: ")
    assert "25" in output


async def test_watching_goes_on_where_it_was_cut_off(api: Api, examples: Examples) -> None:
    """The program of the page sees each event once, in order, whatever happens to its connection."""
    async with running_proxy(examples.port) as proxy:
        examples.port = proxy.port
        async with examples.lines("watch.ts") as lines:
            first = await first_line(lines, api)
            assert alike(first) == alike(PROGRAMS["watch.ts"][1])
            seen = [number_of(first)]
            assert proxy.cut() > 0
            await append_events(api.engine, 30, task_id=uuid4(), run_id=uuid4())
            last = cursors.seq_of((await api.data("{ runEventsCursor }"))["runEventsCursor"])
            while seen[-1] < last:
                seen.append(number_of((await asyncio.wait_for(lines.readline(), WITHIN)).decode()))
    assert seen == list(range(seen[0], last + 1))


async def test_watching_ends_on_a_wrong_key(
    database: DatabaseSettings, jobs_settings: JobsSettings, tmp_path: Path
) -> None:
    """The program says why it ends, in place of trying a key again that will never be right."""
    async with guarded(database, jobs_settings) as api:
        program = Examples(tmp_path, int(api.url.rsplit(":", 1)[1])).program("watch.ts")
        async with running_node(program) as process:
            output, complaint = await asyncio.wait_for(process.communicate(), ENDS_WITHIN)
    assert (process.returncode, output) == (1, b"")
    assert complaint.decode() == "The subscription has ended: The key is unknown, revoked or expired\n"


async def test_streaming(api: Api, examples: Examples) -> None:
    """The program with server-sent events prints what the page says."""
    async with examples.lines("stream.ts") as lines:
        assert await first_line(lines, api) == PROGRAMS["stream.ts"][1]


async def test_document_of_the_limits_can_be_asked(api: Api) -> None:
    """The page's example of a cost is a valid query."""
    [document] = re.findall(r"```graphql\n(.*?)```", PAGE, re.DOTALL)
    assert (await api.data(document))["tasks"]["totalCount"] == 0


def test_limits_are_those_of_the_settings() -> None:
    """The table has every limit, with its default and the name of its setting."""
    documented = re.findall(rf"^\|[^|]*\| (\d+) \| `({PREFIX}\w+)` \|$", PAGE, re.MULTILINE)
    fields = ApiSettings.model_fields.values()
    limits = {field.validation_alias: field.default for field in fields if "MAX_" in str(field.validation_alias)}
    assert {setting: int(value) for value, setting in documented} == limits


def test_every_code_is_documented() -> None:
    """Every code that programs match on is on the page."""
    sources = "\n".join(path.read_text("utf-8") for path in (ROOT / "graphql_api").rglob("*.py"))
    codes = set(re.findall(r'"code": "([A-Z_]+)"', sources))
    assert codes
    assert {code for code in codes if f"`{code}`" not in PAGE} == set()


async def first_line(lines: asyncio.StreamReader, api: Api) -> str:
    """Return the first line. Events are appended, because only a delivery shows that the subscription is active."""
    reading = asyncio.create_task(lines.readline())
    async with asyncio.timeout(WITHIN):
        while not reading.done():
            await append_events(api.engine, 1, task_id=uuid4(), run_id=uuid4())
            await asyncio.wait([reading], timeout=0.1)
    return (await reading).decode()


def number_of(line: str) -> int:
    """Return the number of the event in a line. Events are numbered without gaps, in the order of commits."""
    return cursors.seq_of(json.loads(line)["cursor"])
