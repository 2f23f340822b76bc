"""Imports that are deferred until a command needs them."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

COMMAND_OF_HTTPX = "httpx._main"
MANY_MODULES = 100
"""With fewer, what else the process has would be exempted for little."""


@contextmanager
def lazy_imports() -> Iterator[None]:
    """Exempt what the block imports from garbage collection, and have httpx imported without its command.

    The collector would repeatedly scan the objects that modules create, which all stay: a sixth of the import time, and
    at the end of the process a quarter of it. The command of httpx would import rich and pygments: another twentieth.
    """
    gc.disable()
    imported = len(sys.modules)
    present = COMMAND_OF_HTTPX in sys.modules
    if not present:
        sys.modules[COMMAND_OF_HTTPX] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if not present:
            del sys.modules[COMMAND_OF_HTTPX]
        if len(sys.modules) - imported >= MANY_MODULES:
            gc.freeze()
        gc.enable()
