"""Imports that wait until a command needs them."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def lazy_imports() -> Iterator[None]:
    """Stop garbage collection until the block ends, because what a module creates stays.

    The collector would look at all of it again and again, which takes a sixth of the time of the imports.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
