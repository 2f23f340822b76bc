"""The account that the servers run as: our own, or, as Postgres refuses root, an unprivileged one instead of root."""

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path

from duetime.errors import CannotStart

UNPRIVILEGED = ("postgres", "nobody")


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account other than our own; we are root and may change into it."""

    name: str
    uid: int
    gid: int

    def can_run(self, program: Path) -> bool:
        """Whether it reaches a program and the libraries that it needs."""
        return self._succeeds([str(program), "--version"])

    def can_enter(self, folder: Path) -> bool:
        """Whether it reaches what lies in a folder."""
        return self._succeeds(["/bin/sh", "-c", 'cd "$0"', str(folder)])

    def _succeeds(self, command: list[str]) -> bool:
        try:
            ended = subprocess.run(  # noqa: S603 (fixed words, and paths from our own settings)
                command, user=self.uid, group=self.gid, extra_groups=[], cwd="/", capture_output=True, check=False
            )
        except PermissionError:
            return False
        return ended.returncode == 0


def servers_account(data_folder: Path) -> Account | None:
    """None: our own. For root the folder's owner, unless that is root as well, or the first unprivileged account."""
    if os.geteuid() != 0:
        return None
    owner = data_folder.stat()
    if owner.st_uid != 0:
        return Account(name=f"user {owner.st_uid}", uid=owner.st_uid, gid=owner.st_gid)
    for name in UNPRIVILEGED:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name=name, uid=entry.pw_uid, gid=entry.pw_gid)
    raise CannotStart(
        f"Postgres does not run as root, and there is no account {' or '.join(UNPRIVILEGED)} to run it as: start as "
        "another user, or name a server with DATABASE_URL"
    )
