"""CPU and memory of the processes that listen on a port of this machine, and of all their children.

What other users' processes do can be seen by an administrator only; elsewhere nothing is found for them. Memory is the resident
set, in which pages that several processes share count for each. CPU that a child used and that ended since the last reading is
not seen. Looking for who listens asks all processes of the machine, which takes tenths of a second: what was found is believed
for ten seconds, unless one of them has ended. Limits are those of the control groups (versions 1 and 2) that hold the process;
one that it shares with others counts for it too.
"""

import asyncio
import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from domain.control_group import limits_of
from domain.resource_usage import PodReader, PodReading, PodSpecs, PodWatch

CLOCK_TICK = 0.01  # seconds; the start of a process is known to that
BELIEVED_SECONDS = 10.0
GONE = (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess)
DEFAULT_PORTS = {"http": 80, "https": 443}


class ListeningProcesses(PodReader):
    """Sees what listens on this machine's loopback addresses."""

    def watch(self, url: str) -> PodWatch:
        """A watch of the processes that listen where `url` leads, if that is a loopback address; of nothing where it is not."""
        return _Watch(url)


class _Watch(PodWatch):
    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        self._port = parts.port or DEFAULT_PORTS.get(parts.scheme, 0)
        self._listeners: list[psutil.Process] = []
        self._found_at = -BELIEVED_SECONDS
        self._used: dict[tuple[int, float], float] = {}
        self._read_at: tuple[float, float] | None = None  # by the clock that never jumps, and since 1970

    async def read(self) -> list[PodReading]:
        return await asyncio.to_thread(self._read)

    def _read(self) -> list[PodReading]:
        listeners = self._who_listens()
        used, memory = {}, 0
        for each in _with_children(listeners):
            with suppress(*GONE), each.oneshot():
                times = each.cpu_times()
                used[each.pid, each.create_time()] = times.user + times.system
                memory += each.memory_info().rss
        if not used:
            self._used, self._read_at = {}, None
            return []
        now = (time.monotonic(), time.time())
        millicores = (
            None if self._read_at is None else 1000 * self._used_since(used, self._read_at[1]) / (now[0] - self._read_at[0])
        )
        self._used, self._read_at = used, now
        name = f"[{self._host}]:{self._port}" if ":" in self._host else f"{self._host}:{self._port}"
        return [PodReading(pod=name, cpu_millicores=millicores, memory_bytes=memory, specs=_specs(listeners[0].pid))]

    def _who_listens(self) -> list[psutil.Process]:
        now, known = time.monotonic(), self._listeners
        if not known or now - self._found_at >= BELIEVED_SECONDS or not all(map(_is_alive, known)):
            self._listeners = list(_listeners(self._port)) if _is_loopback(self._host, self._port) else []
            self._found_at = now
        return self._listeners

    def _used_since(self, used: Mapping[tuple[int, float], float], read_at: float) -> float:
        """The CPU seconds since the last reading; of a process that was there and not seen then, nothing is known."""
        known = (key for key in used if key in self._used or key[1] >= read_at - CLOCK_TICK)
        return sum(used[key] - self._used.get(key, 0.0) for key in known)


def _is_alive(process: psutil.Process) -> bool:
    with suppress(*GONE):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _is_loopback(host: str, port: int) -> bool:
    try:
        found = {entry[4][0] for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError):
        return False
    return all(ip_address(str(address).partition("%")[0]).is_loopback for address in found)


def _listeners(port: int) -> Iterator[psutil.Process]:
    try:
        connections = psutil.net_connections("tcp")
    except psutil.AccessDenied:
        return
    found = {each.pid for each in connections if each.status == psutil.CONN_LISTEN and each.laddr and each.laddr.port == port}
    for pid in sorted(pid for pid in found if pid is not None):
        with suppress(*GONE):
            yield psutil.Process(pid)


def _with_children(processes: Iterable[psutil.Process]) -> set[psutil.Process]:
    """The processes and whatever descends from them, each once."""
    found: set[psutil.Process] = set()
    for process in processes:
        with suppress(*GONE):
            found |= {process, *process.children(recursive=True)}
    return found


def _specs(pid: int) -> PodSpecs:
    """The limits of a process; unknown ones where its control groups can't be seen."""
    try:
        cpu, memory = limits_of(Path(f"/proc/{pid}/cgroup").read_text("utf-8"), lambda path: Path(path).read_text("ascii"))
    except OSError:
        return PodSpecs()
    return PodSpecs(cpu_limit=cpu, memory_limit=memory)
