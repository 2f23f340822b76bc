# ruff: noqa: T201 (a program, which prints)
"""A program: whether the lock files hold exactly what pyproject.toml asks for, and what that needs in turn.

It compares them with what is installed, which came from them by hash, and asks no index: a mirror may be all that there
is, and an index that has grown since must not fail a tree that has not changed.
"""

import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LOCKS = {"requirements.txt": "build", "requirements-pages.txt": "pages", "requirements-dev.txt": "dev"}
# Locked by themselves: who builds the pages needs nothing of the project.
ALONE = {"pages"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """One line of a lock file."""

    requirement: Requirement
    hashed: bool

    @property
    def version(self) -> str:
        """The one version that it allows."""
        return next(iter(self.requirement.specifier)).version


def pins(path: Path) -> dict[str, Pin]:
    """The lines of a lock file by name."""
    logical = path.read_text().replace("\\\n", " ").splitlines()
    found: dict[str, Pin] = {}
    for line in logical:
        requirement = Requirement(line.split("--hash=")[0].strip())
        found[canonicalize_name(requirement.name)] = Pin(requirement=requirement, hashed="--hash=sha256:" in line)
    return found


def asked_for(project: dict[str, Any], group: str) -> Iterator[Requirement]:
    """The project's own requirements and those of a dependency group, with the groups that it includes (PEP 735)."""
    if group not in ALONE:
        yield from map(Requirement, project["project"]["dependencies"])
    for entry in project["dependency-groups"][group]:
        if isinstance(entry, str):
            yield Requirement(entry)
        else:
            yield from asked_for(project, entry["include-group"])


def applies(requirement: Requirement, extra: str = "") -> bool:
    """Whether its marker holds on this system."""
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def problems(project: dict[str, Any], group: str, locked: dict[str, Pin]) -> Iterator[str]:
    """What keeps a lock from being the one that the project asks for."""
    needed: set[str] = set()
    visited: set[tuple[str, str]] = set()
    waiting: list[tuple[Requirement, str]] = [
        (requirement, "pyproject.toml") for requirement in asked_for(project, group)
    ]
    while waiting:
        requirement, asker = waiting.pop()
        name = str(canonicalize_name(requirement.name))
        pin = locked.get(name)
        if pin is None or not requirement.specifier.contains(pin.version, prereleases=True):
            yield f"{asker} asks for {requirement}, and locked is {pin and pin.version}"
            continue
        if not applies(requirement):
            continue
        needed.add(name)
        try:
            installed = distribution(name)
        except PackageNotFoundError:
            yield f"{name} is not installed"
            continue
        if installed.version != pin.version:
            yield f"{name} {installed.version} is installed, and locked is {pin.version}"
        for extra in {"", *requirement.extras} - {extra for known, extra in visited if known == name}:
            visited.add((name, extra))
            for text in installed.requires or []:
                further = Requirement(text)
                if applies(further, extra):
                    # Decided here, where the extra is known.
                    further.marker = None
                    waiting.append((further, name))
    for name, pin in locked.items():
        if not pin.hashed:
            yield f"{name} has no hash"
        if name not in needed and applies(pin.requirement):
            yield f"{name} is locked, and nothing asks for it"


def main() -> int:
    """0 when both locks are right; else 1, and what is wrong on stderr."""
    project = tomllib.loads(Path("pyproject.toml").read_text())
    stale = False
    for name, group in LOCKS.items():
        for problem in problems(project, group, pins(Path(name))):
            stale = True
            print(f"{name} is stale ({problem}): run `make lock`", file=sys.stderr)
    if not stale:
        print("The lock is what pyproject.toml asks for.")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
