"""Fixtures of the tests in a browser."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.settings import LOOPBACK
from tests.support.command import Up, duetime_up, write_key

NAMES = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def chromium() -> str:
    """Return the path of Chromium. CI installs it; elsewhere these tests are skipped with a reason."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip("there is no Chromium here (on Debian: apt-get install chromium)")
    return found


@pytest.fixture
def guarded(data_dir: Path, tmp_path: Path, up_environment: dict[str, str]) -> Iterator[tuple[Up, str]]:
    """Yield a running `duetime up` that wants keys, and a key of the scope write."""
    # The playground's examples call this service, which needs permission where keys are required.
    environment = up_environment | {"DUETIME_AUTH": "keys", "DUETIME_TARGETS_ALLOWED": LOOPBACK}
    with duetime_up(data_dir, environment=environment) as up:
        yield up, write_key(cwd=tmp_path, environment=environment | {"DUETIME_DATA_DIR": str(data_dir)})
