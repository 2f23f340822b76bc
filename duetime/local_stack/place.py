"""Chooses the folder of Postgres's data, the programs, and the user that runs them. Only root needs a choice."""

import os
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from duetime.errors import CannotStart
from duetime.local_stack.binaries import Binaries, copy_binaries, find_binaries
from duetime.local_stack.data_folder import DataFolder
from duetime.local_stack.os_user import OsUser, choose_user
from duetime.settings import DuetimeSettings

FALLBACK = Path("/var/lib/duetime")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """`parent` contains Postgres's folder. `user` is None if the servers run as the current user."""

    parent: Path
    binaries: Binaries
    user: OsUser | None

    @property
    def cluster(self) -> Path:
        """Return Postgres's own data folder (PGDATA)."""
        return self.parent / "postgres"


def choose_place(folder: DataFolder, settings: DuetimeSettings) -> Place:
    """Return the data folder and the programs, or copies elsewhere if root's user for the servers cannot reach them.

    Raise CannotStart if that user can reach neither.
    """
    binaries = find_binaries(postgres_bin=settings.postgres_bin, valkey_bin=settings.valkey_bin)
    user = choose_user(folder.path)
    if user is None:
        return Place(parent=folder.path, binaries=binaries, user=None)
    here = Place(parent=folder.path, binaries=binaries, user=user)
    elsewhere = place_elsewhere(folder.path)
    try:
        open_to(user, folder.path)
        reaches_folder = user.can_enter(folder.path)
        reaches_binaries = user.can_run(binaries.postgres_bin / "initdb") and user.can_run(binaries.valkey)
        # Files that were moved elsewhere stay there, even if the user can now reach the data folder.
        if reaches_folder and reaches_binaries and not (elsewhere / "postgres").exists():
            return here
        if here.cluster.exists():
            raise CannotStart(
                f"the user {user.name}, who runs Postgres instead of root, can no longer reach {here.cluster} and "
                f"{binaries.postgres_bin}; give that user access to the folders above them again"
            )
        if not reaches_binaries:
            if settings.postgres_bin or settings.valkey_bin:
                raise CannotStart(
                    f"the user {user.name}, who runs the servers instead of root, cannot run {binaries.postgres_bin} "
                    f"and {binaries.valkey}; give that user access to the folders above them"
                )
            elsewhere.mkdir(parents=True, exist_ok=True)
            binaries = copy_binaries(elsewhere / "binaries")
        elsewhere.mkdir(parents=True, exist_ok=True)
        open_to(user, elsewhere)
    except OSError as error:
        raise CannotStart(
            f"the user {user.name}, who runs Postgres instead of root, cannot reach {folder.path}, and {elsewhere} "
            f"cannot be used instead: {error.strerror}; set DUETIME_DATA_DIR to a folder that every user can enter"
        ) from None
    return Place(parent=elsewhere, binaries=binaries, user=user)


def place_elsewhere(data_folder: Path) -> Path:
    """Return the folder for Postgres's data if the servers' user cannot reach the data folder."""
    return FALLBACK / sha256(str(data_folder.resolve()).encode()).hexdigest()[:16]


def open_to(user: OsUser, folder: Path) -> None:
    """Let only this user pass through a folder of root to the files below it."""
    owner = folder.stat()
    if owner.st_uid == 0:
        os.chown(folder, 0, user.gid)
        folder.chmod(0o710)
