"""Where secrets, and what is known of tasks, could be read: the execution log, dumps of the database, responses."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from db.settings import DatabaseSettings
from jobs.settings import JobsSettings
from tests.support.engine import one_off, opened, runs_of, save, soon, working
from tests.support.target import Target
from tests.support.waiting import wait_until


@pytest.fixture
def lax_umask() -> Iterator[None]:
    """Let the process create files that everybody may read and write, as some service managers do."""
    before = os.umask(0)
    yield
    os.umask(before)


def modes(folder: Path) -> dict[str, int]:
    """Return the permissions of a folder and of all that is in it."""
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.iterdir())}


@pytest.mark.usefixtures("lax_umask")
@pytest.mark.parametrize(
    "existing", [(), ("executions-1.jsonl", "executions-1.jsonl.1", ".executions-1.lock"), ("other",)]
)
async def test_other_users_cannot_read_the_execution_log(
    database: DatabaseSettings, jobs_settings: JobsSettings, target: Target, tmp_path: Path, existing: tuple[str, ...]
) -> None:
    """The log names tasks and URLs. What an older version left behind becomes private, and a shared folder stays."""
    folder = tmp_path / "logs"
    if existing:
        folder.mkdir()
        for name in existing:
            (folder / name).touch()
    async with opened(database) as engine:
        task = one_off(f"{target.url}/ok", soon())
        await save(engine, task)
        async with working(database, jobs_settings.model_copy(update={"log_dir": folder})):
            await wait_until(lambda: runs_of(engine, task.id, at_least=1), what="the run has ended")

    shared = "other" in existing
    assert (folder / "executions-1.jsonl").read_text()
    found = modes(folder)
    assert found.pop("logs") == (0o777 if shared else 0o700)
    assert found.pop("other", None) == (0o666 if shared else None)
    assert set(found) >= {"executions-1.jsonl", ".executions-1.lock"}
    assert set(found.values()) == {0o600}


async def test_the_execution_log_follows_no_link_of_another_user(
    database: DatabaseSettings, jobs_settings: JobsSettings, target: Target, tmp_path: Path
) -> None:
    """In a shared folder, another user could have a worker append to any of its own files."""
    folder, victim = tmp_path / "logs", tmp_path / "victim"
    folder.mkdir()
    victim.write_text("kept")
    (folder / "executions-1.jsonl").symlink_to(victim)
    async with opened(database) as engine:
        task = one_off(f"{target.url}/ok", soon())
        await save(engine, task)
        async with working(database, jobs_settings.model_copy(update={"log_dir": folder})):
            await wait_until(lambda: runs_of(engine, task.id, at_least=1), what="the run has ended")
    assert victim.read_text() == "kept"
