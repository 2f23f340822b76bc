"""What the tests of faults share: one cluster, repaired before each test, and a table of the findings at the end."""

from collections.abc import AsyncIterator, Generator
from datetime import timedelta

import pytest
import pytest_asyncio

from tests.faults.checker import Findings
from tests.faults.cluster import Cluster, running_cluster

ROW = "row of the table of faults"
TIMEOUT = 300


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the tests that use the cluster more time."""
    for item in items:
        if "shared_cluster" in getattr(item, "fixturenames", ()) and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(TIMEOUT))


class Report:
    """Collects the rows that one test adds to the table.

    They are properties of the test, which reach the process that prints the table.
    """

    def __init__(self, properties: list[tuple[str, object]]) -> None:
        self._properties = properties

    def add(self, fault: str, findings: Findings, *, recovery: timedelta | None = None) -> None:
        """Add a row of the table: the fault, what the checker found, and how long the recovery took."""
        recovered = "" if recovery is None else f"{recovery.total_seconds():.1f}"
        row = (
            f"{fault:<42} {findings.runs:>6} {len(findings.lost):>5} {len(findings.doubled):>8} "
            f"{len(findings.early):>6} {findings.resent:>7} {findings.lateness:>24} {recovered:>11}"
        )
        self._properties.append((ROW, row))


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Report:
    """Return the report to which a test adds what it measured."""
    return Report(request.node.user_properties)


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def shared_cluster() -> AsyncIterator[Cluster]:
    """Run the cluster of all tests in this folder."""
    async with running_cluster() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def cluster(shared_cluster: Cluster) -> Cluster:
    """Return the cluster with all of its processes running."""
    await shared_cluster.mend()
    return shared_cluster


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the logs of the cluster's processes to the report of a test that has failed."""
    report = yield
    cluster = getattr(item, "funcargs", {}).get("cluster")
    if report.failed and isinstance(cluster, Cluster):
        report.sections += [("Log", process.log_tail()) for process in cluster.processes]
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the findings even if nothing failed, since the figures are half of the point."""
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
