"""What the tests of faults share: one stage, mended before each of them, and a table of what they found at the end."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio

from tests.faults.checker import Findings
from tests.faults.cluster import Stage, running_stage

ROW = "row of the table of faults"
TIMEOUT = 300


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the tests of the stage more time, and spare them the tracer."""
    for item in items:
        if "everything" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.unmeasured)
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(TIMEOUT))


class Report:
    """The rows that one test adds to the table; as properties of the test they reach the process that prints it."""

    def __init__(self, properties: list[tuple[str, object]]) -> None:
        self._properties = properties

    def add(self, fault: str, found: Findings, *, recovery: timedelta | None = None) -> None:
        """Add a row: the fault, what the checker found, and how long the recovery took."""
        recovered = "" if recovery is None else f"{recovery.total_seconds():.1f}"
        row = (
            f"{fault:<42} {found.runs:>6} {len(found.lost):>5} {len(found.doubled):>8} {len(found.early):>6} "
            f"{found.resent:>7} {found.lateness:>24} {recovered:>11}"
        )
        self._properties.append((ROW, row))


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Report:
    """Return where a test reports what it measured."""
    return Report(request.node.user_properties)


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


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what was found, also when nothing failed: the figures are half of the point."""
    reports = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    rows = [row for report in reports if report.when == "call" for name, row in report.user_properties if name == ROW]
    if not rows:
        return
    terminalreporter.section("faults")
    terminalreporter.write_line(
        f"{'fault':<42} {'runs':>6} {'lost':>5} {'doubled':>8} {'early':>6} {'resent':>7} "
        f"{'lateness p50/p99/max ms':>24} {'recovery s':>11}"
    )
    for row in rows:
        terminalreporter.write_line(row)
