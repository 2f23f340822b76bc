"""What several callers ask for is done together."""

import asyncio
from collections.abc import Sequence

import pytest

from jobs.gathering import Gatherer


class Calls:
    """A function that notes its calls, and fails for a call with the item `wrong`."""

    def __init__(self, *, wrong: int | None = None) -> None:
        self.calls: list[list[int]] = []
        self.may_return = asyncio.Event()
        self._wrong = wrong

    async def __call__(self, items: Sequence[int]) -> None:
        self.calls.append(list(items))
        await self.may_return.wait()
        if self._wrong in items:
            raise ValueError(self._wrong)


async def asked(gatherer: Gatherer[int], count: int) -> list[asyncio.Task[None]]:
    """Return requests for as many items, of which the first one is under way."""
    requests = [asyncio.create_task(gatherer.add(0))]
    await asyncio.sleep(0.01)
    requests += [asyncio.create_task(gatherer.add(number)) for number in range(1, count)]
    await asyncio.sleep(0.01)
    return requests


async def test_what_is_asked_for_meanwhile_goes_together() -> None:
    """The first item does not wait for others; the next ones go together, as many as are allowed."""
    calls = Calls()
    requests = await asked(Gatherer(calls, most=3), 6)
    assert calls.calls == [[0]]
    calls.may_return.set()
    await asyncio.gather(*requests)
    assert calls.calls == [[0], [1, 2, 3], [4, 5]]


async def test_one_item_fails_alone() -> None:
    """After an error that one item causes, the others are done nevertheless."""
    calls = Calls(wrong=2)
    requests = await asked(Gatherer(calls, most=10, apart=lambda error: isinstance(error, ValueError)), 4)
    calls.may_return.set()
    results = await asyncio.gather(*requests, return_exceptions=True)
    assert [type(result) for result in results] == [type(None), type(None), ValueError, type(None)]
    assert calls.calls == [[0], [1, 2, 3], [1], [2], [3]]


async def test_an_error_of_all_is_raised_to_all() -> None:
    """Nothing is repeated after any other error, because it may have been done; the next items are not affected."""
    calls = Calls(wrong=2)
    gatherer = Gatherer(calls, most=10)
    requests = await asked(gatherer, 4)
    calls.may_return.set()
    results = await asyncio.gather(*requests, return_exceptions=True)
    assert [type(result) for result in results] == [type(None), ValueError, ValueError, ValueError]
    await gatherer.add(5)
    assert calls.calls == [[0], [1, 2, 3], [5]]


async def test_a_caller_who_leaves_takes_nobody_along() -> None:
    """When requests are cancelled, the others get their results; what had not begun is not done."""
    calls = Calls()
    requests = await asked(Gatherer(calls, most=10), 3)
    requests[0].cancel()
    requests[1].cancel()
    await asyncio.sleep(0)
    calls.may_return.set()
    await requests[2]
    assert calls.calls == [[0], [2]]
    for request in requests[:2]:
        with pytest.raises(asyncio.CancelledError):
            await request
