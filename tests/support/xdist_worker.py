"""The number of this pytest-xdist process, and how many there are. Without pytest-xdist it is 0 of 1."""

import os

PROCESS = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
PROCESSES = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
