"""A process that has imported Duetime and forks processes of it, each of which starts in a tenth of the CPU time.

`tests.support.forked` starts it. It is small, so that its children share nothing with the process of the tests.
"""

import faulthandler
import gc
import json
import os
import signal
import socket
import struct
import sys
import threading
import time
from typing import NoReturn

from duetime import __file__ as package
from duetime import command
from duetime.lazy_imports import lazy_imports

with lazy_imports():
    # Its children find these imported.
    from db import migrations  # noqa: F401
    from duetime import api, process_group, up, worker  # noqa: F401
    from graphql_api import app  # noqa: F401
    from jobs import worker as jobs_worker  # noqa: F401
    from jobs.legacy import import_database  # noqa: F401

NUMBER = struct.Struct("i")
DESCRIPTORS = 2
"""The output of the process that is wanted, and the socket of its caller."""


def serve(channel: socket.socket) -> socket.socket:
    """Fork a process for each request, until the channel ends. Return in each child the socket of its caller."""
    while True:
        received, descriptors, _, _ = socket.recv_fds(channel, 1, DESCRIPTORS)
        if not received:
            sys.exit()
        output, caller = descriptors[0], socket.socket(fileno=descriptors[1])
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            channel.close()
            if process := os.fork():
                keep(process, caller)
            os.dup2(output, 1)
            os.dup2(output, 2)
            os.close(output)
            return caller
        os.close(output)
        caller.close()


def keep(process: int, caller: socket.socket) -> NoReturn:
    """Tell the caller the ID of the process, and at its end the exit status."""
    caller.sendall(NUMBER.pack(process))
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    caller.sendall(NUMBER.pack(status))
    os._exit(0)


def run(caller: socket.socket) -> None:
    """Run the command that the caller asks for as if this process had been started for it."""
    with caller, caller.makefile() as lines:
        request = json.loads(lines.readline())
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["cwd"])
    time.tzset()
    # With SIGABRT it writes the stack of each thread.
    faulthandler.enable()
    sys.argv = [package.replace("__init__", "__main__"), *request["arguments"]]
    command.main()


if __name__ == "__main__":
    assert threading.active_count() == 1, threading.enumerate()
    # The system reaps the keepers of the processes.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    gc.collect()
    gc.freeze()
    run(serve(socket.socket(fileno=int(sys.argv[1]))))
