"""Measures the first page of tasks by each filter, among half a million tasks with a run each, against no filter."""

import time
from itertools import product
from statistics import median
from typing import Any

import httpx

from tests.bench.fill import EMPTY, execute
from tests.bench.line import Line
from tests.bench.rounds import Servers, module
from tests.bench.subscribers import answers, free_port

TASKS = 500_000
REQUESTS = 5
LIST = """query ($filter: TaskFilter, $order: TaskOrder!) {
    tasks(first: 50, filter: $filter, orderBy: $order) { %s nodes { id name status nextRunAt } }
}"""
ORDERS = ("CREATED_AT_DESC", "CREATED_AT_ASC", "NEXT_RUN_AT_ASC", "NAME_ASC")
FAR, PAST = "2040-01-01T00:00:00Z", "2020-01-01T00:00:00Z"
EXACT: dict[str, dict[str, Any]] = {
    "lastRunStates [FAILED], one in 500": {"lastRunStates": ["FAILED"]},
    "lastRunStates [SUCCEEDED], most": {"lastRunStates": ["SUCCEEDED"]},
    "lastRunStates [CANCELLED], none": {"lastRunStates": ["CANCELLED"]},
    "lastRunStates [RUNNING], none": {"lastRunStates": ["RUNNING"]},
    "lastRunStates of both kinds": {"lastRunStates": ["FAILED", "RUNNING"]},
    "tags that none has": {"tags": ["nobody"]},
    "tags that one in 1,000 has": {"tags": ["common", "rare"]},
    "tags that every second has": {"tags": ["common"]},
    "statuses [SCHEDULED], most": {"statuses": ["SCHEDULED"]},
    "statuses [PAUSED], none": {"statuses": ["PAUSED"]},
    "statuses [SCHEDULED, COMPLETED]": {"statuses": ["SCHEDULED", "COMPLETED"]},
    "nextRunAfter, none": {"nextRunAfter": FAR},
    "nextRunBefore, none": {"nextRunBefore": PAST},
    "nextRunBefore, all": {"nextRunBefore": FAR},
    "externalIds, none": {"externalIds": ["nobody"]},
    "states, tags and status together": {"lastRunStates": ["FAILED"], "tags": ["common"], "statuses": ["SCHEDULED"]},
}
SUBSTRINGS: dict[str, dict[str, Any]] = {
    "nameContains, none": {"nameContains": "zzzzq"},
    "nameContains, one": {"nameContains": "TASK 499999 "},
    "nameContains, all": {"nameContains": "task"},
    "nameContains of two letters, none": {"nameContains": "zq"},
    "urlContains, none": {"urlContains": "zzzzq"},
    "urlContains, all": {"urlContains": "example"},
}
# To build the indexes of trigrams afterwards takes a twentieth of the time.
TRIGRAMS = "FROM pg_indexes WHERE indexname LIKE 'task_words_%_trigrams'"
FILL = (
    EMPTY,
    f"""DO $$ DECLARE
        names text[] := ARRAY(SELECT indexname {TRIGRAMS});
        definitions text[] := ARRAY(SELECT indexdef {TRIGRAMS});
        each text;
    BEGIN
    FOREACH each IN ARRAY names LOOP EXECUTE 'DROP INDEX ' || each; END LOOP;
    INSERT INTO tasks (id, name, trigger_type, every_ms, start_at, method, url, host, status, next_run, due_at, tags,
                       created_at, updated_at, settled_until)
    SELECT CAST(md5(CAST(n AS text)) AS uuid), 'task ' || n || ' of ' || md5(CAST(n AS text)), 'interval', 86400000,
           now(), 'POST', 'http://host' || n % 100 || '.example.com/hooks/' || md5(CAST(n + 1 AS text)),
           'host' || n % 100 || '.example.com:80', 'scheduled', due, due,
           CASE WHEN n % 1000 = 0 THEN ARRAY['common', 'rare'] WHEN n % 2 = 0 THEN ARRAY['common'] ELSE '{{}}' END,
           now() - n * interval '1 second', now(), now()
    FROM generate_series(1, {TASKS}) n,
         LATERAL (SELECT now() + interval '1 hour' + CAST(n AS bigint) * 7919 % 86400 * interval '1 second' AS due) d;
    FOREACH each IN ARRAY definitions LOOP EXECUTE each; END LOOP;
    END $$""",
    f"""
    INSERT INTO task_results (id, task_id, state, scheduled_for, due_at, attempt, run_at, finished_at, status_code,
                              success, response_body, duration_ms)
    SELECT CAST(lpad(to_hex(CAST(extract(epoch FROM at) * 1000 AS bigint)), 12, '0') || substr(md5('r' || n), 13)
                AS uuid),
           CAST(md5(CAST(n AS text)) AS uuid), CASE n % 500 WHEN 0 THEN 'failed' ELSE 'succeeded' END, at, at, 1, at,
           at, 200, n % 500 <> 0, 'ok', 40
    FROM generate_series(1, {TASKS}) n, LATERAL (SELECT now() - n * interval '10 ms' AS at) a
    """,
    "VACUUM ANALYZE",
)


async def filter_lines(servers: Servers) -> list[Line]:
    """Return a line for each filter with and without `totalCount`, in the order in which its ratio is worst."""
    await execute(servers, *FILL)
    port = free_port()
    async with (
        module("duetime", "api", environment=servers.environment | {"PORT": str(port)}),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as http,
    ):
        await answers(port)
        lines = []
        for filters, wanted in ((EXACT, "at most 3"), (SUBSTRINGS, "at most 8")):
            for (what, members), count in product(filters.items(), (False, True)):
                measured = [await compared(http, members, order=order, count=count) for order in ORDERS]
                ours, bare = max(measured, key=lambda pair: pair[0] / pair[1])
                name = f"first page of {TASKS:,} tasks by {what}{', with totalCount' if count else ''}"
                lines.append(Line(name, f"{ours:.1f} ms", f"{bare:.1f} ms (no filter)", ours / bare, wanted))
        for status in ("scheduled", "completed"):
            ours = await took(http, "GET", f"/api/v1/tasks?limit=50&status={status}")
            bare = await took(http, "GET", "/api/v1/tasks?limit=50")
            name = f"REST's first page of {TASKS:,} tasks with the status {status}"
            lines.append(Line(name, f"{ours:.1f} ms", f"{bare:.1f} ms (no filter)", ours / bare, "at most 3"))
    return lines


async def compared(http: httpx.AsyncClient, members: dict[str, Any], *, order: str, count: bool) -> tuple[float, float]:
    """Return the milliseconds of a list with a filter and without, measured in turn."""
    query = LIST % ("totalCount" if count else "")
    bodies = [{"query": query, "variables": {"filter": its, "order": order}} for its in (members, {})]
    pairs = [[await once(http, "POST", "/graphql", body) for body in bodies] for _ in range(REQUESTS)]
    ours, bare = zip(*pairs, strict=True)
    return median(ours), median(bare)


async def took(http: httpx.AsyncClient, method: str, path: str, body: Any = None) -> float:
    """Return the median duration of a request, in milliseconds."""
    return median([await once(http, method, path, body) for _ in range(REQUESTS)])


async def once(http: httpx.AsyncClient, method: str, path: str, body: Any = None) -> float:
    """Return the duration of one request, in milliseconds."""
    begun = time.perf_counter()
    answer = await http.request(method, path, json=body)
    milliseconds = (time.perf_counter() - begun) * 1000
    assert answer.status_code == 200, answer.text
    assert "errors" not in answer.json(), answer.text
    return milliseconds
