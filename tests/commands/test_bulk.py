"""`--where` of the commands that change: an operation of the API on all that a filter selects."""

import asyncio
import json
import re
import signal
import subprocess
from typing import Any

import asyncpg
import yaml

from db.tasks.bulk import CHUNK
from tests.commands.conftest import Service
from tests.support.waiting import wait_until

PLAIN = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
"""What a terminal obeys."""
OPERATIONS = "SELECT action, state, done, total FROM bulk_operations WHERE total = $1 ORDER BY created_at"
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
LOCK_FIRST = "SELECT FROM tasks WHERE external_id LIKE 'left-%' ORDER BY id LIMIT 1 FOR UPDATE"


def create(service: Service, owner: str, number: int) -> None:
    """Create tasks that are due once a day."""
    action = {"url": service.target}
    trigger = {"interval": {"everyMs": 86_400_000}}
    tasks = [
        {"externalId": f"{owner}-{each}", "name": "n", "trigger": trigger, "action": action} for each in range(number)
    ]
    (service.folder / "many.yaml").write_text(yaml.safe_dump({"owner": owner, "tasks": tasks}))
    service.output("apply", "-f", "many.yaml")


async def test_an_operation_acts_on_all_that_a_filter_selects(service: Service) -> None:
    """The numbers are printed; what is refused is named, and is the exit status; runs are selected, too."""
    number = 7
    await asyncio.to_thread(create, service, "all", number)

    def run(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        return service.run(*arguments, "--where", "tags=owner:all", "--yes", environment=environment)

    asked = await asyncio.to_thread(service.run, "tasks", "pause", "--where", "tags=owner:all")
    assert (asked.returncode, asked.stderr) == (2, f"duetime: {number} tasks will be paused. Add --yes to agree\n")
    first = await asyncio.to_thread(run, "tasks", "pause", FORCE_COLOR="1", TERM="xterm")
    assert first.stdout == f"{number} of {number} paused.\n"
    assert f"{number}/{number}" in PLAIN.sub("", first.stderr)
    paused = await asyncio.to_thread(run, "tasks", "resume", "--missed", "skip")
    assert paused.stdout == f"{number} of {number} resumed.\n"
    await asyncio.to_thread(service.output, "tasks", "cancel", "all-0")
    refused = await asyncio.to_thread(run, "tasks", "pause")
    assert (refused.returncode, refused.stdout) == (1, f"{number - 1} of {number} paused.\n")
    assert "A task that is cancelled cannot be paused" in refused.stderr
    assert refused.stderr.count("\n") == 1
    printed: dict[str, Any] = json.loads((await asyncio.to_thread(run, "tasks", "resume", "--json")).stdout)
    assert (printed["action"], printed["total"], printed["refused"]) == ("RESUME", number, 1)
    started = await asyncio.to_thread(run, "tasks", "run", "--wait")
    assert started.stdout.count("SUCCEEDED") == number
    retried = await asyncio.to_thread(run, "runs", "retry", "--where", "states=succeeded")
    assert retried.stdout == f"{number} of {number} retried.\n"
    nothing = await asyncio.to_thread(run, "runs", "cancel", "--where", "statusCode=599")
    assert (nothing.returncode, nothing.stdout) == (0, "0 of 0 cancelled.\n")
    assert (await asyncio.to_thread(run, "tasks", "delete")).stdout == f"{number} of {number} deleted.\n"
    connection = await asyncpg.connect(service.database_url)
    try:
        actions = [row["action"] for row in await connection.fetch(OPERATIONS, number)]
    finally:
        await connection.close()
    assert actions == ["pause", "pause", "resume", "retry", "delete"]


async def test_ctrl_c_cancels_what_is_left_of_an_operation(service: Service) -> None:
    """What was done stays done, and the command says how much that was."""
    number = 450
    await asyncio.to_thread(create, service, "left", number)
    words = ("tasks", "cancel", "--where", "tags=owner:left", "--yes")
    connection = await asyncpg.connect(service.database_url)

    async def waits(expected: int) -> bool:
        return bool(await connection.fetchval(WAITING) == expected)

    try:
        async with connection.transaction():
            # The first chunk waits for this task, and the cancellation waits for the chunk.
            await connection.execute(LOCK_FIRST)
            process = service.started(*words)
            await wait_until(lambda: waits(1), what="the operation has begun", within=30)
            process.send_signal(signal.SIGINT)
            await wait_until(lambda: waits(2), what="it is being cancelled", within=30)
        output, errors = await asyncio.to_thread(process.communicate, timeout=30)
        [row] = await connection.fetch(OPERATIONS, number)
    finally:
        await connection.close()
    assert (process.returncode, output) == (130, "")
    # The worker may get the lock for the second chunk before the cancellation gets it.
    assert row["state"] == "cancelled"
    assert row["done"] in {CHUNK, 2 * CHUNK}
    assert errors == f"duetime: cancelled after {row['done']} of {number}\n"
    remaining = await asyncio.to_thread(
        service.output,
        "tasks",
        "list",
        "--where",
        "tags=owner:left",
        "--where",
        "statuses=scheduled",
        "--limit",
        "0",
        "--json",
    )
    assert len(json.loads(remaining)) == number - row["done"]
    await asyncio.to_thread(service.output, "tasks", "delete", "--where", "tags=owner:left", "--yes")
