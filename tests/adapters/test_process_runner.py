"""Attempts as real processes: crashes of every party, limits, ends, and what must hold afterwards."""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import psutil
import pytest

from adapters.processes.runner import ProcessRunner
from domain.attempt import AttemptKey, Cause
from domain.errors import Unavailable
from domain.ports import Runner
from domain.runner import EndReason, Limits, Presence
from tests.adapters.attempt_driver import AttemptDriver
from tests.adapters.shim_server import TOKEN, ShimServer
from tests.waiting import eventually

MEGABYTE = 1 << 20
REPORTS = """for i in 1 2 3; do report '{"task": "a", "progress": 0.'$i'}'; done\n"""
WAIT = "touch ready; while [ ! -e go ]; do sleep 0.02; done\n"
DAEMON = """
import os, signal, sys, time
def daemon(name, environment):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            if not environment:
                code = "import os,time; open(%r,'w').write(str(os.getpid())); time.sleep(600)" % name
                os.execve(sys.executable, [sys.executable, "-c", code], {})
            open(name + ".tmp", "w").write(str(os.getpid())); os.rename(name + ".tmp", name)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            while True: time.sleep(600)
        os._exit(0)
    os.wait()
"""
PARENT = """
import asyncio, os, sys
from pathlib import Path
from uuid import UUID
from adapters.processes.runner import ProcessRunner
from domain.attempt import AttemptKey
from domain.runner import LaunchOrder
async def main():
    root, key, url, token, *command = sys.argv[1:]
    runner = ProcessRunner(Path(root), sys.executable, os.environ, request_timeout_seconds=1.0)
    print("launching", flush=True)
    await runner.launch(LaunchOrder(key=AttemptKey.parse(key), command=tuple(command), server_url=url, token=token))
    print("launched", flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""


@pytest.fixture
async def attempts(tmp_path: Path) -> AsyncIterator[AttemptDriver]:
    server = ShimServer()
    server.start()
    driver = AttemptDriver(tmp_path / "runs", server)
    try:
        yield driver
    finally:
        try:
            await driver.check_nothing_left()
        finally:
            server.stop()


async def is_there(path: Path) -> None:
    await eventually(path.exists)


async def number_in(path: Path) -> int:
    return int(await eventually(lambda: path.exists() and path.read_text()))


def is_running(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


async def control_groups(key: AttemptKey) -> list[Path]:
    """The control groups that the attempt left behind."""
    return await asyncio.to_thread(lambda: list(Path("/sys/fs/cgroup").rglob(f"plog-{key.job_id}-1")))


def start_parent(attempts: AttemptDriver, key: AttemptKey, *command: str) -> "subprocess.Popen[str]":
    """A server in miniature: a process of its own that launches the attempt and goes on living."""
    arguments = [str(attempts.root), str(key), attempts.server.url, TOKEN, *command]
    return subprocess.Popen([sys.executable, "-c", PARENT, *arguments], stdout=subprocess.PIPE, text=True)


async def test_an_attempt_runs_reports_and_is_forgotten(attempts: AttemptDriver) -> None:
    runner: Runner = attempts.runner
    key = await attempts.shell(
        REPORTS + "echo out; echo to-err >&2; echo result > $PLOG_OUTPUT/r.txt\n"
        """report '{"artifact": {"name": "r.txt", "mediaType": "text/plain"}}' """
    )
    ending = await attempts.settled(key)
    assert (ending.exit_code, ending.cause, ending.reports, ending.message) == (0, None, 4, "")
    assert ending.details["peakMemoryBytes"] > 0
    assert attempts.server.state.sequences == [1, 2, 3, 4]
    assert [bytes(content) for content in attempts.server.state.uploads.values()] == [b"result\n"]
    whole = await runner.read_log(key, 0, 100)
    assert sorted(whole.data.splitlines()) == [b"out", b"to-err"]
    assert (await runner.read_log(key, 2, 3)).data == whole.data[2:5]
    assert (await runner.read_log(key, whole.end, 10)).data == b""
    assert list(await runner.present()) == [key]
    await runner.forget(key)
    assert list(await runner.present()) == []
    assert await attempts.presence(key) is Presence.ABSENT
    assert [path.name for path in attempts.root.iterdir()] == ["runner.json", ".removed"]


async def test_order_is_private_and_the_step_sees_nothing_of_the_server(
    attempts: AttemptDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLOG_SECRETS__KEYS", "server-secret")
    key = await attempts.shell("env; ls -l /proc/self/fd; pwd", environment={"GREETING": "hello", "PLOG_INPUT": "/etc/passwd"})
    await attempts.settled(key)
    text = (await attempts.runner.read_log(key, 0, 100_000)).data.decode()
    folder = attempts.folder(key).path
    assert (folder / "order.json").stat().st_mode & 0o777 == 0o600
    assert "server-secret" not in text
    assert TOKEN not in text
    assert "GREETING=hello" in text
    assert f"PLOG_INPUT={folder}/input.json" in text
    assert f"HOME={folder}/work" in text
    assert str(folder / "lock") not in text
    assert text.rstrip().endswith(str(folder / "work"))


async def test_user_files_cannot_shadow_modules_of_the_shim(attempts: AttemptDriver) -> None:
    order = attempts.order("true")
    folder = attempts.folder(order.key).path
    folder.mkdir(parents=True)
    for name in ("json.py", "logging.py", "steps.py"):
        (folder / name).write_text("raise SystemExit('shadowed')")
    await attempts.runner.launch(order)
    assert (await attempts.settled(order.key)).exit_code == 0


async def test_launching_again_changes_nothing(attempts: AttemptDriver) -> None:
    order = attempts.order("sh", "-c", "echo ran >> runs; " + WAIT)
    await attempts.runner.launch(order)
    await is_there(attempts.file(order.key, "ready"))
    await attempts.runner.launch(order)
    attempts.file(order.key, "go").touch()
    await attempts.settled(order.key)
    await attempts.runner.launch(order)
    assert attempts.file(order.key, "runs").read_text() == "ran\n"
    assert await attempts.presence(order.key) is Presence.ENDED


async def test_many_concurrent_launches_by_two_runners_start_one(attempts: AttemptDriver) -> None:
    order = attempts.order("sh", "-c", "echo ran >> runs; sleep 0.2")
    runners = [attempts.runner, attempts.new_runner()]
    assert runners[0].id == runners[1].id
    await asyncio.gather(*(runners[turn % 2].launch(order) for turn in range(6)), runners[1].observe([order.key]))
    await attempts.settled(order.key)
    assert attempts.file(order.key, "runs").read_text() == "ran\n"


async def test_a_runner_id_is_made_once(tmp_path: Path) -> None:
    made = await asyncio.gather(
        *(asyncio.to_thread(ProcessRunner, tmp_path / "runs", sys.executable, os.environ) for _ in range(8))
    )
    assert len({runner.id for runner in made}) == 1
    assert ProcessRunner(tmp_path / "other", sys.executable, os.environ).id != made[0].id


async def test_absent_is_what_was_never_begun(attempts: AttemptDriver) -> None:
    order = attempts.order("true")
    assert await attempts.presence(order.key) is Presence.ABSENT
    attempts.folder(order.key).write_order(order, {})
    assert await attempts.presence(order.key) is Presence.ABSENT
    assert list(await attempts.runner.present()) == [order.key]
    assert (await attempts.runner.read_log(order.key, 5, 10)).data == b""
    await attempts.runner.end(order.key, EndReason.CANCELLED, 1)
    await attempts.runner.forget(order.key)
    assert list(await attempts.runner.present()) == []


async def test_no_shim_is_unavailable(attempts: AttemptDriver, tmp_path: Path) -> None:
    order = attempts.order("true")
    with pytest.raises(Unavailable):
        await ProcessRunner(attempts.root, str(tmp_path / "no-python"), os.environ).launch(order)
    with pytest.raises(Unavailable):
        await ProcessRunner(attempts.root, "/bin/false", os.environ).launch(order)
    assert await attempts.presence(order.key) is Presence.ABSENT
    await attempts.runner.launch(order)
    assert (await attempts.settled(order.key)).exit_code == 0


async def test_killed_parent_leaves_the_attempt_to_be_adopted(attempts: AttemptDriver) -> None:
    order = attempts.order()
    command = ("sh", "-c", """echo ran >> runs; printf '{"task":"a","progress":0.5}\n' >> $PLOG_REPORTS; """ + WAIT)
    parent = start_parent(attempts, order.key, *command)
    assert parent.stdout is not None
    assert [await asyncio.to_thread(parent.stdout.readline) for _ in range(2)] == ["launching\n", "launched\n"]
    parent.kill()
    await asyncio.to_thread(parent.wait)
    parent.stdout.close()
    adopting = attempts.new_runner()
    assert (await adopting.observe([order.key]))[order.key].presence is Presence.ALIVE
    await is_there(attempts.file(order.key, "ready"))
    await adopting.launch(replace(order, command=command))
    attempts.file(order.key, "go").touch()
    assert (await attempts.settled(order.key)).exit_code == 0
    assert attempts.file(order.key, "runs").read_text() == "ran\n"
    assert attempts.server.state.sequences == [1]


@pytest.mark.parametrize("share", [0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
async def test_parent_killed_at_any_moment_of_a_launch_runs_the_step_at_most_once(attempts: AttemptDriver, share: float) -> None:
    order = attempts.order()
    command = ("sh", "-c", "echo ran >> runs")
    parent = start_parent(attempts, order.key, *command)
    assert parent.stdout is not None
    await asyncio.to_thread(parent.stdout.readline)
    # The moment is the point here: anywhere between the first file written and the shim being there.
    await asyncio.sleep(0.15 * (share + random.uniform(0, 0.2)))
    parent.kill()
    await asyncio.to_thread(parent.wait)
    parent.stdout.close()
    await attempts.runner.launch(replace(order, command=command))
    assert (await attempts.settled(order.key)).exit_code == 0
    assert attempts.file(order.key, "runs").read_text() == "ran\n"


async def test_killed_shim_is_runner_lost_and_everything_is_cleared(attempts: AttemptDriver) -> None:
    script = (
        DAEMON
        + """
