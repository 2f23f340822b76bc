"""Limits and reports the second run of tests that failed beside others: a plugin of pytest for `make test`.

A busy machine can stop a process for seconds, and a test that involves time fails then. It passes alone. What passes
only alone may still be a race, so the summary names it.
"""

import pytest

MOST = 10
"""How many failed tests run again. More do not fail by chance, not even on a machine that stops for seconds."""


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Select the tests that failed last, and none if no test failed."""
    config.option.lf = True
    config.option.last_failed_no_failures = "none"


def pytest_collection_finish(session: pytest.Session) -> None:
    """Refuse to run so many tests again that they cannot all have failed by chance."""
    failed = len(session.items)
    if failed > MOST:
        pytest.exit(f"{failed} tests failed; only up to {MOST} run once more", returncode=pytest.ExitCode.TESTS_FAILED)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name the tests that passed only the second time."""
    for report in terminalreporter.stats.get("passed", []):
        terminalreporter.write_line(f"PASSED ONLY ALONE {report.nodeid}", yellow=True)
