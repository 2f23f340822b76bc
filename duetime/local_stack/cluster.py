"""Postgres's own files (a cluster, in its words): made once, and of one major version."""

import os
import shutil
import tempfile
from pathlib import Path

from duetime.errors import CannotStart
from duetime.local_stack.data_folder import DataFolder
from duetime.local_stack.guarded_server import start_guarded
from duetime.local_stack.place import Place

USER = "duetime"
PASSWORD = "postgres-password"  # noqa: S105 (the name of the file that holds it)


async def ensure_cluster(place: Place, folder: DataFolder) -> None:
    """Makes the cluster the first time, and looks at its version each time. CannotStart says what is wrong."""
    major = place.binaries.postgres_major()
    made_by = place.cluster / "PG_VERSION"
    if not made_by.exists():
        for unfinished in place.parent.glob("unfinished-*"):
            shutil.rmtree(unfinished)
        await make_cluster(place, folder, unfinished=Path(tempfile.mkdtemp(prefix="unfinished-", dir=place.parent)))
        return
    if (earlier := made_by.read_text().strip()) != major:
        raise CannotStart(
            f"the data in {place.cluster} was made by Postgres {earlier}, and this is Postgres {major}: name the old "
            "one's programs with DUETIME_POSTGRES_BIN, or another folder with DUETIME_DATA_DIR"
        )
    # We hold the lock that every server of an earlier instance inherited, so none is alive to own this. Left there, its
    # process number could by now be another program's, and Postgres would refuse to start.
    (place.cluster / "postmaster.pid").unlink(missing_ok=True)


async def make_cluster(place: Place, folder: DataFolder, *, unfinished: Path) -> None:
    """Makes the cluster aside and moves it to its place when it is whole, so that a kill leaves no half of one."""
    password = unfinished / "password"
    password.touch(mode=0o600)
    password.write_text(folder.secret(PASSWORD))
    if place.account is not None:
        for path in (unfinished, password):
            os.chown(path, place.account.uid, place.account.gid)
    log = folder.log("initdb")
    log.write_text("")
    initdb = await start_guarded(
        [
            *(place.binaries.postgres_bin / "initdb", "--pgdata", unfinished / "cluster"),
            *("--username", USER, "--pwfile", password, "--auth", "scram-sha-256"),
            # Text sorts and compares alike on every system, whatever its own locales are.
            *("--encoding", "UTF8", "--no-locale"),
        ],
        stop=[("SIGTERM", 10)],
        account=place.account,
        log=log,
        lock=folder.lock,
    )
    try:
        status = await initdb.wait()
    finally:
        await initdb.stop()
    if status != 0:
        lines = log.read_text(errors="replace").splitlines()
        reason = next((line for line in lines if "error" in line.lower()), f"initdb ended with status {status}")
        raise CannotStart(f"Postgres's data could not be made: {reason} (all of it in {log})")
    (unfinished / "cluster").rename(place.cluster)
    shutil.rmtree(unfinished)
