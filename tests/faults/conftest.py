"""What the tests of faults share: one stage, mended before each of them, and a table of what they found at the end."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio

from tests.faults.checker import Findings
from tests.faults.cluster import Stage, running_stage

Row = tuple[str, Findings, timedelta | None]
ROWS = pytest.StashKey[list[Row]]()


class Report:
    """Takes in what one test found."""

    def __init__(self, rows: list[Row]) -> None:
        self._rows = rows

    def add(self, fault: str, findings: Findings, *, recovery: timedelta | None = None) -> None:
        """A line of the table: the fault, what the checker found, and how long the recovery took."""
        self._rows.append((fault, findings, recovery))


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Report:
    """Where a test tells what it measured."""
    return Report(request.config.stash.setdefault(ROWS, []))


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def everything() -> AsyncIterator[Stage]:
    """The stage for all tests of this folder."""
    async with running_stage() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def stage(everything: Stage) -> Stage:
    """The stage, with everything on it running."""
    await everything.mend()
    return everything


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Prints what was found, also when nothing failed: the figures are half of the point."""
    rows = config.stash.get(ROWS, [])
    if not rows:
        return
    terminalreporter.section("faults")
    terminalreporter.write_line(
        f"{'fault':<42} {'runs':>6} {'lost':>5} {'doubled':>8} {'early':>6} {'resent':>7} "
        f"{'lateness p50/p99/max ms':>24} {'recovery s':>11}"
    )
    for fault, found, recovery in rows:
        recovered = "" if recovery is None else f"{recovery.total_seconds():.1f}"
        terminalreporter.write_line(
            f"{fault:<42} {found.runs:>6} {len(found.lost):>5} {len(found.doubled):>8} {len(found.early):>6} "
            f"{found.resent:>7} {found.lateness:>24} {recovered:>11}"
        )
