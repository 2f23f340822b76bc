"""Random schedules of faults. The same seed always gives the same schedule, so that a finding can be reproduced."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from redis.asyncio import Redis

from db.models import utc_now
from tests.faults.cluster import WORKERS, Cluster
from tests.faults.order import MILLISECOND, SECOND

FIRST_AFTER = SECOND
REFUSED_TO_START = "cannot be reached"
PAUSE = (300, 2_500)
"""Milliseconds between the starts of two faults."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What happens to a subject, when (counted from the start of the load), and how long until it is repaired."""

    name: str
    subject: str
    begins: timedelta
    lasts: timedelta

    def __str__(self) -> str:
        return f"{self.begins.total_seconds():7.2f} s  {self.subject}: {self.name} ({self.lasts.total_seconds():.2f} s)"


Strike = Callable[[Cluster, str], Awaitable[None]]


async def kill_process(cluster: Cluster, subject: str) -> None:
    """Kill the process by SIGKILL."""
    await cluster.process(subject).kill()


async def stop_process(cluster: Cluster, subject: str) -> None:
    """Stop the process by SIGTERM, and expect a clean exit."""
    process = cluster.process(subject)
    status = await process.stop()
    # A process that is still starting may end by the signal itself, or because it finds no servers.
    fine = status in {0, -signal.SIGTERM} or (status == 1 and REFUSED_TO_START in process.log_tail().splitlines()[-1])
    assert fine, f"{subject} ended with status {status}:\n{process.log_tail()}"


async def start_process(cluster: Cluster, subject: str) -> None:
    """Start a process in its place, again and again as long as it finds no servers."""
    await cluster.until_up(cluster.process(subject))


async def pause_process(cluster: Cluster, subject: str) -> None:
    """Pause the process by SIGSTOP."""
    cluster.process(subject).pause()


async def resume_process(cluster: Cluster, subject: str) -> None:
    """Resume the process by SIGCONT."""
    cluster.process(subject).resume()


async def flush(cluster: Cluster, _subject: str) -> None:
    """Empty Redis by FLUSHALL."""
    async with Redis.from_url(cluster.servers.valkey.url) as redis:
        await redis.flushall()


async def nothing(_cluster: Cluster, _subject: str) -> None:
    """Do nothing, since the subject recovers by itself."""


async def kill_redis(cluster: Cluster, _subject: str) -> None:
    """Kill Redis by SIGKILL, which loses all of its data."""
    await cluster.servers.valkey.kill()


async def start_redis(cluster: Cluster, _subject: str) -> None:
    """Start Redis again, empty."""
    await cluster.servers.valkey.start()


async def quit_postgres(cluster: Cluster, _subject: str) -> None:
    """Shut Postgres down in its immediate mode."""
    await cluster.servers.postgres.kill(signal.SIGQUIT)


async def kill_postgres(cluster: Cluster, _subject: str) -> None:
    """Kill Postgres by SIGKILL."""
    await cluster.servers.postgres.kill()


async def start_postgres(cluster: Cluster, _subject: str) -> None:
    """Start Postgres again, which replays what was committed."""
    await cluster.servers.postgres.start()


async def cut_some(cluster: Cluster, _subject: str) -> None:
    """Cut the three oldest connections."""
    cluster.proxy.cut(3)


async def cut_all(cluster: Cluster, _subject: str) -> None:
    """Cut all connections."""
    cluster.proxy.cut()


async def stall(cluster: Cluster, _subject: str) -> None:
    """Let nothing pass, and keep the connections open."""
    cluster.proxy.stall()


async def delay(cluster: Cluster, _subject: str) -> None:
    """Make every round trip 40 ms longer."""
    cluster.proxy.latency = 20 * MILLISECOND


async def mend_network(cluster: Cluster, _subject: str) -> None:
    """Let everything pass without a delay."""
    cluster.proxy.latency = timedelta()
    cluster.proxy.flow()


WORKER_FAULTS: dict[str, tuple[Strike, Strike, tuple[int, int]]] = {
    "kill -9": (kill_process, start_process, (0, 3_000)),
    "SIGTERM": (stop_process, start_process, (0, 500)),
    "SIGSTOP": (pause_process, resume_process, (200, 9_000)),
}
FAULTS: dict[str, dict[str, tuple[Strike, Strike, tuple[int, int]]]] = {
    **{f"worker-{n}": WORKER_FAULTS for n in range(WORKERS)},
    "api": {"kill -9": (kill_process, start_process, (0, 1_000)), "SIGTERM": (stop_process, start_process, (0, 500))},
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
"""For each subject and fault: what causes it, what repairs it, and how many milliseconds lie between the two."""


def plan_faults(random: Random, *, lasts: timedelta) -> list[Fault]:
    """Return faults that begin and are repaired within `lasts`. Faults of one subject never overlap."""
    faults: list[Fault] = []
    busy_until: dict[str, timedelta] = {}
    at = FIRST_AFTER
    while at < lasts:
        idle = [subject for subject in FAULTS if busy_until.get(subject, timedelta()) <= at]
        if idle:
            subject = random.choice(idle)
            name = random.choice(list(FAULTS[subject]))
            duration = random.randint(*FAULTS[subject][name][2]) * MILLISECOND
            fault = Fault(name=name, subject=subject, begins=at, lasts=min(duration, lasts - at))
            faults.append(fault)
            # A process that was just started needs a moment before another fault is of interest.
            busy_until[subject] = at + fault.lasts + 2 * SECOND
        at += random.randint(*PAUSE) * MILLISECOND
    return faults


async def carry_out(
    cluster: Cluster, fault: Fault, *, start: datetime, turn: asyncio.Lock, tell: Callable[[str], None]
) -> datetime:
    """Cause and repair a fault in time, or once its subject's turn comes. Return when it was repaired."""
    strike, mend, _ = FAULTS[fault.subject][fault.name]
    await cluster.until(start + fault.begins)
    async with turn:
        tell(str(fault))
        struck_at = utc_now()
        await strike(cluster, fault.subject)
        await cluster.until(struck_at + fault.lasts)
        await mend(cluster, fault.subject)
        return utc_now()
