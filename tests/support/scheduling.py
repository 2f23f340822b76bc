"""Distribution of the tests by pytest-xdist: tests of faults in groups, because each of them starts seven processes."""

from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

FAULTS = "tests/faults/"
OF_SERVERS = tuple(FAULTS + name for name in ("test_clocks", "test_postgres", "test_redis"))


class Scheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Run the tests of faults in two groups, which begin first and take equally long, and every other test by itself.

    `--dist loadgroup` of pytest-xdist 3.8 forms no groups with pytest 9.2.
    """

    def _split_scope(self, nodeid: str) -> str:
        if not nodeid.startswith(FAULTS):
            return nodeid
        return "faults of servers" if nodeid.startswith(OF_SERVERS) else "other faults"
