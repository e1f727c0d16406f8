"""Looking up the names of hosts, apart from everything else that takes a thread."""

import asyncio
import socket
import weakref
from concurrent.futures import Future
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Semaphore, Thread
from types import TracebackType
from typing import Any, Self

LOOKUPS_AT_ONCE = 8

_Job = tuple[Future[list[Any]], str, int]


class NameLookup:
    """Finds the addresses of hosts in a few threads of its own; a context manager that gives them up at its end.

    A lookup can't be interrupted: who stops waiting leaves its thread behind until the resolver gives up. In asyncio's default
    pool, names of a dead server of names would so hold up all that reads files or computes; and the end of the process would wait
    for the threads of any pool of `concurrent.futures`.
    """

    def __init__(self) -> None:
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._idle = Semaphore(0)
        self._threads = 0
        self._is_closed = False
        weakref.finalize(self, self._jobs.put, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        # Not waited for: what hangs in the system's resolver says nothing that anybody still wants.
        self._is_closed = True
        with suppress(Empty):
            while True:
                if (job := self._jobs.get_nowait()) is not None:
                    job[0].cancel()
        self._jobs.put(None)

    async def addresses(self, host: str, port: int) -> list[str]:
        """All IP addresses of the host, each once; `OSError` or `UnicodeError` where it has none."""
        if self._is_closed:
            raise RuntimeError("no more names are looked up")
        found: Future[list[Any]] = Future()
        self._jobs.put((found, host, port))
        if not self._idle.acquire(blocking=False) and self._threads < LOOKUPS_AT_ONCE:
            self._threads += 1
            Thread(target=_look_up, args=(self._jobs, self._idle), name=f"name lookup {self._threads}", daemon=True).start()
        return list(dict.fromkeys(str(entry[4][0]) for entry in await asyncio.wrap_future(found)))


def _look_up(jobs: SimpleQueue[_Job | None], idle: Semaphore) -> None:
    """Do one job after the other until there is a None, which is left for the other threads."""
    while (job := jobs.get()) is not None:
        found, host, port = job
        if found.set_running_or_notify_cancel():
            try:
                entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            except BaseException as error:  # for whoever waits for it
                idle.release()
                found.set_exception(error)
            else:
                idle.release()
                found.set_result(entries)
        else:
            idle.release()
        del job, found
    jobs.put(None)
