"""What servers import at their start."""

import subprocess
import sys

SCRIPT = """
import gc, sys
from duetime.lazy_imports import lazy_imports
with lazy_imports():
    import httpx
assert "httpx._main" not in sys.modules
print("rich" in sys.modules, "pygments" in sys.modules, gc.get_freeze_count() > 0)
"""


def test_httpx_is_imported_without_its_command_and_exempt_from_garbage_collection() -> None:
    """The command would import rich and pygments, which are there for the commands of Duetime."""
    done = subprocess.run([sys.executable, "-P", "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert done.stdout == "False False True\n", done.stderr
