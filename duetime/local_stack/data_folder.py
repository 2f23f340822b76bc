"""The private folder that holds the local stack's data, and the lock that lets one instance at a time into it."""

import asyncio
import base64
import errno
import fcntl
import os
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from duetime.errors import CannotStart
from jobs.security.encryption import KEY_BYTES

LOCK = "duetime.lock"
DATABASE_URL = "database.url"
# What a new volume or a file manager puts into a folder that is otherwise empty.
NOT_OURS_BUT_HARMLESS = {"lost+found", ".DS_Store"}
# Servers of an instance that was killed need this long at most to end (see `postgres.STOP`).
LAST_INSTANCE_ENDS_WITHIN = timedelta(seconds=45)
LARGEST_LOG = 10 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFolder:
    """An open data folder. The servers inherit `lock`, so that it is free only when the last of them has ended."""

    path: Path
    lock: int

    @property
    def logs(self) -> Path:
        """The folder of the servers' own logs."""
        return self.path / "logs"

    def log(self, name: str) -> Path:
        """The log file of one server; one that has grown large is put aside."""
        path = self.logs / f"{name}.log"
        if path.exists() and path.stat().st_size > LARGEST_LOG:
            path.replace(path.with_suffix(".old.log"))
        self.give_to_owner(path)
        return path

    def secret(self, name: str, *, make: Callable[[], str] = secrets.token_urlsafe) -> str:
        """The secret kept under this name, made the first time it is asked for."""
        path = self.path / name
        if not path.exists():
            unfinished = path.with_suffix(".new")
            unfinished.touch(mode=0o600)
            unfinished.write_text(make())
            self.give_to_owner(unfinished)
            unfinished.replace(path)
        return path.read_text()

    def secret_key(self) -> str:
        """The key for the secrets of tasks, in base64, as DUETIME_SECRET_KEY takes it."""
        return self.secret("secret.key", make=lambda: base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode())

    def tell_database(self, url: str) -> None:
        """Notes where the Postgres in this folder listens, with its password, for commands beside the one that runs."""
        path = self.path / DATABASE_URL
        self.give_to_owner(path)
        path.write_text(url)

    def give_to_owner(self, path: Path) -> None:
        """Makes a path private, and the folder owner's: root may start once what an ordinary user starts otherwise."""
        path.touch(mode=0o600)
        if os.geteuid() == 0:
            owner = self.path.stat()
            os.chown(path, owner.st_uid, -1, follow_symlinks=False)


@asynccontextmanager
async def open_data_folder(path: Path) -> AsyncIterator[DataFolder]:
    """Makes the folder where it is missing, and holds its lock. CannotStart when it is in use or cannot be used."""
    try:
        make(path)
        lock = os.open(path / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise CannotStart(unusable(path, error)) from None
    folder = DataFolder(path=path, lock=lock)
    try:
        await take(folder)
        try:
            furnish(folder)
        except OSError as error:
            raise CannotStart(unusable(path, error)) from None
        yield folder
    finally:
        os.close(lock)


def running_database(path: Path) -> str | None:
    """Where the Postgres of the Duetime that runs on this folder listens; None when none does.

    CannotStart when it cannot be told.
    """
    try:
        with (path / LOCK).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
            raise CannotStart(unusable(path, error)) from None
    else:
        return None
    try:
        return (path / DATABASE_URL).read_text()
    except OSError as error:
        raise CannotStart(
            f"a Duetime runs on the data folder {path}, but where its Postgres listens cannot be read "
            f"({error.strerror}); wait until it is ready, or name another folder with DUETIME_DATA_DIR"
        ) from None


def make(path: Path) -> None:
    """Makes the folder, unless what is there is plainly something else."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    present = {entry.name for entry in path.iterdir()} - NOT_OURS_BUT_HARMLESS
    if present and LOCK not in present:
        raise CannotStart(
            f"the data folder {path} holds other things; name a new or an empty folder with DUETIME_DATA_DIR"
        )


def furnish(folder: DataFolder) -> None:
    """Makes the folder private, and fit for what comes into it."""
    folder.path.chmod(0o700)
    # Wherever the folder is, the git tree around it stays clean.
    (folder.path / ".gitignore").write_text("*\n")
    folder.logs.mkdir(mode=0o700, exist_ok=True)
    for path in (folder.path / LOCK, folder.path / ".gitignore", folder.logs):
        folder.give_to_owner(path)


def unusable(path: Path, error: OSError) -> str:
    """The one line for a folder that the file system refuses."""
    culprit = f" ({error.filename})" if error.filename and str(error.filename) != str(path) else ""
    return (
        f"the data folder {path} cannot be used: {error.strerror}{culprit}; make it writable or name another with "
        "DUETIME_DATA_DIR"
    )


async def take(folder: DataFolder) -> None:
    """Takes the lock, waiting for the servers of an instance that was killed, but not for one that lives."""
    give_up_at = time.monotonic() + LAST_INSTANCE_ENDS_WITHIN.total_seconds()
    while True:
        try:
            fcntl.flock(folder.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise CannotStart(unusable(folder.path, error)) from None
        else:
            break
        holder = os.pread(folder.lock, 20, 0).decode(errors="replace").strip()
        if not holder.isdigit() or lives(int(holder)):
            raise CannotStart(
                f"the data folder {folder.path} is in use by another Duetime (process {holder or 'unknown'}); "
                "stop that one, or name another folder with DUETIME_DATA_DIR"
            )
        if time.monotonic() > give_up_at:
            raise CannotStart(
                f"the servers of an earlier Duetime (process {holder}) still use the data folder "
                f"{folder.path}; end them"
            )
        await asyncio.sleep(0.05)
    os.ftruncate(folder.lock, 0)
    os.pwrite(folder.lock, f"{os.getpid()}\n".encode(), 0)


def lives(pid: int) -> bool:
    """Whether there is a process of this number, whoever owns it."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
