"""A program of its own: runs one server, and stops it when the command that asked for it has ended, however it ended.

The command holds the write end of a pipe, this process the read end, and nobody else either. When the command stops the
server, or ends, or is killed with SIGKILL, the read end comes to its end, and the server is stopped. The kernel's own
parent-death signal would not do: it is cleared when a process changes its user, and macOS has none.

It is started as ``python -I -S watchdog.py ORDER`` with ORDER a JSON object, so it imports nothing but what it needs.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from types import FrameType


def carry_on(_signal: int, _frame: FrameType | None) -> None:
    """Ignores a signal: the pipe alone decides. (SIG_IGN would be inherited by the server.)"""


def main() -> int:
    """Runs the server to its end and returns its exit status, 128 + n after signal n."""
    order = json.loads(sys.argv[1])
    for harmless in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(harmless, carry_on)
    server = subprocess.Popen(  # noqa: S603 (the command's own order)
        order["command"],
        pass_fds=order["keep"],
        user=order["user"],
        group=order["group"],
        extra_groups=None if order["user"] is None else [],
        umask=0o077,
    )
    ended = threading.Event()

    def stop_when_released() -> None:
        while os.read(order["pipe"], 1):
            pass
        for name, patience in order["stop"]:
            server.send_signal(signal.Signals[name])
            if ended.wait(patience):
                return
        server.kill()

    threading.Thread(target=stop_when_released, daemon=True).start()
    status = server.wait()
    ended.set()
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main())
