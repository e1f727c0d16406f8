"""One read for all who want the same: never older than the question, never two at a time, taken from nobody."""

import asyncio

import pytest

from resolvers.shared_read import SharedRead
from tests.waiting import eventually


class Reading:
    """A read that goes on until it is let."""

    def __init__(self) -> None:
        self.begun = 0
        self.running = 0
        self.may_end = asyncio.Event()
        self.error: Exception | None = None

    async def __call__(self) -> int:
        self.begun += 1
        self.running += 1
        assert self.running == 1
        number = self.begun
        await self.may_end.wait()
        self.running -= 1
        if self.error is not None:
            raise self.error
        return number


async def test_who_asks_before_a_read_begins_shares_it_and_who_asks_later_gets_the_next() -> None:
    reading = Reading()
    read = SharedRead(reading)
    early = [asyncio.create_task(read()) for _ in range(3)]
    await eventually(lambda: reading.begun)
    late = [asyncio.create_task(read()) for _ in range(3)]
    await asyncio.sleep(0)
    reading.may_end.set()
    assert await asyncio.gather(*early) == [1, 1, 1]
    assert await asyncio.gather(*late) == [2, 2, 2]


async def test_a_failure_is_everybodys_and_over_with_the_next_read() -> None:
    reading = Reading()
    reading.may_end.set()
    reading.error = ValueError("broken")
    read = SharedRead(reading)
    assert [type(each) for each in await asyncio.gather(read(), read(), return_exceptions=True)] == [ValueError, ValueError]
    reading.error = None
    assert await read() == 2


async def test_who_leaves_takes_the_read_from_nobody() -> None:
    reading = Reading()
    read = SharedRead(reading)
    leaving, staying = asyncio.create_task(read()), asyncio.create_task(read())
    await eventually(lambda: reading.begun)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    reading.may_end.set()
    assert await staying == 1


async def test_reads_begin_no_faster_than_the_interval() -> None:
    reading = Reading()
    reading.may_end.set()
    read = SharedRead(reading, interval_seconds=0.05)
    began = asyncio.get_running_loop().time()
    for number in range(1, 5):
        assert await read() == number
    assert asyncio.get_running_loop().time() - began >= 0.15
