"""Threads for calls that may hang, and that nobody should wait for when the process ends."""

from collections.abc import Callable
from concurrent.futures import Executor, Future
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any, ParamSpec, TypeVar

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class DaemonThreads(Executor):
    """An executor of at most `most` threads, which start when they are needed.

    The process ends without waiting for them. Python joins the threads of its own `ThreadPoolExecutor` at exit, and a
    name whose servers do not answer is looked up for half a minute.
    """

    def __init__(self, most: int, *, name: str) -> None:
        self._most = most
        self._name = name
        self._calls: SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = SimpleQueue()
        self._lock = Lock()
        self._started = 0
        self._idle = 0

    def submit(
        self, call: Callable[Parameters, Result], /, *arguments: Parameters.args, **named: Parameters.kwargs
    ) -> Future[Result]:
        """Run a call in the next thread that is free, and return its future result."""
        result: Future[Result] = Future()
        self._calls.put((result, lambda: call(*arguments, **named)))
        with self._lock:
            if self._idle:
                self._idle -= 1
            elif self._started < self._most:
                self._started += 1
                Thread(target=self._run, name=f"{self._name} {self._started}", daemon=True).start()
        return result

    def _run(self) -> None:
        while True:
            result, call = self._calls.get()
            if result.set_running_or_notify_cancel():
                try:
                    result.set_result(call())
                except BaseException as error:
                    result.set_exception(error)
            with self._lock:
                self._idle += 1
