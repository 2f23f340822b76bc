"""Measures the dashboard in Chromium: how soon it is there, the live feed, and a long list of tasks."""

import asyncio
import json
import re
import secrets
import shutil
import statistics
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from db.engine.events import with_events
from graphql_api.pages.playground import STATIC
from jobs.queue import EVENTS_CHANNEL
from tests.bench.fill import EMPTY, execute
from tests.bench.line import Line, median
from tests.bench.rounds import Servers, module
from tests.bench.subscribers import answers, free_port
from tests.browser.conftest import NAMES
from tests.support.node import running_node

SCRIPT = Path(__file__).parent / "pages.ts"
STATIC_PAGE = STATIC / "assets" / "bench.html"
LOADS = 7
TASKS = 100_000
EVENTS_PER_SECOND = 500
EVENTS_PER_BATCH = 50
TRACED_EVENTS = 6_000
FEW_EVENTS = 10_000
MANY_EVENTS = 50_000
LONG_MS = 50
MAKE_TASKS = f"""
INSERT INTO tasks (id, name, trigger_type, every_ms, start_at, method, url, host, tags, next_run, due_at)
SELECT gen_random_uuid(), 'task ' || n, 'interval', 86400000, now(), 'POST', 'http://host' || n % 100 || '.example/',
       'host' || n % 100 || '.example:80', CASE WHEN n % 3 = 0 THEN ARRAY['nightly', 'reports'] ELSE '{{}}' END,
       now() + interval '1 day', now() + interval '1 day'
FROM generate_series(1, {TASKS}) n
"""
# The newest tasks have a strip of runs.
MAKE_RUNS = """
INSERT INTO task_results (id, task_id, state, scheduled_for, due_at, attempt, run_at, finished_at, success, duration_ms)
SELECT gen_random_uuid(), t.id, CASE WHEN n % 7 = 0 THEN 'failed' ELSE 'succeeded' END, at, at, 1, at, at, n % 7 > 0,
       n * 17 % 1000
FROM (SELECT id FROM tasks ORDER BY created_at DESC, id DESC LIMIT 10000) t, generate_series(1, 30) n,
     LATERAL (SELECT now() - n * interval '1 minute' AS at) a
"""
HAPPEN = with_events("""
events AS (
    SELECT CASE place % 4 WHEN 0 THEN 'started' WHEN 1 THEN 'failed' ELSE 'succeeded' END AS type, t.id AS task_id,
           gen_random_uuid() AS run_id,
           CASE place % 4 WHEN 0 THEN 'running' WHEN 1 THEN 'failed' ELSE 'succeeded' END AS state, 1 AS attempt,
           CASE place % 4 WHEN 0 THEN NULL WHEN 1 THEN 500 ELSE 200 END AS status_code,
           CASE WHEN place % 4 = 1 THEN 'The target answered 500 Internal Server Error' END AS error_message,
           CAST(CASE WHEN place % 4 > 0 THEN place * 7 END AS bigint) AS duration_ms
    FROM (SELECT id, row_number() OVER () AS place FROM (SELECT id FROM tasks LIMIT :number) AS one) AS t
)
""")


async def page_lines(servers: Servers) -> list[Line]:
    """Return the lines for the pages. Raises `SystemExit` without Chromium."""
    chromium = next(filter(None, map(shutil.which, NAMES)), None)
    if chromium is None:
        raise SystemExit("There is no Chromium here (on Debian: apt-get install chromium-headless-shell)")
    await execute(servers, EMPTY, MAKE_TASKS, MAKE_RUNS, "VACUUM ANALYZE")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    async with module("duetime", "api", environment=servers.environment | {"PORT": str(port)}):
        await answers(port)
        return [
            *await load_lines(chromium, url),
            *await feed_lines(servers, chromium, url),
            *await scroll_lines(chromium, url),
        ]


@asynccontextmanager
async def measuring(chromium: str, url: str, mode: str, *arguments: str) -> AsyncIterator["Browser"]:
    """Run the script in a mode until the block ends."""
    async with running_node(SCRIPT, chromium, url, mode, *arguments, stdin=asyncio.subprocess.PIPE) as process:
        yield Browser(process)


class Browser:
    """A running script, which prints measurements."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def next(self) -> dict[str, Any]:
        """Return the next measurement. Raises `RuntimeError` with what the script complained of if it has ended."""
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError((await self._process.stderr.read()).decode())
        found: dict[str, Any] = json.loads(line)
        return found

    async def ask(self, what: str = "") -> dict[str, Any]:
        """Ask for a measurement and return it."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{what}\n".encode())
        await self._process.stdin.drain()
        return await self.next()


