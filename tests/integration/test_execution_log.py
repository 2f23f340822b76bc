"""The execution log records finished runs, and never delays them."""

import json
import logging
import resource
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from db.settings import DatabaseSettings
from jobs.engine import execution_log
from jobs.engine.execution_log import ExecutionLog
from jobs.settings import JobsSettings
from tests.support.engine import one_off, opened, runs_of, save, soon, working
from tests.support.logs import logged
from tests.support.target import CannedResponse, Target
from tests.support.waiting import wait_until

MEMBERS = [
    *("timestamp", "task_id", "task_name", "task_method", "task_url", "execution_time", "duration_ms", "status_code"),
    *("success", "error_message"),
]


def lines(file: Path) -> list[dict[str, Any]]:
    """Return the lines of a log file."""
    return [json.loads(text) for text in file.read_text().splitlines()]


async def run(database: DatabaseSettings, jobs: JobsSettings, *urls: str) -> None:
    """Run a task for each URL to its end, in a worker that has then stopped."""
    async with opened(database) as engine:
        tasks = [one_off(url, soon(), name=f"task of {url}", max_attempts=2, initial_delay_ms=1) for url in urls]
        await save(engine, *tasks)
        async with working(database, jobs):
            for task in tasks:

                async def ended(task_id: Any = task.id) -> bool:
                    return bool(await runs_of(engine, task_id, at_least=1))

                await wait_until(ended, what="the run has ended")


async def test_a_line_for_each_run(
    database: DatabaseSettings, jobs_settings: JobsSettings, target: Target, tmp_path: Path
) -> None:
    """Each run has a line after its last attempt, with the old service's names; the folder is created."""
    bad = target.responds("/bad", CannedResponse(status=503))
    folder = tmp_path / "new" / "logs"
    await run(database, jobs_settings.model_copy(update={"log_dir": folder}), f"{target.url}/ok", bad)
    found = {line["task_url"]: line for line in lines(folder / "executions-1.jsonl")}
    assert found.keys() == {f"{target.url}/ok", bad}
    for url, line in found.items():
        assert list(line) == MEMBERS
        assert (line["task_method"], line["task_name"]) == ("GET", f"task of {url}")
        assert datetime.fromisoformat(line["execution_time"]) <= datetime.fromisoformat(line["timestamp"])
        assert line["duration_ms"] >= 0
    ok, failed = found[f"{target.url}/ok"], found[bad]
    assert (ok["status_code"], ok["success"], ok["error_message"]) == (200, True, None)
    assert (failed["status_code"], failed["success"]) == (503, False)
    assert "503" in failed["error_message"]


@pytest.mark.parametrize("obstacle", ["a full disk", "a file in the folder's place", "a folder in the file's place"])
async def test_what_cannot_be_written_stops_no_run(
    database: DatabaseSettings,
    jobs_settings: JobsSettings,
    target: Target,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    obstacle: str,
) -> None:
    """Runs succeed while the log cannot be written, and the service's own log says once that lines are missing."""
    folder = tmp_path / "logs"
    if obstacle == "a file in the folder's place":
        folder.touch()
    else:
        folder.mkdir()
        file = folder / "executions-1.jsonl"
        if obstacle == "a full disk":
            file.symlink_to("/dev/full")
        else:
            file.mkdir()
    await run(database, jobs_settings.model_copy(update={"log_dir": folder}), target.url, f"{target.url}/2")
    assert len(target.calls) == 2
    [record] = logged(caplog, "execution_log_incomplete")
    assert vars(record)["folder"] == str(folder)


async def test_it_goes_on_once_it_can_be_written(
    database: DatabaseSettings,
    jobs_settings: JobsSettings,
    target: Target,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A full disk is tried again with each line."""
    file = tmp_path / "executions-1.jsonl"
    file.symlink_to("/dev/full")
    jobs = jobs_settings.model_copy(update={"log_dir": tmp_path})
    async with opened(database) as engine, working(database, jobs):
        first = one_off(f"{target.url}/1", soon())
        await save(engine, first)
        await wait_until(
            lambda: logged(caplog, "execution_log_incomplete"), what="the log says that a line was dropped"
        )
        file.unlink()
        second = one_off(f"{target.url}/2", soon())
        await save(engine, second)
        await wait_until(lambda: runs_of(engine, second.id, at_least=1), what="the second has run")
        await wait_until(lambda: file.exists() and file.read_text().endswith("\n"), what="its line was written")
    assert [line["task_url"] for line in lines(file)] == [f"{target.url}/2"]


def test_no_line_stays_torn(tmp_path: Path) -> None:
    """A torn line, from a full disk or a killed worker, is removed."""
    record, file = logging.makeLogRecord({"msg": {"text": "x" * 100}}), tmp_path / "executions-1.jsonl"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with ExecutionLog.writing(tmp_path) as log:
        log._file.handle(record)
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (file.stat().st_size + 50, limits[1]))
            log._file.handle(record)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert len(lines(file)) == 1
        log._file.handle(record)
        assert len(lines(file)) == 2
    with file.open("a") as torn:
        torn.write('{"text": "x')
    with ExecutionLog.writing(tmp_path) as log:
        log._file.handle(record)
    assert len(lines(file)) == 3


def test_each_worker_has_a_file_of_its_own(tmp_path: Path) -> None:
    """Each worker uses the lowest free number, so that restarts create no new files."""
    record = logging.makeLogRecord({"msg": {"a": 1}})
    for _ in range(2):
        with ExitStack() as stack:
            logs = [stack.enter_context(ExecutionLog.writing(tmp_path)) for _ in range(3)]
            for log in logs:
                log._file.handle(record)
    names = [f"executions-{number}.jsonl" for number in (1, 2, 3)]
    assert sorted(file.name for file in tmp_path.glob("*.jsonl")) == names
    assert [len(lines(tmp_path / name)) for name in names] == [2, 2, 2]


def test_files_rotate(tmp_path: Path) -> None:
    """Files rotate at 10 MiB, and ten are kept."""
    record = logging.makeLogRecord({"msg": {"text": "x" * (3 * 1024 * 1024)}})
    with ExecutionLog.writing(tmp_path) as log:
        for _ in range(40):
            log._file.handle(record)
    sizes = {file.name: file.stat().st_size for file in tmp_path.glob("*.jsonl*")}
    assert len(sizes) == 10
    assert max(sizes.values()) <= execution_log.MAX_BYTES
