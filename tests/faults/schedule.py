"""Random schedules of faults: from one seed always the same, so that what one of them found can be found again."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from redis.asyncio import Redis

from db.models import utc_now
from tests.faults.cluster import WORKERS, Stage
from tests.faults.order import MILLISECOND, SECOND

FIRST_AFTER = SECOND
REFUSED_TO_START = "cannot be reached"
PAUSE = (300, 2_500)
"""Milliseconds between the starts of two faults."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What happens to a subject, when (counted from the start of the load), and until when it is not mended."""

    name: str
    subject: str
    begins: timedelta
    lasts: timedelta

    def __str__(self) -> str:
        return f"{self.begins.total_seconds():7.2f} s  {self.subject}: {self.name} ({self.lasts.total_seconds():.2f} s)"


Strike = Callable[[Stage, str], Awaitable[None]]


async def kill_part(stage: Stage, subject: str) -> None:
    """SIGKILL."""
    await stage.part(subject).kill()


async def stop_part(stage: Stage, subject: str) -> None:
    """SIGTERM, and an end in good order."""
    part = stage.part(subject)
    status = await part.stop()
    # One that has not begun to work yet may end by the signal itself, or has ended since it finds no servers.
    fine = status in {0, -signal.SIGTERM} or (status == 1 and REFUSED_TO_START in part.log_tail().splitlines()[-1])
    assert fine, f"{subject} ended with status {status}:\n{part.log_tail()}"


async def start_part(stage: Stage, subject: str) -> None:
    """Another process in its place, and again another one for as long as it finds no servers."""
    await stage.until_up(stage.part(subject))


async def pause_part(stage: Stage, subject: str) -> None:
    """SIGSTOP."""
    stage.part(subject).pause()


async def resume_part(stage: Stage, subject: str) -> None:
    """SIGCONT."""
    stage.part(subject).resume()


async def flush(stage: Stage, _subject: str) -> None:
    """FLUSHALL."""
    async with Redis.from_url(stage.servers.valkey.url) as redis:
        await redis.flushall()


async def nothing(_stage: Stage, _subject: str) -> None:
    """What was struck mends by itself."""


async def kill_redis(stage: Stage, _subject: str) -> None:
    """SIGKILL, which leaves nothing of what it held."""
    await stage.servers.valkey.kill()


async def start_redis(stage: Stage, _subject: str) -> None:
    """Started again, empty."""
    await stage.servers.valkey.start()


async def quit_postgres(stage: Stage, _subject: str) -> None:
    """The immediate shutdown."""
    await stage.servers.postgres.kill(signal.SIGQUIT)


async def kill_postgres(stage: Stage, _subject: str) -> None:
    """SIGKILL."""
    await stage.servers.postgres.kill()


async def start_postgres(stage: Stage, _subject: str) -> None:
    """Started again, which replays what was committed."""
    await stage.servers.postgres.start()


async def cut_some(stage: Stage, _subject: str) -> None:
    """The oldest three connections break."""
    stage.proxy.cut(3)


async def cut_all(stage: Stage, _subject: str) -> None:
    """Every connection breaks."""
    stage.proxy.cut()


async def stall(stage: Stage, _subject: str) -> None:
    """Nothing passes."""
    stage.proxy.stall()


async def delay(stage: Stage, _subject: str) -> None:
    """Every round trip takes 40 ms longer."""
    stage.proxy.latency = 20 * MILLISECOND


async def mend_network(stage: Stage, _subject: str) -> None:
    """Everything passes at once."""
    stage.proxy.latency = timedelta()
    stage.proxy.flow()


WORKER_FAULTS: dict[str, tuple[Strike, Strike, tuple[int, int]]] = {
    "kill -9": (kill_part, start_part, (0, 3_000)),
    "SIGTERM": (stop_part, start_part, (0, 500)),
    "SIGSTOP": (pause_part, resume_part, (200, 9_000)),
}
FAULTS: dict[str, dict[str, tuple[Strike, Strike, tuple[int, int]]]] = {
    **{f"worker-{n}": WORKER_FAULTS for n in range(WORKERS)},
    "api": {"kill -9": (kill_part, start_part, (0, 1_000)), "SIGTERM": (stop_part, start_part, (0, 500))},
    "redis": {"FLUSHALL": (flush, nothing, (0, 0)), "kill -9": (kill_redis, start_redis, (0, 4_000))},
    "postgres": {
        "immediate shutdown": (quit_postgres, start_postgres, (0, 3_000)),
        "kill -9": (kill_postgres, start_postgres, (0, 3_000)),
    },
    "network": {
        "some connections cut": (cut_some, nothing, (0, 0)),
        "all connections cut": (cut_all, nothing, (0, 0)),
        "stalled": (stall, mend_network, (200, 7_000)),
        "slow": (delay, mend_network, (1_000, 4_000)),
    },
}
"""Of each subject: what strikes it, what mends it, and how many milliseconds lie between the two."""


def plan_faults(random: Random, *, lasts: timedelta) -> list[Fault]:
    """Faults that begin and are mended within `lasts`. Those of different subjects overlap, those of one do not."""
    faults: list[Fault] = []
    busy_until: dict[str, timedelta] = {}
    at = FIRST_AFTER
    while at < lasts:
        idle = [subject for subject in FAULTS if busy_until.get(subject, timedelta()) <= at]
        if idle:
            subject = random.choice(idle)
            name = random.choice(list(FAULTS[subject]))
            wanted = random.randint(*FAULTS[subject][name][2]) * MILLISECOND
            fault = Fault(name=name, subject=subject, begins=at, lasts=min(wanted, lasts - at))
            faults.append(fault)
            # A process that was started needs a moment before it is worth another blow.
            busy_until[subject] = at + fault.lasts + 2 * SECOND
        at += random.randint(*PAUSE) * MILLISECOND
    return faults


async def carry_out(
    stage: Stage, fault: Fault, *, start: datetime, turn: asyncio.Lock, told: Callable[[str], None]
) -> datetime:
    """Strikes and mends one subject in time, or as soon as its turn comes; returns when it was mended."""
    strike, mend, _ = FAULTS[fault.subject][fault.name]
    await stage.until(start + fault.begins)
    async with turn:
        told(str(fault))
        struck_at = utc_now()
        await strike(stage, fault.subject)
        await stage.until(struck_at + fault.lasts)
        await mend(stage, fault.subject)
        return utc_now()