import json, subprocess
daemon("grandchild", True)
unmarked = subprocess.Popen(["sleep", "600"], env={})
open("unmarked", "w").write(str(unmarked.pid))
with open(os.environ["PLOG_REPORTS"], "a") as reports:
    for value in range(5): reports.write(json.dumps({"task": "a", "progress": value / 10}) + "\\n")
open("step", "w").write(str(os.getpid()))
signal.signal(signal.SIGTERM, signal.SIG_IGN)
time.sleep(600)
"""
    )
    attempts.server.faults.report_status = 503
    key = await attempts.python(script)
    pids = [await number_in(attempts.file(key, name)) for name in ("step", "grandchild", "unmarked")]
    (shim,) = attempts.shims(key)
    shim.kill()
    await eventually(lambda: not is_running(pids[0]))  # the kernel ends the step itself, also while no server looks
    ending = await attempts.ended(key)
    assert (ending.exit_code, ending.cause, ending.reports) == (None, Cause.RUNNER_LOST, 5)
    assert [pid for pid in pids if is_running(pid)] == []
    attempts.server.faults.report_status = None
    await attempts.settled(key)
    assert attempts.server.state.sequences == [1, 2, 3, 4, 5]


async def test_shim_killed_while_it_recovers_and_while_it_drains(attempts: AttemptDriver) -> None:
    attempts.server.faults.report_status = 503
    key = await attempts.shell(REPORTS + "touch ready; sleep 600")
    await is_there(attempts.file(key, "ready"))
    for _ in range(4):
        for shim in await eventually(lambda: attempts.shims(key)):
            shim.kill()
        await eventually(lambda: not attempts.folder(key).is_locked())
        await attempts.runner.observe([key])
    attempts.server.faults.report_status = None
    assert (await attempts.settled(key)).cause is Cause.RUNNER_LOST
    assert attempts.server.state.sequences == [1, 2, 3]


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 0.75, 1.0])
async def test_shim_killed_at_any_moment_leaves_one_ending_and_every_report(attempts: AttemptDriver, share: float) -> None:
    script = """echo ran >> runs; for i in 0 1 2 3 4 5 6 7; do report '{"task": "a", "progress": 0.'$i'}'; sleep 0.01; done"""
    key = await attempts.shell(script)
    # Again the moment is the point: while it fetches, starts the step, watches it, records its end, sends reports.
    await asyncio.sleep(0.4 * (share + random.uniform(0, 0.25)))
    for shim in attempts.shims(key):
        shim.kill()
    ending = await attempts.settled(key)
    assert ending.cause in (None, Cause.RUNNER_LOST)
    assert ending.cause is not None or (ending.exit_code, ending.reports) == (0, 8)
    assert attempts.server.state.sequences == list(range(1, ending.reports + 1))
    runs = attempts.file(key, "runs")
    assert not runs.exists() or runs.read_text() == "ran\n"


async def test_shim_killed_during_natural_drain_keeps_the_ending(attempts: AttemptDriver) -> None:
    key = await attempts.shell(WAIT + REPORTS + "exit 4")
    await is_there(attempts.file(key, "ready"))
    attempts.server.faults.report_status = 503
    attempts.file(key, "go").touch()
    assert (await attempts.ended(key)).exit_code == 4
    (shim,) = attempts.shims(key)
    shim.kill()
    await eventually(lambda: not attempts.folder(key).is_locked())
    attempts.server.faults.report_status = None
    ending = await attempts.settled(key)
    assert (ending.exit_code, ending.cause) == (4, None)
    assert attempts.server.state.sequences == [1, 2, 3]


async def test_killed_step_ends_with_its_signal(attempts: AttemptDriver) -> None:
    key = await attempts.python(DAEMON + 'daemon("grandchild", True); open("step", "w").write(str(os.getpid())); time.sleep(600)')
    grandchild = await number_in(attempts.file(key, "grandchild"))
    os.kill(await number_in(attempts.file(key, "step")), signal.SIGKILL)
    ending = await attempts.settled(key)
    assert (ending.exit_code, ending.cause) == (128 + signal.SIGKILL, None)
    assert ending.message == "The step was ended by SIGKILL."
    assert not is_running(grandchild)


async def test_natural_end_takes_leftovers_along(attempts: AttemptDriver) -> None:
    script = (
        DAEMON
        + """
