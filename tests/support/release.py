"""The code of an earlier release, from the history of the repository, to run beside the present one."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FIRST = "f59eafbf79141bbbd2331cdb50014ff3bdfbd200"
"""Release 0.1.0."""
PACKAGES = ("duetime", "graphql_api", "jobs", "db", "alembic")


def unpacked(commit: str, folder: Path) -> Path:
    """Write the packages of a commit into a folder, and return it. It goes into PYTHONPATH.

    Skips the test in a clone without the history.
    """
    packed = subprocess.run(
        ["git", "archive", "--format=tar", commit, *PACKAGES], cwd=ROOT, capture_output=True, check=False
    )
    if packed.returncode != 0:
        pytest.skip(f"the clone has no history: run git fetch --unshallow ({packed.stderr.decode().strip()})")
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["tar", "--extract", "--directory", folder], input=packed.stdout, check=True)
    return folder
