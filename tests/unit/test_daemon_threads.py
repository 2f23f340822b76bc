"""Threads that the end of a process does not wait for."""

import subprocess
import sys
from concurrent.futures import wait
from threading import Event, get_ident

import pytest

from jobs.http.daemon_threads import DaemonThreads

HANGING = """
from threading import Event
from jobs.http.resolver import threads

started = Event()
threads.submit(lambda: (started.set(), Event().wait()))
started.wait()
"""


def test_calls_run_at_the_same_time_up_to_a_number() -> None:
    """A call that finds no free thread waits for one, and a free thread is used again."""
    threads, going_on = DaemonThreads(2, name="test"), Event()

    def call() -> int:
        going_on.wait()
        return get_ident()

    calls = [threads.submit(call) for _ in range(5)]
    going_on.set()
    wait(calls)
    assert len({each.result() for each in calls}) <= 2
    assert threads.submit(get_ident).result() in {each.result() for each in calls}


def test_errors_and_cancellations() -> None:
    """The error of a call is its result, and the thread goes on; a call that was cancelled in time does not run."""
    threads, going_on = DaemonThreads(1, name="test"), Event()
    failing = threads.submit(int, "x")
    with pytest.raises(ValueError, match="invalid literal"):
        failing.result()
    ran: list[int] = []
    holding = threads.submit(going_on.wait)
    cancelled = threads.submit(ran.append, 1)
    assert cancelled.cancel()
    going_on.set()
    assert holding.result()
    assert threads.submit(len, ran).result() == 0


def test_a_process_ends_while_a_name_is_looked_up() -> None:
    """Otherwise an API or a worker that has stopped would wait for a name server that does not answer."""
    subprocess.run([sys.executable, "-c", HANGING], check=True, timeout=60)
