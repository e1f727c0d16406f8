"""Waiting for a condition with a deadline, so that no test ever sleeps and hopes."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar, cast, overload

T = TypeVar("T")


def _overdue(condition: object, deadline: float, last: object) -> AssertionError:
    name = getattr(condition, "__qualname__", repr(condition))
    return AssertionError(f"{name} did not hold within {deadline} s; it last gave {last!r}")


@overload
async def eventually(condition: Callable[[], Awaitable[T]], *, deadline: float = 10.0, every: float = 0.02) -> T: ...
@overload
async def eventually(condition: Callable[[], T], *, deadline: float = 10.0, every: float = 0.02) -> T: ...
async def eventually(condition: Callable[[], T | Awaitable[T]], *, deadline: float = 10.0, every: float = 0.02) -> T:
    """The first truthy value of `condition` (plain or async), asked every `every` seconds for at most `deadline` seconds.

    Raises `AssertionError` that names the condition and its last value. An exception of the condition passes through.
    """
    end = time.monotonic() + deadline
    while True:
        found = condition()
        value = cast(T, await found if inspect.isawaitable(found) else found)
        if value:
            return value
        if time.monotonic() >= end:
            raise _overdue(condition, deadline, value)
        await asyncio.sleep(every)


def eventually_sync(condition: Callable[[], T], *, deadline: float = 10.0, every: float = 0.02) -> T:
    """The same outside an event loop."""
    end = time.monotonic() + deadline
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= end:
            raise _overdue(condition, deadline, value)
        time.sleep(every)
