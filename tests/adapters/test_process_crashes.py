"""Every party of an attempt is killed at every moment, or asked to end, and what must hold afterwards."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace

import pytest

from domain.attempt import AttemptKey, Cause
from domain.runner import EndReason, Presence
from tests.adapters.attempt_driver import AttemptDriver, is_running, is_there, number_in
from tests.adapters.shim_server import TOKEN
from tests.waiting import eventually

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


def start_parent(attempts: AttemptDriver, key: AttemptKey, *command: str) -> "subprocess.Popen[str]":
    """A server in miniature: a process of its own that launches the attempt and goes on living."""
    arguments = [str(attempts.root), str(key), attempts.server.url, TOKEN, *command]
    return subprocess.Popen([sys.executable, "-c", PARENT, *arguments], stdout=subprocess.PIPE, text=True)


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
unmarked = subprocess.Popen(["sleep", "600"], env={}, process_group=0)
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


@pytest.mark.parametrize(
    "left",
    [
        "rmdir $TMPDIR; touch $TMPDIR",
        "rm -r $PLOG_OUTPUT; ln -s /nonexistent $PLOG_OUTPUT",
        "rm $PLOG_REPORTS; ln -s $PLOG_REPORTS $PLOG_REPORTS",
        "rm ../output.log; ln -s /nonexistent/x ../output.log",
    ],
)
async def test_whatever_the_step_has_left_a_lost_shim_is_recovered_from(attempts: AttemptDriver, left: str) -> None:
    key = await attempts.shell(f"{left}\ntouch ready; setsid sleep 300 & exec sleep 300")
    await is_there(attempts.file(key, "ready"))
    (shim,) = attempts.shims(key)
    shim.kill()
    shim.wait(10)
    assert (await attempts.settled(key)).cause is Cause.RUNNER_LOST
    assert attempts.step_processes(key) == []


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


@pytest.mark.parametrize(
    "script",
    ["touch began; exec sleep 60", "trap 'exit 3' TERM; touch began; while :; do sleep 0.1; done"],
    ids=["dies", "exits"],
)
async def test_a_machine_that_tells_all_processes_to_end_interrupts_its_attempts(attempts: AttemptDriver, script: str) -> None:
    """As `shutdown` does, and `systemctl stop` where it ends a whole group: the step may be gone before its shim has looked."""
    for _ in range(4):
        key = await attempts.shell(script)
        await is_there(attempts.file(key, "began"))
        for pid in [*(each.pid for each in attempts.shims(key)), *attempts.step_processes(key)]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        assert (await attempts.settled(key)).cause is Cause.INTERRUPTED
