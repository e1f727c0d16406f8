"""What an attempt may use, and what happens to one that wants more."""

import asyncio
from pathlib import Path

import pytest

from domain.attempt import AttemptKey, Cause
from domain.runner import Limits
from tests.adapters.attempt_driver import AttemptDriver, is_there
from tests.waiting import eventually

MEGABYTE = 1 << 20


async def control_groups(key: AttemptKey) -> list[Path]:
    """The control groups that the attempt left behind."""
    return await asyncio.to_thread(lambda: list(Path("/sys/fs/cgroup").rglob(f"plog-{key.job_id}-1")))


async def test_time_limit(attempts: AttemptDriver) -> None:
    key = await attempts.shell("trap '' TERM; while :; do sleep 0.02; done", limits=Limits(time_seconds=0.5), grace=0.3)
    ending = await attempts.settled(key)
    assert ending.cause is Cause.TIME_LIMIT
    assert ending.exit_code is None
    assert "0.5 s" in ending.message
    assert 0.3 <= ending.details["seconds"] < 2


async def test_the_log_tells_once_that_the_time_limit_is_near(attempts: AttemptDriver) -> None:
    limits = Limits(time_seconds=2.0, warning_seconds=1.5)
    key = await attempts.shell("echo begun; while :; do sleep 0.02; done", limits=limits, grace=0.3)
    assert (await attempts.settled(key)).cause is Cause.TIME_LIMIT
    begun, *warnings = (await attempts.runner.read_log(key, 0, MEGABYTE)).data.decode().splitlines()
    assert (begun, len(warnings)) == ("begun", 1) and warnings[0].startswith("The time limit of 2 s is near: in "), warnings


async def test_time_limit_counts_the_fetching_of_inputs(attempts: AttemptDriver) -> None:
    attempts.server.add_input("a.bin", b"x")
    attempts.server.faults.is_unauthorized = True
    key = await attempts.launch("true", limits=Limits(time_seconds=0.5))
    ending = await attempts.ended(key)
    assert (ending.cause, ending.exit_code) == (Cause.TIME_LIMIT, None)
    assert "0.5 s" in ending.message and "401" in ending.message
    attempts.server.faults.is_unauthorized = False
    await attempts.settled(key)


@pytest.mark.parametrize("end", ["", "trap '' TERM; while :; do sleep 0.02; done"])
async def test_report_limit(attempts: AttemptDriver, end: str) -> None:
    attempts.runner = attempts.new_runner(max_reports=50)
    line = '{"task": "a", "point": {}}'
    key = await attempts.shell(f"yes '{line}' | head -n 40000 >> $PLOG_REPORTS; {end}", grace=0.3)
    ending = await attempts.settled(key)
    assert (ending.cause, ending.reports, ending.details["reportLimit"]) == (Cause.REPORT_LIMIT, 50, 50)
    assert "50 reports" in ending.message
    assert attempts.server.state.sequences == list(range(1, 51))


async def test_as_many_reports_as_allowed(attempts: AttemptDriver) -> None:
    attempts.runner = attempts.new_runner(max_reports=50)
    key = await attempts.shell("""for i in $(seq 50); do report '{"task": "a", "point": {}}'; done""")
    ending = await attempts.settled(key)
    assert (ending.cause, ending.exit_code, ending.reports) == (None, 0, 50)
    assert "reportLimit" not in ending.details


async def test_an_attempt_that_is_to_report_more_may(attempts: AttemptDriver) -> None:
    attempts.runner = attempts.new_runner(max_reports=50)
    key = await attempts.launch(
        "sh",
        "-c",
        """for i in $(seq 60); do echo '{"task": "a", "point": {}}' >> $PLOG_REPORTS; done""",
        limits=Limits(reports=60),
    )
    ending = await attempts.settled(key)
    assert (ending.cause, ending.exit_code, ending.reports) == (None, 0, 60)


