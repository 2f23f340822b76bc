"""Measures the lines and branches that the tests execute: a plugin of pytest that `make test` loads.

SlipCover adds probes to the code of modules at their import, which take a fifth of the CPU time of a request. A tracer
triples it.
"""

import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from slipcover import FileMatcher, ImportManager, Slipcover  # type: ignore[import-untyped]

from tests.support.xdist_worker import PROCESS

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".coverage"
PACKAGES = ("duetime", "graphql_api", "jobs", "db")
NEVER = -1
"""When probes that have been hit are removed: the search for all functions that have them would take half a second."""
EXCLUDED = [r"@(typing\.)?overload", r"\.\.\.$"]


def measure(*packages: str, unseen: bool = False) -> Callable[[], None]:
    """Measure the modules of these packages that are imported from now on, and return what writes the result.

    With `unseen` the result includes modules that are never imported, which takes a moment.
    """
    sources = [str(ROOT / package) for package in packages]
    found = sources if unseen else None
    measuring = Slipcover(branch=True, source=found, d_miss_threshold=NEVER, exclude_also=EXCLUDED)
    ImportManager(measuring, FileMatcher(sources=sources)).__enter__()
    return partial(write, measuring)


def write(measuring: Slipcover) -> None:
    """Write what this process has executed to a file of its own."""
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{os.getpid()}.json").write_text(json.dumps(measuring.get_coverage()))


# No test runs in the process that starts those of pytest-xdist.
write_tests = measure(*PACKAGES, unseen=PROCESS == 0) if "PYTEST_XDIST_WORKER" in os.environ else lambda: None


def pytest_sessionfinish() -> None:
    """Write what the tests have executed."""
    write_tests()
