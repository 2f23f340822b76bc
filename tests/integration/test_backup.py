"""`duetime backup` and `duetime restore`: no instant is lost or doubled, and nothing is overwritten."""

import stat
from datetime import timedelta
from pathlib import Path

import pytest

from db.settings import DatabaseSettings
from db.states import MisfirePolicy
from duetime import backup
from duetime.errors import CannotStart
from duetime.settings import DuetimeSettings
from jobs.settings import JobsSettings
from tests.support.command import duetime_in_process
from tests.support.engine import every, opened, runs_of, save, soon, working
from tests.support.ports import free_port
from tests.support.target import Target
from tests.support.waiting import wait_until

PERIOD = timedelta(milliseconds=500)
SETTINGS = DuetimeSettings.model_construct()


async def test_a_restored_database_goes_on(
    database: DatabaseSettings,
    empty_database: DatabaseSettings,
    jobs_settings: JobsSettings,
    target: Target,
    tmp_path: Path,
) -> None:
    """It has each instant once: before the backup, after it, and while nothing ran.

    What was done after the backup is done again, with the same Idempotency-Key, since nobody knows of it.
    """
    file = tmp_path / "duetime.dump"
    tasks = [every(f"{target.url}/{number}", PERIOD, soon(), misfire=MisfirePolicy.ALL) for number in range(3)]

    def all_called(times: int) -> bool:
        return all(len(target.calls_of(f"/{number}")) >= times for number in range(len(tasks)))

    async with opened(database) as engine:
        ids = await save(engine, *tasks)
        async with working(database, jobs_settings):
            await wait_until(lambda: all_called(2), what="tasks run before the backup")
            await backup.backup(SETTINGS, database, file=file)
            before = len(target.calls)
            await wait_until(lambda: len(target.calls) >= before + len(tasks), what="tasks run after the backup")
        first = {(run.task_id, run.scheduled_for): run.id for task_id in ids for run in await runs_of(engine, task_id)}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    await backup.restore(SETTINGS, empty_database, jobs_settings, file=file)
    async with opened(empty_database) as engine:

        async def all_are_back() -> bool:
            runs = [run for task_id in ids for run in await runs_of(engine, task_id)]
            return first.keys() <= {(run.task_id, run.scheduled_for) for run in runs}

        async with working(empty_database, jobs_settings):
            await wait_until(all_are_back, what="each instant is back")
            await wait_until(lambda: all_called(8), what="tasks run after the restoration")
        for task_id in ids:
            runs = await runs_of(engine, task_id)
            instants = [run.scheduled_for for run in runs]
            assert instants == [instants[0] + number * PERIOD for number in range(len(instants))]
            again = {run.id for run in runs if first.get((task_id, run.scheduled_for), run.id) == run.id}
            assert again == {run.id for run in runs}
            assert {instant for task, instant in first if task == task_id} <= set(instants)


async def test_nothing_is_overwritten(
    database: DatabaseSettings, empty_database: DatabaseSettings, jobs_settings: JobsSettings, tmp_path: Path
) -> None:
    """A file that exists, a database with tables, and a file that is no backup are refused."""
    file = tmp_path / "a file"
    file.write_text("mine")
    with pytest.raises(CannotStart, match="a file already exists; name a new file"):
        await backup.backup(SETTINGS, database, file=file)
    with pytest.raises(CannotStart, match=r"has \d+ tables, and nothing is overwritten; create an empty database"):
        await backup.restore(SETTINGS, database, jobs_settings, file=file)
    with pytest.raises(CannotStart, match="pg_restore: error: input file is too short"):
        await backup.restore(SETTINGS, empty_database, jobs_settings, file=file)
    with pytest.raises(CannotStart, match="missing cannot be read"):
        await backup.restore(SETTINGS, empty_database, jobs_settings, file=tmp_path / "missing")
    assert file.read_text() == "mine"


async def test_what_cannot_be_written(database: DatabaseSettings, tmp_path: Path) -> None:
    """The reason is one line, and no part of a file is left."""
    with pytest.raises(CannotStart, match=r"no folder/x.unfinished cannot be written \(No such file or directory\)"):
        await backup.backup(SETTINGS, database, file=tmp_path / "no folder" / "x")
    elsewhere = DuetimeSettings.model_construct(postgres_bin=tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(tmp_path))
        with pytest.raises(CannotStart, match=r"there is no pg_dump of version \d+ here, .* postgresql-client-\d+"):
            await backup.backup(elsewhere, database, file=tmp_path / "x")
    assert not (tmp_path / "x").exists()
    assert not (tmp_path / "x.unfinished").exists()


def test_the_commands(database: DatabaseSettings, empty_database: DatabaseSettings, tmp_path: Path) -> None:
    """They say what they did, and that the key for secrets is not in the file."""
    file = tmp_path / "x.dump"
    of = {name: {"DATABASE_URL": str(each.database_url)} for name, each in (("a", database), ("b", empty_database))}
    result = duetime_in_process("backup", str(file), cwd=tmp_path, environment=of["a"])
    assert (result.returncode, result.stderr) == (0, "")
    assert f" to {file}.\nThe key that encrypts secrets is not in it" in result.stdout
    result = duetime_in_process("restore", str(file), cwd=tmp_path, environment=of["b"])
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("Restored 127.0.0.1:")
    away = {"DATABASE_URL": f"postgresql://u:s3cret@127.0.0.1:{free_port()}/d", "DUETIME_WAIT_SECONDS": "0"}
    result = duetime_in_process("backup", str(tmp_path / "y"), cwd=tmp_path, environment=away)
    assert result.returncode == 1
    assert "cannot be reached" in result.stderr
    assert "s3cret" not in result.stderr
