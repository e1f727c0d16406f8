"""Looking up the names of hosts, apart from everything else that takes a thread."""

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self

LOOKUPS_AT_ONCE = 8


class NameLookup:
    """Finds the addresses of hosts in a few threads of its own; a context manager that gives them up at its end.

    A lookup can't be interrupted: who stops waiting leaves its thread behind until the resolver gives up. In asyncio's default
    pool, names of a dead server of names would so hold up all that reads files or computes.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(LOOKUPS_AT_ONCE, thread_name_prefix="name lookup")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        # Not waited for: what hangs in the system's resolver says nothing that anybody still wants.
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def addresses(self, host: str, port: int) -> list[str]:
        """All IP addresses of the host, each once; `OSError` or `UnicodeError` where it has none."""
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        return list(dict.fromkeys(str(entry[4][0]) for entry in found))
