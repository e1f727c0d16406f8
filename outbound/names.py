"""Looking up the names of hosts, apart from everything else that takes a thread."""

import asyncio
import socket
import weakref
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from types import TracebackType
from typing import Any, Self

LOOKUPS_AT_ONCE = 8
MAX_THREADS = 64  # with those whose lookup hangs while nobody waits for it


class NameLookup:
    """Finds the addresses of hosts in a few threads of its own; a context manager that gives them up at its end.

    A lookup can't be interrupted: who stops waiting leaves its thread behind until the resolver gives up, and another one takes
    its place. In asyncio's default pool, names of a dead server of names would so hold up all that reads files or computes; and
    the end of the process would wait for the threads of any pool of `concurrent.futures`.
    """

    def __init__(self) -> None:
        self._threads = _Threads()
        weakref.finalize(self, self._threads.jobs.put, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        # Not waited for: what hangs in the system's resolver says nothing that anybody still wants.
        self._threads.close()

    async def addresses(self, host: str, port: int) -> list[str]:
        """All IP addresses of the host, each once; `OSError` or `UnicodeError` where it has none.

        One that is written as an address is no name, and is not looked up.
        """
        if self._threads.is_closed:
            raise RuntimeError("no more names are looked up")
        if address := _numeric(host):
            return [address]
        job = _Job(host, port)
        self._threads.take(job)
        try:
            entries = await asyncio.wrap_future(job.found)
        finally:
            self._threads.leave(job)
        return list(dict.fromkeys(str(entry[4][0]) for entry in entries))


def _numeric(host: str) -> str:
    """The address that a host is written as, in whatever way the system's resolver takes it; empty for a name."""
    with suppress(OSError, ValueError):
        return socket.inet_ntoa(socket.inet_aton(host))
    with suppress(OSError, ValueError):
        return socket.inet_ntop(socket.AF_INET6, socket.inet_pton(socket.AF_INET6, host.partition("%")[0]))
    return ""


@dataclass(slots=True, eq=False)
class _Job:
    """A lookup; `is_left` where it hangs and nobody waits for it any more."""

    host: str
    port: int
    found: Future[list[Any]] = field(default_factory=Future)
    is_left: bool = False
    is_over: bool = False


class _Threads:
    """The threads and what they have to do. They end after a None among the jobs."""

    def __init__(self) -> None:
        self.jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self.is_closed = False
        self._lock = Lock()
        self._count = 0
        self._left = 0  # of them, those that hang in a lookup that nobody waits for
        self._open = 0  # jobs that wait or are done, without those

    def take(self, job: _Job) -> None:
        """Do a job as soon as there is a thread for it."""
        with self._lock:
            self._open += 1
            self.jobs.put(job)
            self._start()

    def leave(self, job: _Job) -> None:
        """Wait for a job no longer; what it still takes is not at the cost of others."""
        if job.found.cancel():  # has not begun
            return
        with self._lock:
            if not job.is_over:
                job.is_left = True
                self._open -= 1
                self._left += 1
                self._start()

    def close(self) -> None:
        """Do nothing more; jobs that have not begun are cancelled."""
        self.is_closed = True
        with suppress(Empty):
            while True:
                if (job := self.jobs.get_nowait()) is not None:
                    job.found.cancel()
        self.jobs.put(None)

    def _start(self) -> None:
        """Have one more thread where there are jobs for it."""
        at_work = self._count - self._left
        if not self.is_closed and at_work < min(self._open, LOOKUPS_AT_ONCE) and self._count < MAX_THREADS:
            self._count += 1
            Thread(target=self._look_up, name=f"name lookup {self._count}", daemon=True).start()

    def _look_up(self) -> None:
        """Do one job after the other until there is a None, which is left for the other threads."""
        while (job := self.jobs.get()) is not None:
            if job.found.set_running_or_notify_cancel():
                try:
                    entries = socket.getaddrinfo(job.host, job.port, type=socket.SOCK_STREAM)
                except BaseException as error:  # for whoever waits for it
                    is_needed = self._end(job)
                    job.found.set_exception(error)
                else:
                    is_needed = self._end(job)
                    job.found.set_result(entries)
            else:
                is_needed = self._end(job)
            del job
            if not is_needed:
                return
        self.jobs.put(None)

    def _end(self, job: _Job) -> bool:
        """Note that a job is over; whether its thread is still needed."""
        with self._lock:
            job.is_over = True
            if not job.is_left:
                self._open -= 1
                return True
            self._left -= 1
            if self._count - self._left <= LOOKUPS_AT_ONCE:
                return True
            self._count -= 1
            return False
