"""Maintenance duties: each has its own interval, and none waits for another."""

import asyncio
from datetime import timedelta

import pytest

from jobs.maintenance.duties import Duty, keep_doing
from tests.support.waiting import wait_until

SOON = timedelta(milliseconds=1)


async def test_a_duty_that_hangs_or_fails_delays_no_other(caplog: pytest.LogCaptureFixture) -> None:
    """One duty never returns, one fails each time, and the third is done again and again."""
    done: list[str] = []

    async def hang() -> None:
        done.append("hangs")
        await asyncio.Event().wait()

    async def fail() -> None:
        done.append("fails")
        raise OSError("Postgres is away")

    async def break_down() -> None:
        done.append("breaks")
        raise ZeroDivisionError

    async def work() -> None:
        done.append("works")

    duties = [
        Duty(name="hangs", every=SOON, do=hang),
        Duty(name="fails", every=SOON, do=fail),
        Duty(name="breaks", every=SOON, do=break_down),
        Duty(name="works", every=SOON, do=work),
    ]
    doing = asyncio.create_task(keep_doing(duties))
    await wait_until(
        lambda: min(map(done.count, ("fails", "breaks", "works"))) >= 3, what="the other duties are done repeatedly"
    )
    doing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await doing
    assert done.count("hangs") == 1
    assert {getattr(record, "duty", "") for record in caplog.records} == {"fails", "breaks"}


async def test_each_duty_has_its_own_interval() -> None:
    """A duty that is due once an hour is done once while another is done often."""
    done: list[str] = []

    async def seldom() -> None:
        done.append("seldom")

    async def often() -> None:
        done.append("often")

    duties = [
        Duty(name="seldom", every=timedelta(hours=1), do=seldom),
        Duty(name="often", every=SOON, do=often),
    ]
    doing = asyncio.create_task(keep_doing(duties))
    await wait_until(lambda: done.count("often") >= 5, what="the frequent duty is done five times")
    doing.cancel()
    await asyncio.wait([doing])
    assert done.count("seldom") == 1


async def test_duties_begin_after_a_while_or_when_they_are_wanted() -> None:
    """A process that starts has more urgent things to do."""
    done: list[str] = []

    async def wait_long() -> None:
        done.append("later")

    async def work() -> None:
        done.append("wanted")

    wanted = asyncio.Event()
    duties = [
        Duty(name="later", every=SOON, do=wait_long),
        Duty(name="wanted", every=timedelta(hours=1), do=work, wanted=wanted),
    ]
    doing = asyncio.create_task(keep_doing(duties, after=timedelta(hours=1)))
    wanted.set()
    await wait_until(lambda: bool(done), what="the duty that is wanted is done")
    doing.cancel()
    await asyncio.wait([doing])
    assert done == ["wanted"]
