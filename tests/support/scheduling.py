"""Distribution of the tests by pytest-xdist: the tests of a file share a process, and with it their fixtures."""

from collections.abc import Iterable, Mapping
from itertools import accumulate
from typing import Any

from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

FAULTS = "tests/faults/"
OF_SERVERS = tuple(FAULTS + name for name in ("test_clocks", "test_postgres", "test_redis"))
FAULT_GROUPS = ("faults of servers", "other faults")
BROWSER = "tests/browser/"
WAITING = {
    "tests/integration/test_notifications.py": 102,
    "tests/integration/test_engine.py": 58,
    "tests/integration/test_policies.py": 44,
    "tests/integration/test_flow_limits.py": 29,
    "tests/integration/test_notifications_restarts.py": 29,
    "tests/migration/test_first_release.py": 28,
    "tests/integration/test_slow_clients.py": 26,
    "tests/integration/test_edits_around_instants.py": 25,
    "tests/api/test_process_metrics.py": 20,
    "tests/integration/test_ledger.py": 20,
    "tests/integration/test_servers_away.py": 19,
    "tests/integration/test_self_pause.py": 19,
    "tests/hostile/test_exchange.py": 17,
    "tests/api/test_keys.py": 15,
    "tests/integration/test_redis_servers.py": 14,
    "tests/hostile/test_framing.py": 14,
    "tests/integration/test_standby.py": 13,
    "tests/integration/test_pgbouncer.py": 11,
    "tests/api/test_run_events.py": 11,
    "tests/api/test_rest_execution.py": 11,
    "tests/integration/test_signed_calls.py": 10,
    "tests/integration/test_plans.py": 9,
}
"""The seconds of the long files whose tests mostly wait, from the longest to the shortest."""
COMPUTING = {
    BROWSER: 150,
    "tests/integration/test_command_up.py": 66,
    "tests/integration/test_process_groups.py": 40,
    "tests/hostile/test_fuzz.py": 20,
    "tests/integration/test_startup_auth.py": 23,
    "tests/api/test_rest_by_its_document.py": 21,
    "tests/commands/test_apply.py": 20,
    "tests/integration/test_notifications_inputs.py": 20,
    "tests/commands/test_completion.py": 15,
    "tests/hostile/test_masking.py": 15,
    "tests/api/test_pages.py": 14,
    "tests/api/test_resume_after_every_event.py": 13,
    "tests/hostile/test_local_stack.py": 10,
    "tests/api/test_run_inputs.py": 9,
    "tests/e2e/test_life_of_a_run.py": 9,
    "tests/hostile/test_roles.py": 8,
}
"""The seconds of the long files whose tests mostly compute."""
SHORT = 2
"""The seconds of any other file, on average."""


class Scheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Run the tests of each file in one process; those in browsers in one, because Chromium takes seconds to start, and
    those of faults in two, because they start seven processes.

    `--dist loadgroup` of pytest-xdist 3.8 forms no groups with pytest 9.2.
    """

    _places: Mapping[str, float] = {}

    def _split_scope(self, nodeid: str) -> str:
        if nodeid.startswith(FAULTS):
            return FAULT_GROUPS[not nodeid.startswith(OF_SERVERS)]
        return BROWSER if nodeid.startswith(BROWSER) else nodeid.split("::", maxsplit=1)[0]

    def _assign_work_unit(self, node: Any) -> None:
        self._places = self._places or places(self.workqueue)
        self.workqueue.move_to_end(min(self.workqueue, key=self._places.__getitem__), last=False)
        super()._assign_work_unit(node)


def places(groups: Iterable[str]) -> dict[str, float]:
    """Return where in the order each group begins, from -1 to 1: first the faults.

    Long files come first, so that the processes end together. Waiting and computing are spread evenly, so that
    processors are never idle.
    """
    others = set(groups) - WAITING.keys()
    computing = COMPUTING | dict.fromkeys(sorted(others - COMPUTING.keys()), SHORT)
    return shares(computing) | shares(WAITING) | dict.fromkeys(FAULT_GROUPS, -1.0)


def shares(seconds: Mapping[str, float]) -> dict[str, float]:
    """Return for each file the share of the time of all that has passed when it begins."""
    total = sum(seconds.values())
    return dict(zip(seconds, (begins / total for begins in accumulate(seconds.values(), initial=0)), strict=False))