async def load_lines(chromium: str, url: str) -> list[Line]:
    """Return the lines for the overview, against a static page of the same looks and size from the same API."""
    async with measuring(chromium, url, "load", "/") as browser:
        first = await browser.next()
    STATIC_PAGE.write_text(static_page(first["html"], size=first["bytes"]))
    try:
        async with measuring(chromium, url, "load", *["/", f"/assets/{STATIC_PAGE.name}"] * LOADS) as browser:
            measured = [await browser.next() for _ in range(2 * LOADS)]
    finally:
        STATIC_PAGE.unlink()
    ours, bare = measured[::2], measured[1::2]
    size = f"{ours[0]['bytes'] / 1000:.0f} kB"
    return [
        Line(
            f"the overview ({size}), {what}",
            f"{median(each[name] for each in ours):.0f} ms",
            f"{median(each[name] for each in bare):.0f} ms (a static page, {bare[0]['bytes'] / 1000:.0f} kB)",
            median(each[name] for each in ours) / median(each[name] for each in bare),
            wanted,
        )
        for what, name, wanted in (
            ("first content", "first", "at most 3"),
            ("interactive: the frame and a free main thread", "interactive", "at most 3"),
            ("complete: the same with the answer of the API", "complete", ""),
        )
    ]


def static_page(html: str, *, size: int) -> str:
    """Return a page that looks the same without scripts, and that is about as large when it is compressed."""
    still = re.sub(r"<script\b.*?</script>|<link[^>]*modulepreload[^>]*>", "", html, flags=re.DOTALL)
    still = still.replace('"./assets/', '"/assets/')
    return f"<!doctype html>{still}<!-- {secrets.token_urlsafe(size)} -->"


async def feed_lines(servers: Servers, chromium: str, url: str) -> list[Line]:
    """Return the lines for the long tasks and the memory of the live feed."""
    async with measuring(chromium, url, "feed") as browser, Redis.from_url(servers.redis_url) as redis:
        await browser.next()
        await happen(servers, redis, FEW_EVENTS)
        few = await browser.ask()
        await happen(servers, redis, MANY_EVENTS - FEW_EVENTS)
        many = await browser.ask()
        traced, _ = await asyncio.gather(browser.ask("trace"), happen(servers, redis, TRACED_EVENTS))
    long = few["longTasks"] + many["longTasks"]
    longest = f", the longest {max(long):.0f} ms" if long else ""
    what = f"the live feed with {MANY_EVENTS:,} events at {EVENTS_PER_SECOND}/s"
    return [
        Line(f"tasks over {LONG_MS} ms, {what}", f"{len(long)}{longest}", "0 (the target)", len(long), "at most 0"),
        Line(
            f"CPU of the longest task, the live feed at {EVENTS_PER_SECOND}/s",
            f"{traced['longest']:.0f} ms",
            f"{LONG_MS} ms (what is allowed)",
            traced["longest"] / LONG_MS,
            "at most 1",
        ),
        Line(
            f"heap after a garbage collection, {what}",
            f"{many['heap'] / 1e6:.1f} MB",
            f"{few['heap'] / 1e6:.1f} MB (after {FEW_EVENTS:,} events)",
            many["heap"] / few["heap"],
            "at most 1.2",
        ),
    ]


async def happen(servers: Servers, redis: Redis, number: int) -> None:
    """Let so many events happen, at their rate."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    for batch in range(1, number // EVENTS_PER_BATCH + 1):
        async with servers.engine.begin() as connection:
            await connection.execute(HAPPEN, {"number": EVENTS_PER_BATCH, "now": datetime.now(UTC)})
        await redis.publish(EVENTS_CHANNEL, b"")
        await asyncio.sleep(begun + batch * EVENTS_PER_BATCH / EVENTS_PER_SECOND - loop.time())


async def scroll_lines(chromium: str, url: str) -> list[Line]:
    """Return the lines for the frames while a list of tasks scrolls, against a bare list in the same browser."""
    async with measuring(chromium, url, "scroll", str(TASKS)) as browser:
        bare, reading, end = [await browser.next() for _ in range(3)]
    lines = []
    for where, its in (("from the first, as they are read", reading), ("at the end of them", end)):
        lines += [
            Line(
                f"frames over {LONG_MS} ms while {TASKS:,} tasks scroll, {where}",
                in_words(its["frames"]),
                f"{in_words(bare['frames'])} (a bare list)",
                share(its["frames"]) - share(bare["frames"]),
                "at most 0.5",
                unit=" points more",
            ),
            Line(
                f"CPU of the longest task while {TASKS:,} tasks scroll, {where}",
                f"{its['longest']:.0f} ms",
                f"{LONG_MS} ms (what is allowed)",
                its["longest"] / LONG_MS,
                "at most 1",
            ),
        ]
    return lines


def share(frames: Sequence[float]) -> float:
    """Return the percentage of frames that took too long."""
    return 100 * sum(frame > LONG_MS for frame in frames) / len(frames)


def in_words(frames: Sequence[float]) -> str:
    """Return the share of frames that took too long, and the 99th percentile of all."""
    return f"{share(frames):.2f} % of {len(frames):,}, p99 {statistics.quantiles(frames, n=100)[98]:.0f} ms"
