"""A separate program that runs one server, and stops it when the command that started the watchdog ends.

Only the command holds the write end of a pipe, and only the watchdog holds the read end. When the command stops the
server, ends, or is killed with SIGKILL, the read end reports end-of-file, and the watchdog stops the server. The
kernel's parent-death signal is not an alternative: it is cleared when a process changes its user, and macOS does not
have it.

The command runs ``python -I -S watchdog.py CONFIGURATION``, with CONFIGURATION a JSON object. It has no access to
installed packages, so it imports the standard library only.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from types import FrameType


def ignore(_signal: int, _frame: FrameType | None) -> None:
    """Ignore a signal, because only the pipe stops the server. The server would inherit SIG_IGN, but not this."""


def main() -> int:
    """Run the server until it ends, and return its exit status, or 128 + n after signal n."""
    configuration = json.loads(sys.argv[1])
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, ignore)
    server = subprocess.Popen(  # noqa: S603 (the command's own configuration)
        configuration["command"],
        pass_fds=configuration["inherited"],
        user=configuration["user"],
        group=configuration["group"],
        extra_groups=None if configuration["user"] is None else [],
        umask=0o077,
    )
    ended = threading.Event()

    def stop_at_end_of_pipe() -> None:
        while os.read(configuration["pipe"], 1):
            pass
        for name, timeout in configuration["stop"]:
            server.send_signal(signal.Signals[name])
            if ended.wait(timeout):
                return
        server.kill()

    threading.Thread(target=stop_at_end_of_pipe, daemon=True).start()
    status = server.wait()
    ended.set()
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main())