daemon("marked", True); daemon("bare", False)
while not (os.path.exists("marked") and os.path.exists("bare") and open("bare").read()): time.sleep(0.01)
"""
    )
    key = await attempts.python(script)
    ending = await attempts.settled(key)
    assert (ending.exit_code, ending.cause) == (0, None)
    pids = [await number_in(attempts.file(key, name)) for name in ("marked", "bare")]
    assert [pid for pid in pids if is_running(pid)] == []


async def test_cancel_ends_a_stubborn_step_and_its_daemons_within_the_grace(attempts: AttemptDriver) -> None:
    script = (
        DAEMON
        + """
signal.signal(signal.SIGTERM, signal.SIG_IGN)
daemon("marked", True); daemon("bare", False)
open("ready", "w").write(str(os.getpid()))
while True: time.sleep(600)
"""
    )
    key = await attempts.python(script)
    pids = [await number_in(attempts.file(key, name)) for name in ("ready", "marked", "bare")]
    began = time.monotonic()
    await attempts.runner.end(key, EndReason.CANCELLED, 0.5)
    ending = await attempts.ended(key)
    assert 0.5 <= time.monotonic() - began < 1.5
    assert (ending.exit_code, ending.cause) == (None, Cause.CANCELLED)
    assert [pid for pid in pids if is_running(pid)] == []
    await attempts.settled(key)
    await attempts.runner.end(key, EndReason.CANCELLED, 0.5)
    assert (await attempts.ended(key)).cause is Cause.CANCELLED


async def test_polite_step_reports_what_it_found_before_it_ends(attempts: AttemptDriver) -> None:
    key = await attempts.shell("""trap 'report "{\\"task\\": \\"a\\", \\"metadata\\": {\\"found\\": 1}}"; exit 5' TERM
