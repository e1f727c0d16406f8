"""Names that are looked up slowly hold up nothing but other names."""

import asyncio
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from domain.target import origin
from outbound.guarded_http import ResolvingGuard
from outbound.names import LOOKUPS_AT_ONCE, MAX_THREADS, NameLookup
from tests.waiting import eventually

PATIENCE = 10.0


class Resolver:
    """A server of names that answers when it is let."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.may_answer = threading.Event()

    def getaddrinfo(self, host: str, port: int, **_: Any) -> list[Any]:
        self.asked.append(host)
        assert self.may_answer.wait(60)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.1", port))]

    def was_asked(self, times: int) -> bool:
        return len(self.asked) == times


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Resolver]:
    found = Resolver()
    monkeypatch.setattr(socket, "getaddrinfo", found.getaddrinfo)
    yield found
    found.may_answer.set()


async def test_work_in_other_threads_goes_on_while_names_hang(resolver: Resolver) -> None:
    with NameLookup() as names:
        guard = ResolvingGuard(names, allows_private=False)
        judged = [asyncio.create_task(guard.problem(f"http://slow{number}.test")) for number in range(40)]
        await eventually(lambda: resolver.asked)
        assert await asyncio.wait_for(asyncio.to_thread(lambda: "done"), PATIENCE) == "done"
        assert len(resolver.asked) <= LOOKUPS_AT_ONCE
        resolver.may_answer.set()
        assert all("10.0.0.1" in (problem or "") for problem in await asyncio.gather(*judged))


async def test_at_the_end_nothing_is_waited_for_and_nothing_more_is_looked_up(resolver: Resolver) -> None:
    with NameLookup() as names:
        waiting = [asyncio.create_task(names.addresses(f"slow{number}.test", 80)) for number in range(LOOKUPS_AT_ONCE + 5)]
        await eventually(lambda: len(resolver.asked) == LOOKUPS_AT_ONCE)
    resolver.may_answer.set()
    ended = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), PATIENCE)
    assert ended[:LOOKUPS_AT_ONCE] == [["10.0.0.1"]] * LOOKUPS_AT_ONCE
    assert all(isinstance(each, asyncio.CancelledError) for each in ended[LOOKUPS_AT_ONCE:])
    assert len(resolver.asked) == LOOKUPS_AT_ONCE


async def test_lookups_that_nobody_waits_for_hold_up_no_others_up_to_a_limit(resolver: Resolver) -> None:
    before = set(threading.enumerate())

    with NameLookup() as names:
        for already in range(0, MAX_THREADS, LOOKUPS_AT_ONCE):
            waiting = [asyncio.create_task(names.addresses(f"slow{number}.test", 80)) for number in range(LOOKUPS_AT_ONCE)]
            await eventually(partial(resolver.was_asked, already + LOOKUPS_AT_ONCE))
            for each in waiting:
                each.cancel()
            await asyncio.wait(waiting)
        last = asyncio.create_task(names.addresses("last.test", 80))
        await asyncio.sleep(0)
        assert len(set(threading.enumerate()) - before) == len(resolver.asked) == MAX_THREADS
        resolver.may_answer.set()
        assert await asyncio.wait_for(last, PATIENCE) == ["10.0.0.1"]
        await eventually(lambda: len(set(threading.enumerate()) - before) == LOOKUPS_AT_ONCE)
        assert resolver.asked[MAX_THREADS:] == ["last.test"]
        assert await asyncio.wait_for(names.addresses("more.test", 80), PATIENCE) == ["10.0.0.1"]
    await eventually(lambda: set(threading.enumerate()) <= before)


async def test_a_lookup_that_waits_takes_the_place_of_one_that_nobody_waits_for(resolver: Resolver) -> None:
    with NameLookup() as names:
        waiting = [asyncio.create_task(names.addresses(f"slow{number}.test", 80)) for number in range(LOOKUPS_AT_ONCE + 1)]
        await eventually(lambda: len(resolver.asked) == LOOKUPS_AT_ONCE)
        waiting[0].cancel()
        await eventually(lambda: len(resolver.asked) == LOOKUPS_AT_ONCE + 1)
        resolver.may_answer.set()
        assert await asyncio.wait_for(asyncio.gather(*waiting[1:]), PATIENCE) == [["10.0.0.1"]] * LOOKUPS_AT_ONCE


@pytest.mark.parametrize(
    ("host", "address"),
    [
        *(("127.0.0.1", "127.0.0.1"), ("2852039166", "169.254.169.254"), ("0xa9fea9fe", "169.254.169.254")),
        *(("127.1", "127.0.0.1"), ("[2001:DB8:0::1]", "2001:db8::1"), ("[::ffff:10.0.0.1]", "::ffff:10.0.0.1")),
        ("[fe80::1%25eth0]", "fe80::1"),
    ],
)
async def test_an_address_is_judged_though_names_hang(resolver: Resolver, host: str, address: str) -> None:
    with NameLookup() as names:
        problem = await ResolvingGuard(names, allows_private=False).problem(f"http://{host}/a")
    assert problem is not None and f"({address}) is " in problem and resolver.asked == []


HANGING = """
import asyncio, socket, threading
from outbound.names import NameLookup

asked = threading.Event()

def getaddrinfo(*_, **__):
    asked.set()
    threading.Event().wait()

async def main():
    with NameLookup() as names:
        waiting = asyncio.create_task(names.addresses("slow.test", 80))
        await asyncio.to_thread(asked.wait)
        waiting.cancel()

socket.getaddrinfo = getaddrinfo
asyncio.run(main())
print("ended")
"""


def test_a_process_ends_while_a_name_hangs() -> None:
    ended = subprocess.run([sys.executable, "-c", HANGING], timeout=30, capture_output=True, text=True, check=True)
    assert ended.stdout == "ended\n"


async def test_threads_are_used_again_and_end_with_their_lookup(resolver: Resolver) -> None:
    resolver.may_answer.set()
    before = set(threading.enumerate())
    names = NameLookup()
    for number in range(3):
        assert await names.addresses(f"quick{number}.test", 80) == ["10.0.0.1"]
    (own,) = set(threading.enumerate()) - before
    assert own.daemon
    del names
    await eventually(lambda: not own.is_alive())


@pytest.mark.parametrize("host", ["faß.example", "ΟΔΟΣ-1.example", "MÜLLER.example", "X.example"])
async def test_the_name_that_is_looked_up_is_the_one_that_is_called(resolver: Resolver, host: str) -> None:
    resolver.may_answer.set()
    here = origin(f"http://{host}/a")
    with NameLookup() as names:
        await ResolvingGuard(names, allows_private=True).problem(f"http://{host}/a")
    assert here is not None and resolver.asked == [here[1]]
