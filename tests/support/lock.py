# ruff: noqa: T201 (a command-line program prints)
"""Checks that the lock files contain exactly the requirements of pyproject.toml and their dependencies.

It compares them with the installed packages, which were installed from them by hash. It asks no package index, because
there may be only a mirror, and a new release on an index must not fail a tree that has not changed.
"""

import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LOCKS = {
    "requirements.txt": "build",
    "requirements-pages.txt": "pages",
    "requirements-dev.txt": "dev",
    "requirements-ariadne.txt": "ariadne",
}
# These are locked without the project: a build of the pages needs none of its dependencies, and ariadne-codegen needs
# another version of one.
STANDALONE = {"pages", "ariadne"}
# Folders of packages that come before those of the environment, and are locked without their dependencies.
FOLDERS = {"ariadne": ".venv/ariadne"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """One line of a lock file."""

    requirement: Requirement
    hashed: bool

    @property
    def version(self) -> str:
        """Return the only version that it allows."""
        return next(iter(self.requirement.specifier)).version


def pins(path: Path) -> dict[str, Pin]:
    """Return the pins of a lock file by package name."""
    logical = path.read_text().replace("\\\n", " ").splitlines()
    pins_by_name: dict[str, Pin] = {}
    for line in logical:
        requirement = Requirement(line.split("--hash=")[0].strip())
        pins_by_name[canonicalize_name(requirement.name)] = Pin(
            requirement=requirement, hashed="--hash=sha256:" in line
        )
    return pins_by_name


def requirements_of(project: dict[str, Any], group: str) -> Iterator[Requirement]:
    """Yield the requirements of the project, its extras and a dependency group, including nested groups (PEP 735)."""
    if group not in STANDALONE:
        yield from map(Requirement, project["project"]["dependencies"])
        for extra in project["project"]["optional-dependencies"].values():
            yield from map(Requirement, extra)
    for entry in project["dependency-groups"][group]:
        if isinstance(entry, str):
            yield Requirement(entry)
        else:
            yield from requirements_of(project, entry["include-group"])


def installed_in(group: str, name: str) -> Distribution:
    """Return an installed package, from the group's own folder if it has one. Raises `PackageNotFoundError`."""
    if group not in FOLDERS:
        return distribution(name)
    for found in Distribution.discover(name=name, path=[FOLDERS[group]]):
        return found
    raise PackageNotFoundError(name)


def applies(requirement: Requirement, extra: str = "") -> bool:
    """Return whether the marker of a requirement matches this system."""
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def problems(project: dict[str, Any], group: str, locked: dict[str, Pin]) -> Iterator[str]:
    """Yield the differences between a lock file and the requirements of the project."""
    needed: set[str] = set()
    visited: set[tuple[str, str]] = set()
    waiting: list[tuple[Requirement, str]] = [
        (requirement, "pyproject.toml") for requirement in requirements_of(project, group)
    ]
    while waiting:
        requirement, source = waiting.pop()
        name = str(canonicalize_name(requirement.name))
        pin = locked.get(name)
        if pin is None or not requirement.specifier.contains(pin.version, prereleases=True):
            yield f"{source} requires {requirement}, but {pin.version if pin else 'nothing'} is locked"
            continue
        if not applies(requirement):
            continue
        needed.add(name)
        try:
            installed = installed_in(group, name)
        except PackageNotFoundError:
            yield f"{name} is not installed"
            continue
        if installed.version != pin.version:
            yield f"{name} {installed.version} is installed, but {pin.version} is locked"
        if group in FOLDERS:
            continue
        for extra in {"", *requirement.extras} - {extra for known, extra in visited if known == name}:
            visited.add((name, extra))
            for text in installed.requires or []:
                further = Requirement(text)
                if applies(further, extra):
                    # The marker is evaluated here, where the extra is known.
                    further.marker = None
                    waiting.append((further, name))
    for name, pin in locked.items():
        if not pin.hashed:
            yield f"{name} has no hash"
        if name not in needed and applies(pin.requirement):
            yield f"{name} is locked, but nothing requires it"


def main() -> int:
    """Print every difference on stderr. Return 1 if there is any, else 0."""
    project = tomllib.loads(Path("pyproject.toml").read_text())
    stale = False
    for name, group in LOCKS.items():
        for problem in problems(project, group, pins(Path(name))):
            stale = True
            print(f"{name} is stale ({problem}): run `make lock`", file=sys.stderr)
    if not stale:
        print("The lock files match pyproject.toml.")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
