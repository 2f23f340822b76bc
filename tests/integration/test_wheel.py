"""The wheel that `make build` builds: it contains everything that the program needs at run time."""

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.support.command import duetime
from tests.support.servers import Servers

ROOT = Path(__file__).parents[2]
PACKAGES = ("db", "duetime", "graphql_api", "jobs")
MIGRATIONS = "alembic"
# Bytecode and editor files are not sources.
SOURCE_SUFFIXES = {".css", ".gz", ".html", ".js", ".json", ".mako", ".py", ".svg", ".ttf"}


def run(*arguments: str | Path, environment: dict[str, str] | None = None) -> str:
    """Run Python in the source tree, and return what it prints. Fail with its output where it fails."""
    ended = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def sources(folder: str) -> set[str]:
    """Return the source files below a folder of the project, relative to that folder."""
    paths = (ROOT / folder).rglob("*")
    return {path.relative_to(ROOT / folder).as_posix() for path in paths if path.suffix in SOURCE_SUFFIXES}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of a freshly built wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    run("-m", "hatchling", "build", "--target", "wheel", "--directory", folder)
    [path] = folder.glob("*.whl")
    return path


def test_the_wheel_contains_packages_pages_and_migrations(wheel: Path) -> None:
    """The migrations are inside the package db, because a top-level folder alembic would overwrite that library."""
    with ZipFile(wheel) as archive:
        contents = {name for name in archive.namelist() if ".dist-info/" not in name}

    expected = {f"{package}/{path}" for package in PACKAGES for path in sources(package)}
    assert contents == expected | {f"db/{MIGRATIONS}/{path}" for path in sources(MIGRATIONS)}
    assert "graphql_api/static/graphql.html" in contents


def test_an_installed_wheel_migrates_a_database(wheel: Path, tmp_path: Path, servers: Servers) -> None:
    """It finds the migrations inside the installation, which has no source tree beside it."""
    installed = tmp_path / "installed"
    run("-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-compile", "--target", installed, wheel)

    found = run(
        "-P", "-c", "from db.migrations import SCRIPTS; print(SCRIPTS)", environment={"PYTHONPATH": str(installed)}
    )

    with servers.empty_database() as database:
        environment = {"DATABASE_URL": str(database.database_url), "PYTHONPATH": str(installed)}
        migrated = duetime("migrate", cwd=tmp_path, environment=environment)

    assert found == f"{installed / 'db' / 'alembic'}\n"
    assert migrated.returncode == 0, migrated.stderr
    assert migrated.stdout.startswith("Migrated the database from revision none to ")
