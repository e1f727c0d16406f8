"""How busy a process keeps the processors that it may use."""

import os
import subprocess
import sys

import pytest

from steps.k6_cpu import K6Cpu, cores_of
from tests.waiting import eventually_sync


def test_a_process_that_computes_without_end_is_seen_as_busy() -> None:
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as process:
        try:
            cpu = K6Cpu(process.pid)
            assert cpu.busiest is None

            def is_busy() -> bool:
                cpu.look()
                return (cpu.busiest or 0) * cores_of(process.pid) > 0.3

            eventually_sync(is_busy, deadline=20, every=0.2)
            assert (cpu.seconds or 0) > 0.3
        finally:
            process.kill()


def test_what_a_process_may_use_is_what_it_may_run_on() -> None:
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("processors are given to processes on Linux only")
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as process:
        os.sched_setaffinity(process.pid, {min(os.sched_getaffinity(0))})
        assert cores_of(process.pid) <= 1.0
        process.kill()


def test_a_process_that_is_gone_was_not_seen() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
        cpu = K6Cpu(process.pid)
    assert cpu.busiest is None and cpu.seconds is None
