"""The forms of a line of the log, and what is logged at which level."""

import json
import logging
import subprocess
import sys
from collections.abc import Iterator

import pytest

from duetime import logs
from duetime.logs import MAX_TRACEBACK, MAX_VALUE, JsonFormatter, RepetitionLimit
from duetime.settings import LogSettings


@pytest.fixture
def root() -> Iterator[None]:
    """Put the configuration of logging back at the end."""
    logger = logging.getLogger()
    handlers, level = logger.handlers[:], logger.level
    levels = {name: logging.getLogger(name).level for name in (*logs.OWN_PACKAGES, "uvicorn", "httpx")}
    yield
    logger.handlers[:] = handlers
    logger.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)
    logging.captureWarnings(capture=False)


def record(message: str, **extra: object) -> logging.LogRecord:
    """Return a record of the level INFO with fields."""
    made = logging.makeLogRecord({"name": "jobs.engine", "levelno": logging.INFO, "levelname": "INFO", "msg": message})
    vars(made).update({"created": 1_767_258_000.25, **extra})
    return made


def test_a_line_of_json() -> None:
    """Fields keep their type where JSON has it, come after the standard ones, and do not replace them."""
    line = JsonFormatter("worker").format(
        record("Claimed\ndue runs.", runs=3, action="claimed", ok=True, share=0.5, nothing=None, at="x", of=("a", 1))
    )

    assert "\n" not in line
    assert line.startswith('{"at": "2026-01-01T09:00:00.250Z", "level": "info", "process": "worker", ')
    assert json.loads(line) == {
        "at": "2026-01-01T09:00:00.250Z",
        "level": "info",
        "process": "worker",
        "logger": "jobs.engine",
        "message": "Claimed\ndue runs.",
        "action": "claimed",
        "runs": 3,
        "ok": True,
        "share": 0.5,
        "nothing": None,
        "of": "('a', 1)",
    }


def test_what_json_cannot_hold_is_text_of_a_bounded_length() -> None:
    """A number that is not finite is no JSON; a long value and a long traceback lose their middle."""
    made = record("a", infinite=float("inf"), long="x" * 10 * MAX_VALUE)
    made.exc_info = (ValueError, ValueError("y" * 10 * MAX_TRACEBACK), None)
    line = json.loads(JsonFormatter("api").format(made))

    assert line["infinite"] == "inf"
    assert len(line["long"]) < MAX_VALUE + 100
    assert line["traceback"].startswith("ValueError: yyy")
    assert len(line["traceback"]) < MAX_TRACEBACK + 100


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize(
    ("level", "logged"),
    [
        ("debug", ["own debug", "own info", "own error", "library info", "library error", "httpx error"]),
        ("info", ["own info", "own error", "library info", "library error", "httpx error"]),
        ("error", ["own error", "library error", "httpx error"]),
    ],
)
def test_levels(level: str, logged: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Libraries do not log what is less severe than INFO, and some of them than WARNING, at any level."""
    logs.configure("api", LogSettings.model_validate({"level": level.upper(), "format": "JSON"}))
    for name, logger in (("own", "jobs.x"), ("library", "library"), ("httpx", "httpx")):
        for severity in ("debug", "info", "error"):
            logging.getLogger(logger).log(logging.getLevelNamesMapping()[severity.upper()], "%s %s", name, severity)

    assert [json.loads(line)["message"] for line in capsys.readouterr().err.splitlines()] == logged


ENDING = """
import gc
from duetime.logs import configure
from duetime.settings import LogSettings

async def forgotten():
    pass

class Cycle:
    def __init__(self):
        self.itself, self.coroutine = self, forgotten()

configure("api", LogSettings.model_construct())
gc.set_threshold(0)
Cycle()
"""


def test_what_python_warns_of_while_it_ends() -> None:
    """A coroutine that is found only in the last garbage is logged, and the process ends."""
    ended = subprocess.run([sys.executable, "-c", ENDING], capture_output=True, text=True, timeout=60, check=True)
    assert "coroutine 'forgotten' was never awaited" in ended.stderr


def test_a_warning_within_a_line() -> None:
    """Python may warn of garbage while a line is being counted."""
    limit = RepetitionLimit()
    inner = record("inner", name="py.warnings")
    counted: list[bool] = []

    class Noisy(str):
        """The name of a file during whose use Python warns."""

        __slots__ = ()

        def __hash__(self) -> int:
            if not counted:
                counted.append(limit.filter(inner))
            return super().__hash__()

    assert limit.filter(record("outer", name="py.warnings", pathname=Noisy("a.py")))
    assert counted == [True]
    limit.close()
