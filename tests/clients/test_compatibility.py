"""The table of clients in docs/compatibility.md: it has the versions that the tests run, and names tests that exist."""

import json
import re
from importlib.metadata import version

from tests.support.lock import pins
from tests.support.node import TESTS

ROOT = TESTS.parent
PAGE = (ROOT / "docs" / "compatibility.md").read_text("utf-8")
CLIENTS = PAGE.split("## Clients", 1)[1]
ROWS = dict(re.findall(r"^\| ([@\w/.-]+)(?: \(Python\))? \| (\d[\d.]*) \|", CLIENTS, re.MULTILINE))


def test_versions_are_those_that_are_tested() -> None:
    """A package of npm has the version of the lock file, and one of Python that which is installed."""
    locked = json.loads((TESTS / "package-lock.json").read_text())["packages"]
    installed = {
        name.removeprefix("node_modules/"): package["version"]
        for name, package in locked.items()
        if name.startswith("node_modules/")
    }
    generator = pins(ROOT / "requirements-ariadne.txt")["ariadne-codegen"]
    installed |= {"gql": version("gql"), "ariadne-codegen": generator.version}
    assert len(ROWS) > 10
    assert {name: installed.get(name) for name in ROWS} == ROWS


def test_every_named_test_exists() -> None:
    """Paths are of files and folders."""
    named = re.findall(r"`(tests/[\w./]+)`", PAGE)
    assert named
    assert [path for path in named if not (ROOT / path).exists()] == []
