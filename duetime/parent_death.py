"""What ties the API and the workers of `duetime up` to it: a pipe that ends when it does, however it ends.

`up` holds the write end and nobody else does. A child that reads the pipe's end stops itself as if by SIGTERM.
"""

import os
import signal
import threading
import time
from datetime import timedelta

VARIABLE = "DUETIME_LIFELINE"
# Without the command there may be no servers any more, so a graceful end may never come.
PATIENCE = timedelta(seconds=5)


def hold() -> None:
    """Watches the pipe that `up` handed over; nothing in a process that somebody else started."""
    number = os.environ.pop(VARIABLE, "")
    if number:
        threading.Thread(target=wait_for_end, args=[int(number)], name="lifeline", daemon=True).start()


def wait_for_end(pipe: int) -> None:
    """Blocks until the pipe ends, then ends this process."""
    while os.read(pipe, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(PATIENCE.total_seconds())
    os._exit(1)