touch ready; while :; do sleep 0.02; done""")
    await is_there(attempts.file(key, "ready"))
    await attempts.runner.end(key, EndReason.INTERRUPTED, 5)
    ending = await attempts.settled(key)
    assert (ending.exit_code, ending.cause, ending.reports) == (5, Cause.INTERRUPTED, 1)
    assert attempts.server.state.reports[0]["metadata"] == {"found": 1}


async def test_interrupted_shim_leaves_with_the_server_and_the_rest_is_sent_later(attempts: AttemptDriver) -> None:
    key = await attempts.shell("touch ready; trap 'exit 0' TERM; while :; do sleep 0.02; done", grace=0.5)
    await is_there(attempts.file(key, "ready"))
    attempts.server.stop()
    with (attempts.folder(key).path / "reports.jsonl").open("a") as reports:
        reports.write('{"task": "a", "progress": 0.5}\n')
    began = time.monotonic()
    await attempts.runner.end(key, EndReason.INTERRUPTED, 1)
    await eventually(lambda: not attempts.folder(key).is_locked())
    assert time.monotonic() - began < 5
    attempts.server.start()
    assert (await attempts.settled(key)).cause is Cause.INTERRUPTED
    assert attempts.server.state.sequences == [1]


async def test_signal_to_the_shim_interrupts_the_attempt(attempts: AttemptDriver) -> None:
    key = await attempts.shell("touch ready; sleep 600")
    await is_there(attempts.file(key, "ready"))
    attempts.shims(key)[0].terminate()
    assert (await attempts.settled(key)).cause is Cause.INTERRUPTED


async def test_time_limit(attempts: AttemptDriver) -> None:
    key = await attempts.shell("trap '' TERM; while :; do sleep 0.02; done", limits=Limits(time_seconds=0.5), grace=0.3)
    ending = await attempts.settled(key)
    assert ending.cause is Cause.TIME_LIMIT
    assert ending.exit_code is None
    assert "0.5 s" in ending.message
    assert 0.8 <= ending.details["seconds"] < 2


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
time.sleep(600)
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


@pytest.mark.parametrize(
    ("program", "message"),
    [("/no/such/program", "No such file"), ("a\x00b", "null byte"), ("/etc", "Permission denied")],
)
async def test_command_that_cannot_be_started(attempts: AttemptDriver, program: str, message: str) -> None:
    key = await attempts.launch(program, limits=Limits(memory_bytes=100 * MEGABYTE))
    ending = await attempts.settled(key)
    assert (ending.exit_code, ending.cause) == (None, Cause.NOT_STARTED)
    assert message in ending.message
    assert await control_groups(key) == []


async def test_failure_shows_the_last_line_of_standard_error(attempts: AttemptDriver) -> None:
    key = await attempts.python("import sys; print('late output'); sys.stderr.write('first\\nthe reason\\n\\n'); sys.exit(7)")
    ending = await attempts.settled(key)
    assert (ending.exit_code, ending.cause, ending.message) == (7, None, "the reason")


async def test_inputs_arrive_checked_and_without_their_urls(attempts: AttemptDriver) -> None:
    content = os.urandom(300_000)
    attempts.server.add_input("decks/a.bin", content)
    attempts.server.faults.close_download_after = 100_000
    key = await attempts.shell(
        "cmp $PLOG_INPUTS/decks/a.bin $EXPECTED && cp $PLOG_INPUT seen.json",
        environment={"EXPECTED": str(attempts.root / "expected")},
    )
    (attempts.root / "expected").write_bytes(content)
    assert (await attempts.settled(key)).exit_code == 0
    (entry,) = json.loads(attempts.file(key, "seen.json").read_text())["inputs"]
    assert entry["name"] == "decks/a.bin"
    assert "url" not in entry
    first, second = attempts.server.state.download_ranges
    assert first is None
    assert second is not None  # it went on where the first download stopped


async def test_inputs_that_lead_outside_are_refused(attempts: AttemptDriver) -> None:
    attempts.server.add_input("../../evil", b"x")
    key = await attempts.launch("true")
    ending = await attempts.settled(key)
    assert ending.cause is Cause.NOT_STARTED
    assert "../../evil" in ending.message


async def test_server_that_is_down_at_the_start_is_waited_for_and_the_wait_can_be_cancelled(attempts: AttemptDriver) -> None:
    attempts.server.faults.is_hanging = True
    waiting, cancelled = await attempts.launch("true"), await attempts.launch("true")
    began = time.monotonic()
    await attempts.runner.end(cancelled, EndReason.CANCELLED, 1)
    assert (await attempts.ended(cancelled)).cause is Cause.CANCELLED
    assert time.monotonic() - began < 1
    assert await attempts.presence(waiting) is Presence.ALIVE
    attempts.server.stop()
    attempts.server.faults.is_hanging = False
    attempts.server.start()
    assert (await attempts.settled(waiting)).exit_code == 0
    await attempts.settled(cancelled)


async def test_server_down_during_the_run_gets_every_report_once_and_in_order(attempts: AttemptDriver) -> None:
    script = """
