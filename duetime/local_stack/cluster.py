"""Creates the database cluster (Postgres's data files), and checks its major version."""

import os
import shutil
import tempfile
from pathlib import Path

from duetime.errors import CannotStart
from duetime.local_stack.data_folder import DataFolder
from duetime.local_stack.guarded_server import start_guarded_server
from duetime.local_stack.place import Place

OWNER = "duetime"
PASSWORD = "postgres-password"  # noqa: S105 (the name of the file that contains it)


async def ensure_cluster(place: Place, folder: DataFolder) -> None:
    """Create the cluster if it is missing. Raise CannotStart if another major version of Postgres created it."""
    major = place.binaries.postgres_major()
    version_file = place.cluster / "PG_VERSION"
    if not version_file.exists():
        for unfinished in place.parent.glob("unfinished-*"):
            shutil.rmtree(unfinished)
        await create_cluster(place, folder, unfinished=Path(tempfile.mkdtemp(prefix="unfinished-", dir=place.parent)))
        return
    if (created_by := version_file.read_text().strip()) != major:
        raise CannotStart(
            f"the data in {place.cluster} was created by Postgres {created_by}, and this is Postgres {major}; set "
            "DUETIME_POSTGRES_BIN to the programs of the old version, or DUETIME_DATA_DIR to another folder"
        )
    # The servers of an earlier instance inherited the lock that we hold now, so none of them is alive and this file is
    # stale. If another program has its process ID by now, Postgres would refuse to start.
    (place.cluster / "postmaster.pid").unlink(missing_ok=True)


async def create_cluster(place: Place, folder: DataFolder, *, unfinished: Path) -> None:
    """Create the cluster in a temporary folder, then move it, so that a kill never leaves an incomplete one behind."""
    password = unfinished / "password"
    password.touch(mode=0o600)
    password.write_text(folder.secret(PASSWORD))
    if place.user is not None:
        for path in (unfinished, password):
            os.chown(path, place.user.uid, place.user.gid)
    log = folder.log("initdb")
    log.write_text("")
    initdb = await start_guarded_server(
        [
            *(place.binaries.postgres_bin / "initdb", "--pgdata", unfinished / "cluster"),
            *("--username", OWNER, "--pwfile", password, "--auth", "scram-sha-256"),
            # Text sorts the same on every system, whatever locales it has.
            *("--encoding", "UTF8", "--no-locale"),
        ],
        stop=[("SIGTERM", 10)],
        user=place.user,
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
        raise CannotStart(f"Postgres's data could not be created: {reason} (see {log})")
    (unfinished / "cluster").rename(place.cluster)
    shutil.rmtree(unfinished)
