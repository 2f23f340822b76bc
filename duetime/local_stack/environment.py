"""The environment of the embedded servers and of their helper programs."""

import os

PASSED_ON = ("PATH", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
"""Variables that a program may need in order to run. It does not get any others, such as DUETIME_SECRET_KEY: an
attacker who breaks into a server, or another user who runs it for root, could read them.
"""


def server_environment() -> dict[str, str]:
    """Return the variables for a server, with a locale that every system has."""
    return {name: os.environ[name] for name in PASSED_ON if name in os.environ} | {"LC_ALL": "C"}