import json, os, time
for value in range(120):
    with open(os.environ["PLOG_REPORTS"], "a") as reports:
        reports.write(json.dumps({"task": "a", "point": {"value": value}}) + "\\n")
    time.sleep(0.01)
"""
    key = await attempts.python(script)
    for _ in range(3):
        before = len(attempts.server.state.reports)
        await eventually(lambda before=before: len(attempts.server.state.reports) > before)  # type: ignore[misc]
        attempts.server.stop()
        size = (attempts.folder(key).path / "reports.jsonl").stat().st_size
        await eventually(lambda size=size: (attempts.folder(key).path / "reports.jsonl").stat().st_size > size + 300)  # type: ignore[misc]
        attempts.server.start()
    ending = await attempts.settled(key)
    assert ending.reports == 120
    assert attempts.server.state.sequences == list(range(1, 121))
    assert [report["metadata"]["value"] for report in attempts.server.state.reports] == list(range(120))


async def test_server_that_dies_before_answering_sees_repeats_and_records_nothing_twice(attempts: AttemptDriver) -> None:
    attempts.server.faults.drop_answers = 3
    key = await attempts.shell(REPORTS)
    await attempts.settled(key)
    assert attempts.server.state.sequences == [1, 2, 3]
    assert attempts.server.state.repeats > 0


async def test_reports_arrive_while_the_step_runs(attempts: AttemptDriver) -> None:
    key = await attempts.shell(REPORTS + WAIT)
    await is_there(attempts.file(key, "ready"))
    await eventually(lambda: attempts.server.state.sequences == [1, 2, 3], deadline=1.0)
    attempts.file(key, "go").touch()
    await attempts.settled(key)


@pytest.mark.parametrize("is_hidden", [False, True])
async def test_upload_goes_on_where_it_stopped(attempts: AttemptDriver, is_hidden: bool) -> None:
    attempts.server.faults.close_upload_after = 1 << 20
    attempts.server.faults.is_hiding_uploads = is_hidden  # then the answer to the upload itself says how much is there
    key = await attempts.python("""
