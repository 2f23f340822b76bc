"""The private folder with the local stack's data, and the lock that only one instance at a time can hold."""

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
OWNER_URL = "owner.url"
# New volumes and file managers create these in folders that are otherwise empty.
IGNORED_ENTRIES = {"lost+found", ".DS_Store"}
# The servers of a killed instance end within this time (see `postgres.STOP`).
SHUTDOWN_TIMEOUT = timedelta(seconds=45)
MAX_LOG_BYTES = 10 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFolder:
    """An open data folder. The servers inherit `lock`, so it is released only when the last of them has ended."""

    path: Path
    lock: int

    @property
    def logs(self) -> Path:
        """Return the folder with the servers' logs."""
        return self.path / "logs"

    def log(self, name: str) -> Path:
        """Return the path of a server's log file. Rotate the file if it is large."""
        path = self.logs / f"{name}.log"
        if path.exists() and path.stat().st_size > MAX_LOG_BYTES:
            path.replace(path.with_suffix(".old.log"))
        self.give_to_owner(path)
        return path

    def secret(self, name: str, *, generate: Callable[[], str] = secrets.token_urlsafe) -> str:
        """Return the secret with this name. Generate it on first use."""
        path = self.path / name
        if not path.exists():
            unfinished = path.with_suffix(".new")
            unfinished.touch(mode=0o600)
            unfinished.write_text(generate())
            self.give_to_owner(unfinished)
            unfinished.replace(path)
        return path.read_text()

    def secret_key(self) -> str:
        """Return the key that encrypts the tasks' secrets, in the format of DUETIME_SECRET_KEY."""
        return self.secret("secret.key", generate=lambda: base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode())

    def save_database_urls(self, *, application: str, owner: str) -> None:
        """Save the URLs of the running Postgres, passwords included, for other commands on this folder."""
        for name, url in ((OWNER_URL, owner), (DATABASE_URL, application)):
            path = self.path / name
            self.give_to_owner(path)
            path.write_text(url)

    def give_to_owner(self, path: Path) -> None:
        """Create a private file if it is missing. As root, give it to the folder's owner, who may run Duetime later."""
        path.touch(mode=0o600)
        if os.geteuid() == 0:
            owner = self.path.stat()
            os.chown(path, owner.st_uid, -1, follow_symlinks=False)


@asynccontextmanager
async def open_data_folder(path: Path) -> AsyncIterator[DataFolder]:
    """Create the folder if it is missing, and hold its lock. Raise CannotStart if it is in use or unusable."""
    try:
        create(path)
        lock = os.open(path / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise CannotStart(unusable(path, error)) from None
    folder = DataFolder(path=path, lock=lock)
    try:
        await acquire_lock(folder)
        try:
            prepare(folder)
        except OSError as error:
            raise CannotStart(unusable(path, error)) from None
        yield folder
    finally:
        os.close(lock)


def running_database(path: Path) -> tuple[str, str] | None:
    """Return the URLs of the Postgres that runs on this folder, for the application and for the owner.

    Return None if no instance of Duetime runs on the folder. Raise CannotStart if the folder cannot be read.
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
        return (path / DATABASE_URL).read_text(), (path / OWNER_URL).read_text()
    except OSError as error:
        raise CannotStart(
            f"Duetime is running on the data folder {path}, but the address of its Postgres cannot be read "
            f"({error.strerror}); wait until it is ready, or set DUETIME_DATA_DIR to another folder"
        ) from None


def create(path: Path) -> None:
    """Create the folder if it is missing. Raise CannotStart if it contains something other than Duetime's data."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    present = {entry.name for entry in path.iterdir()} - IGNORED_ENTRIES
    if present and LOCK not in present:
        raise CannotStart(f"the data folder {path} contains other files; set DUETIME_DATA_DIR to a new or empty folder")


def prepare(folder: DataFolder) -> None:
    """Make the folder private, and create what belongs into every data folder."""
    folder.path.chmod(0o700)
    # If the folder is inside a git repository, git ignores it.
    (folder.path / ".gitignore").write_text("*\n")
    folder.logs.mkdir(mode=0o700, exist_ok=True)
    for path in (folder.path / LOCK, folder.path / ".gitignore", folder.logs):
        folder.give_to_owner(path)


def unusable(path: Path, error: OSError) -> str:
    """Return the message for a folder that cannot be created, read or written."""
    culprit = f" ({error.filename})" if error.filename and str(error.filename) != str(path) else ""
    return (
        f"the data folder {path} cannot be used: {error.strerror}{culprit}; make it writable, or set DUETIME_DATA_DIR "
        "to another folder"
    )


async def acquire_lock(folder: DataFolder) -> None:
    """Acquire the lock. Wait for the servers of an instance that was killed, but not for a running instance."""
    give_up_at = time.monotonic() + SHUTDOWN_TIMEOUT.total_seconds()
    while True:
        try:
            fcntl.flock(folder.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise CannotStart(unusable(folder.path, error)) from None
        else:
            break
        holder = os.pread(folder.lock, 20, 0).decode(errors="replace").strip()
        if not holder.isdigit() or is_alive(int(holder)):
            raise CannotStart(
                f"the data folder {folder.path} is in use by another Duetime (process {holder or 'unknown'}); "
                "stop that one, or set DUETIME_DATA_DIR to another folder"
            )
        if time.monotonic() > give_up_at:
            raise CannotStart(
                f"the servers of an earlier Duetime (process {holder}) still use the data folder {folder.path}; "
                "stop them"
            )
        await asyncio.sleep(0.05)
    os.ftruncate(folder.lock, 0)
    os.pwrite(folder.lock, f"{os.getpid()}\n".encode(), 0)


def is_alive(pid: int) -> bool:
    """Return whether a process with this ID exists, whichever user owns it."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
