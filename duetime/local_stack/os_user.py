"""Chooses the operating system user that runs the servers: Postgres refuses to run as root."""

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path

from duetime.errors import CannotStart
from duetime.local_stack.environment import server_environment

UNPRIVILEGED_NAMES = ("postgres", "nobody")


@dataclass(frozen=True, slots=True, kw_only=True)
class OsUser:
    """A user that root can switch to."""

    name: str
    uid: int
    gid: int

    def can_run(self, program: Path) -> bool:
        """Return whether the user can run a program, which includes reading its libraries."""
        return self._succeeds([str(program), "--version"])

    def can_enter(self, folder: Path) -> bool:
        """Return whether the user can enter a folder."""
        return self._succeeds(["/bin/sh", "-c", 'cd "$0"', str(folder)])

    def _succeeds(self, command: list[str]) -> bool:
        try:
            result = subprocess.run(  # noqa: S603 (fixed arguments, and paths from the settings)
                command,
                user=self.uid,
                group=self.gid,
                extra_groups=[],
                cwd="/",
                env=server_environment(),
                capture_output=True,
                check=False,
            )
        except PermissionError:
            return False
        return result.returncode == 0


def choose_user(data_folder: Path) -> OsUser | None:
    """Return the user that runs the servers, or None for the current user.

    Root switches to the owner of the data folder, or to the first unprivileged user if root owns the folder. Raise
    CannotStart if there is none.
    """
    if os.geteuid() != 0:
        return None
    owner = data_folder.stat()
    if owner.st_uid != 0:
        return OsUser(name=str(owner.st_uid), uid=owner.st_uid, gid=owner.st_gid)
    for name in UNPRIVILEGED_NAMES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return OsUser(name=name, uid=entry.pw_uid, gid=entry.pw_gid)
    raise CannotStart(
        f"Postgres does not run as root, and there is no user {' or '.join(UNPRIVILEGED_NAMES)} that could run it; "
        "start as another user, or set DATABASE_URL to a server"
    )
