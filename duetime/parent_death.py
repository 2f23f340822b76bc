"""Stops the API and the worker of `duetime up` when it ends, even if it is killed.

Only `up` holds the write end of a pipe, and its child processes hold the read end. When `up` ends, for whatever
reason, the read end reports end-of-file, and the child process stops itself as if it had received SIGTERM.
"""

import os
import signal
import threading
import time
from datetime import timedelta

VARIABLE = "DUETIME_PARENT_PIPE"
# Without `up` the embedded servers end too, and then a graceful shutdown may never finish.
GRACE = timedelta(seconds=5)


def watch() -> bool:
    """Watch the pipe that `up` passed to this process, and return whether `up` has started it."""
    descriptor = os.environ.pop(VARIABLE, "")
    if descriptor:
        threading.Thread(target=end_with_pipe, args=[int(descriptor)], name="parent-death", daemon=True).start()
    return bool(descriptor)


def end_with_pipe(pipe: int) -> None:
    """Block until the pipe ends, then end this process."""
    while os.read(pipe, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE.total_seconds())
    os._exit(1)
