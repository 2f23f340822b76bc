"""CONTRIBUTING.md and the Makefile: what they mention exists."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "CONTRIBUTING.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()
# Files that the program or a build creates.
GENERATED = {".data/", "graphql_api/static/"}


def targets() -> set[str]:
    """Return the targets of the Makefile that a user can name."""
    return set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))


def test_every_path_in_the_guide_exists() -> None:
    """A path is whatever has a slash or a suffix of a file in backticks or in an example command."""
    quoted = re.findall(r"`([\w./-]+(?:/|\.\w+))`", GUIDE)
    in_commands = re.findall(r"\btests/[\w./-]+", GUIDE)
    assert quoted
    assert in_commands
    assert [path for path in {*quoted, *in_commands} - GENERATED if not (ROOT / path).exists()] == []


def test_every_target_in_the_guide_exists() -> None:
    """The guide names targets as `make TARGET`."""
    named = set(re.findall(r"`make ([a-z-]+)`", GUIDE))
    assert named
    assert named <= targets()


def test_make_help_lists_every_target() -> None:
    """`make help` lists the targets with a comment after `##`, and .PHONY has the same ones."""
    listed = set(re.findall(r"^([a-z-]+):.*## ", MAKEFILE, re.MULTILINE))
    [phony] = re.findall(r"^\.PHONY: (help (?:.*\\\n)*.*)$", MAKEFILE, re.MULTILINE)
    assert listed == targets() == set(phony.replace("\\", " ").split())