@pytest.mark.parametrize("use_control_groups", [True, False])
async def test_memory_limit_counts_the_whole_tree(attempts: AttemptDriver, use_control_groups: bool) -> None:
    attempts.runner = attempts.new_runner(use_control_groups=use_control_groups)
    script = """
import os, time
pid = os.fork()
held = bytearray(os.urandom(1 << 20)) * 70
time.sleep(600)
"""
    key = await attempts.python(script, limits=Limits(memory_bytes=120 * MEGABYTE), grace=0.5)
    ending = await attempts.settled(key)
    assert ending.cause is Cause.MEMORY_LIMIT
    assert use_control_groups or ending.details["memoryLimit"] == "watched"
    assert ending.details["memoryLimit"] in ending.message
    assert await control_groups(key) == []


async def test_memory_limit_leaves_time_for_a_polite_end(attempts: AttemptDriver) -> None:
    attempts.runner = attempts.new_runner(use_control_groups=False)
    script = """
import signal, sys, time
def end(number, frame):
    time.sleep(0.3)
    sys.exit(9)
signal.signal(signal.SIGTERM, end)
held = bytearray(b"x") * (65 << 20)
while True:
    time.sleep(0.05)  # a signal just before a sleep is seen after it
"""
    key = await attempts.python(script, limits=Limits(memory_bytes=64 * MEGABYTE), grace=10)
    ending = await attempts.settled(key)
    assert (ending.exit_code, ending.cause) == (9, Cause.MEMORY_LIMIT)


async def test_memory_that_keeps_growing_gets_no_grace(attempts: AttemptDriver) -> None:
    attempts.runner = attempts.new_runner(use_control_groups=False)
    script = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
held = bytearray(b"x") * (65 << 20)
time.sleep(0.5)
more = bytearray(b"x") * (40 << 20)
time.sleep(600)
"""
    key = await attempts.python(script, limits=Limits(memory_bytes=64 * MEGABYTE), grace=60)
    ending = await attempts.settled(key)
    assert (ending.exit_code, ending.cause) == (None, Cause.MEMORY_LIMIT)
    assert ending.details["peakMemoryBytes"] > 80 * MEGABYTE


async def test_below_the_memory_limit_nothing_happens(attempts: AttemptDriver) -> None:
    attempts.runner = attempts.new_runner(use_control_groups=False)
    script = "import os, time; held = bytearray(b'x') * (60 << 20); [os.fork() for _ in range(2)]; time.sleep(0.8)"
    key = await attempts.python(script, limits=Limits(memory_bytes=150 * MEGABYTE))
    ending = await attempts.settled(key)  # four processes share 60 MB: counted for each, that would be 240 MB
    assert (ending.cause, ending.exit_code) == (None, 0)


async def test_cpu_cores(attempts: AttemptDriver) -> None:
    script = "import os; print(len(os.sched_getaffinity(0)), os.environ['OMP_NUM_THREADS'])"
    key = await attempts.python(script, limits=Limits(cpu_cores=0.5))
    await attempts.settled(key)
    assert (await attempts.runner.read_log(key, 0, 100)).data == b"1 1\n"


async def test_output_beyond_the_limit_is_dropped_and_a_last_line_says_so(attempts: AttemptDriver) -> None:
    attempts.runner = attempts.new_runner(log_bytes=1_000)
    key = await attempts.shell(f"yes 0123456789 | head -c {100 * MEGABYTE}; touch ready; while [ ! -e go ]; do sleep 0.02; done")
    await is_there(attempts.file(key, "ready"))
    log = attempts.folder(key).path / "output.log"
    await eventually(lambda: log.stat().st_size == 1_001)
    attempts.file(key, "go").touch()
    assert (await attempts.settled(key)).exit_code == 0
    whole, offset = b"", 0
    while (chunk := await attempts.runner.read_log(key, offset, 300)).data:
        whole, offset = whole + chunk.data, chunk.end
    kept, _, last_line = whole.decode().rpartition("\n[")
    assert kept.encode() == (b"0123456789\n" * 100)[:1_000]
    assert last_line == "PLOG keeps 1000 bytes of an attempt's output; the rest is dropped]\n"


async def test_output_that_fits_exactly_is_kept_as_it_is(attempts: AttemptDriver) -> None:
    attempts.runner = attempts.new_runner(log_bytes=1_000)
    key = await attempts.shell("yes 0123456789 | head -c 1000")
    await attempts.settled(key)
    assert (await attempts.runner.read_log(key, 0, 10_000)).data == (b"0123456789\n" * 100)[:1_000]
