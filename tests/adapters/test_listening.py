"""CPU and memory of what listens on a port: real processes, their children, restarts."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from adapters.processes import listening
from adapters.processes.listening import ListeningProcesses
from domain.resource_usage import PodReading, PodWatch
from tests.waiting import eventually

LISTENER = """
import os, socket, sys, time
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
if len(sys.argv) > 2 and os.fork() == 0:
    listener.close()
    block = bytearray(60_000_000)
    print("busy", flush=True)
    while True:
        pass
print(listener.getsockname()[1], flush=True)
sys.stdin.read()
"""


@contextmanager
def listener(port: int = 0, *more: str) -> Iterator[int]:
    """A process that listens; with `more` a child of it holds memory and computes without end."""
    command = [sys.executable, "-c", LISTENER, str(port), *more]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        said = {process.stdout.readline().strip() for _ in range(2 if more else 1)}
        try:
            yield int(next(word for word in said if word != b"busy"))
        finally:
            os.killpg(process.pid, 9)


async def one(watch: PodWatch) -> PodReading | None:
    found = await watch.read()
    return found[0] if found else None


async def test_what_listens_is_seen_with_its_children() -> None:
    with listener(0, "busy") as port:
        watch = ListeningProcesses().watch(f"http://127.0.0.1:{port}/v1")
        first = await one(watch)
        assert first is not None and first.pod == f"127.0.0.1:{port}" and first.cpu_millicores is None
        assert first.memory_bytes > 60_000_000

        async def is_busy() -> bool:
            reading = await one(watch)
            return reading is not None and (reading.cpu_millicores or 0) > 300

        await eventually(is_busy, every=0.5)
        assert ((await one(watch)) or first).cpu_millicores is not None


async def test_an_idle_process_uses_next_to_nothing() -> None:
    with listener() as port:
        watch = ListeningProcesses().watch(f"http://localhost:{port}")
        await watch.read()

        async def is_idle() -> bool:
            reading = await one(watch)
            return reading is not None and reading.cpu_millicores is not None and reading.cpu_millicores < 50

        await eventually(is_idle, every=0.5)


async def test_a_process_that_ends_is_gone_and_its_successor_begins_anew() -> None:
    with listener() as port:
        watch = ListeningProcesses().watch(f"http://127.0.0.1:{port}")
        assert await one(watch) is not None
    assert await watch.read() == []
    with listener(port):
        again = await one(watch)
        assert again is not None and again.cpu_millicores is None


async def test_who_listens_is_looked_for_again_only_where_it_ended_or_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    looks, look = [], psutil.net_connections

    def counted(kind: str) -> object:
        looks.append(kind)
        return look(kind)

    monkeypatch.setattr(psutil, "net_connections", counted)
    with listener() as port:
        watch = ListeningProcesses().watch(f"http://127.0.0.1:{port}")
        assert all([await one(watch) for _ in range(5)]) and len(looks) == 1, "all processes of the machine are asked once"
        monkeypatch.setattr(listening, "BELIEVED_SECONDS", 0.0)
        assert await one(watch) and len(looks) == 2
        monkeypatch.undo()
    assert await one(watch) is None
    with listener(port):
        assert await one(watch)


@pytest.mark.parametrize("url", ["http://192.0.2.1:9", "http://nowhere.invalid:9", "http://127.0.0.1", "http://[::1]:1"])
async def test_nothing_is_seen_of_other_machines_and_of_ports_where_nothing_listens(url: str) -> None:
    assert await ListeningProcesses().watch(url).read() == []