import os
open(os.environ["PLOG_OUTPUT"] + "/big.bin", "wb").write(os.urandom(3 << 20))
open(os.environ["PLOG_REPORTS"], "a").write('{"artifact": {"name": "big.bin", "mediaType": "x/y"}}\\n')
""")
    await attempts.settled(key)
    state = attempts.server.state
    assert state.upload_starts[0] == 0
    assert state.upload_starts[1] >= 1 << 20
    assert state.wrong_offsets == int(is_hidden)
    (sha256,) = state.uploads
    assert bytes(state.uploads[sha256]) == (attempts.folder(key).path / "output" / "big.bin").read_bytes()
    assert state.reports[0]["artifact"]["sha256"] == sha256
    assert state.reports[0]["artifact"]["size"] == 3 << 20


async def test_superseded_attempt_is_stopped_firmly(attempts: AttemptDriver) -> None:
    key = await attempts.shell(
        'trap \'\' TERM; touch ready; while :; do report \'{"task": "a", "progress": 0.1}\'; sleep 0.02; done'
    )
    await is_there(attempts.file(key, "ready"))
    attempts.server.faults.is_superseded = True
    ending = await attempts.ended(key)
    assert ending.cause is Cause.CANCELLED
    assert "replaced" in ending.message
    await eventually(lambda: not attempts.folder(key).is_locked())
    assert not attempts.folder(key).has_unsent_reports  # nobody wants them, so no shim is started for them again
    await attempts.runner.forget(key)
    assert list(await attempts.runner.present()) == []


async def test_attempt_superseded_before_its_start_never_runs(attempts: AttemptDriver) -> None:
    attempts.server.faults.is_superseded = True
    key = await attempts.shell("touch ran")
    assert (await attempts.settled(key)).cause is Cause.CANCELLED
    assert not attempts.file(key, "ran").exists()


async def test_fresh_token_reaches_a_running_shim(attempts: AttemptDriver) -> None:
    order = replace(attempts.order("sh", "-c", "true"), token="expired")
    await attempts.runner.launch(order)
    assert await attempts.presence(order.key) is Presence.ALIVE
    await attempts.runner.launch(replace(order, token=TOKEN))
    assert (await attempts.settled(order.key)).exit_code == 0


async def test_torn_last_line_is_kept_as_a_note_and_a_whole_one_counts(attempts: AttemptDriver) -> None:
    whole = await attempts.shell("""printf '{"task": "a", "status": "RUNNING"}' >> $PLOG_REPORTS""")
    assert (await attempts.settled(whole)).reports == 1
    assert attempts.server.state.reports[0]["status"] == "RUNNING"
    attempts.server.state.reports.clear()
    attempts.server.state.last_sequence = 0
    torn = await attempts.shell(REPORTS + """printf '{"task": "a", "sta' >> $PLOG_REPORTS""")
    assert (await attempts.settled(torn)).reports == 4
    assert attempts.server.state.reports[3]["metadata"]["malformedReport"] == '{"task": "a", "sta'


async def test_forget_leaves_what_is_alive_alone(attempts: AttemptDriver) -> None:
    key = await attempts.shell(WAIT)
    await is_there(attempts.file(key, "ready"))
    await attempts.runner.forget(key)
    assert await attempts.presence(key) is Presence.ALIVE
    attempts.file(key, "go").touch()
    await attempts.settled(key)


async def test_foreign_names_in_the_folder_are_no_attempts(tmp_path: Path) -> None:
    runner = ProcessRunner(tmp_path, sys.executable, os.environ)
    for name in ("x/1", f"{uuid4()}/one", f"{uuid4()}/01"):
        (tmp_path / name).mkdir(parents=True)
    assert list(await runner.present()) == []
