"""Measures the lines and branches that the tests execute: a plugin of pytest that `make test` loads.

SlipCover adds probes to the code of modules at their import, which take a fifth of the CPU time of a request. A tracer
triples it.
"""

import json
import os
from itertools import count
from pathlib import Path

from slipcover import FileMatcher, ImportManager, Slipcover  # type: ignore[import-untyped]

from tests.support.xdist_worker import PROCESS

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".coverage"
PACKAGES = ("duetime", "graphql_api", "jobs", "db")
NEVER = -1
"""How often a probe is hit before all that have been hit are removed. The plugin removes them itself."""
REMOVED_AFTER = {16, 32, 64, 128, 256, 512, 1024, 2048}
"""The numbers of tests after which the probes that have been hit are removed, which takes a tenth of a second.

Most are hit by the first tests.
"""
EXCLUDED = [r"@(typing\.)?overload", r"\.\.\.$"]


def measure(*packages: str, unseen: bool = False) -> Slipcover:
    """Measure the modules of these packages that are imported from now on.

    With `unseen` the result includes modules that are never imported, which takes a moment.
    """
    sources = [str(ROOT / package) for package in packages]
    found = sources if unseen else None
    measuring = Slipcover(branch=True, source=found, d_miss_threshold=NEVER, exclude_also=EXCLUDED)
    ImportManager(measuring, FileMatcher(sources=sources)).__enter__()
    return measuring


def write(measuring: Slipcover) -> None:
    """Write what this process has executed to a file of its own."""
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{os.getpid()}.json").write_text(json.dumps(measuring.get_coverage()))


# No test runs in the process that starts those of pytest-xdist.
of_tests = measure(*PACKAGES, unseen=PROCESS == 0) if "PYTEST_XDIST_WORKER" in os.environ else None
ended = count(1)


def pytest_runtest_logfinish() -> None:
    """Remove probes that have been hit."""
    if of_tests is not None and next(ended) in REMOVED_AFTER:
        of_tests.deinstrument_seen()


def pytest_sessionfinish() -> None:
    """Write what the tests have executed."""
    if of_tests is not None:
        write(of_tests)
