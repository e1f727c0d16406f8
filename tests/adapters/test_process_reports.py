"""An attempt and its server: inputs, reports and files get through, however often the server is away."""

import time
from dataclasses import replace
from typing import Any

import pytest

from domain.attempt import Cause
from domain.runner import EndReason, Presence
from tests.adapters.attempt_driver import AttemptDriver, is_there
from tests.adapters.shim_server import TOKEN
from tests.waiting import eventually

REPORTS = """for i in 1 2 3; do report '{"task": "a", "progress": 0.'$i'}'; done\n"""
WAIT = "touch ready; while [ ! -e go ]; do sleep 0.02; done\n"


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


@pytest.mark.parametrize(
    "second",
    ["printf '{}\\n{}\\n{}\\n{}\\n' > $PLOG_REPORTS", "seq 1000 > $PLOG_REPORTS", ": > $PLOG_REPORTS", "rm $PLOG_REPORTS"],
)
@pytest.mark.parametrize("is_cancelled", [False, True])
async def test_a_step_that_rewrites_its_reports_has_lost_some(attempts: AttemptDriver, second: str, is_cancelled: bool) -> None:
    end = "trap 'exit 0' TERM; touch rewritten; while :; do sleep 0.02; done" if is_cancelled else ""
    key = await attempts.shell(f"{REPORTS}{WAIT}{second}\n{end}")
    await eventually(lambda: attempts.server.state.sequences == [1, 2, 3])
    await is_there(attempts.file(key, "ready"))
    attempts.file(key, "go").touch()
    if is_cancelled:
        await is_there(attempts.file(key, "rewritten"))
        await attempts.runner.end(key, EndReason.CANCELLED, 5)
    ending = await attempts.settled(key)
    assert ending.cause is (Cause.CANCELLED if is_cancelled else Cause.REPORTS_LOST)
    assert is_cancelled or ('"a"' in ending.message and ending.exit_code == 0)
    assert ending.reports <= attempts.server.state.last_sequence, "nothing is waited for"


@pytest.mark.parametrize(
    "instead",
    [
        'mkdir "$PLOG_REPORTS"',
        'mkfifo "$PLOG_REPORTS"',
        'ln -s /dev/zero "$PLOG_REPORTS"',
        'touch "$PLOG_REPORTS"; chmod 0 "$PLOG_REPORTS"',
    ],
)
@pytest.mark.parametrize("sent", [0, 3])
async def test_something_else_in_place_of_the_reports_holds_nobody(attempts: AttemptDriver, instead: str, sent: int) -> None:
    attempts.drop_privileges()
    attempts.server.faults.report_status = None if sent else 503
    key = await attempts.shell(f'{REPORTS}{WAIT}rm "$PLOG_REPORTS"; {instead}\ntouch replaced; exec sleep 60')
    await eventually(lambda: len(attempts.server.state.sequences) == sent)
    await is_there(attempts.file(key, "ready"))
    attempts.file(key, "go").touch()
    await is_there(attempts.file(key, "replaced"))
    await attempts.runner.end(key, EndReason.CANCELLED, 1)
    ending = await attempts.settled(key)
    assert (ending.cause, ending.reports) == (Cause.CANCELLED, sent)
    await attempts.runner.forget(key)
    assert key not in await attempts.runner.present()


async def test_reports_replaced_by_a_folder_are_lost(attempts: AttemptDriver) -> None:
    key = await attempts.shell(f'{REPORTS}rm "$PLOG_REPORTS"; mkdir "$PLOG_REPORTS"')
    assert (await attempts.settled(key)).cause is Cause.REPORTS_LOST


async def test_reports_that_the_step_may_not_write_to_any_more_count(attempts: AttemptDriver) -> None:
    attempts.drop_privileges()
    attempts.server.faults.report_status = 503
    key = await attempts.shell(f'{REPORTS}chmod 0 "$PLOG_REPORTS"')
    assert (await attempts.ended(key)).reports == 3
    attempts.server.faults.report_status = None
    assert (await attempts.settled(key)).cause is None and attempts.server.state.sequences == [1, 2, 3]


@pytest.mark.parametrize("instead", ["mkdir $L", "mkfifo $L", "ln -s $L $L", "ln -s /nonexistent/x $L", "touch $L; chmod 0 $L"])
async def test_something_else_in_place_of_the_log_holds_nobody(attempts: AttemptDriver, instead: str) -> None:
    attempts.drop_privileges()
    attempts.server.faults.refused = frozenset({"a"})
    is_open = "echo begun >&2; until grep -q begun $L; do sleep 0.02; done"
    key = await attempts.shell(f"L=$PWD/../output.log; {is_open}; rm $L; {instead}\n{REPORTS}")
    assert (await attempts.settled(key)).cause is None
    assert b"begun" not in (await attempts.runner.read_log(key, 0, 1000)).data


async def test_an_artifact_that_can_not_be_read_is_missing(attempts: AttemptDriver) -> None:
    attempts.drop_privileges()
    line = '{"artifact": {"name": "a"}}'
    await attempts.settled(await attempts.shell(f"echo x > $PLOG_OUTPUT/a; chmod 0 $PLOG_OUTPUT/a; report '{line}'"))
    (report,) = attempts.server.state.reports
    assert report["metadata"] == {"artifactMissing": {"name": "a", "reason": "its file can't be read"}}


async def test_reports_that_disappear_after_the_end_are_not_waited_for(attempts: AttemptDriver) -> None:
    attempts.server.faults.report_status = 503
    key = await attempts.shell(REPORTS)
    assert (await attempts.ended(key)).reports == 3
    with (attempts.folder(key).path / "reports.jsonl").open("r+") as reports:
        reports.readline()
        reports.truncate(reports.tell())
    on_the_way = attempts.server.state.faulty + 1  # it may have been read before, and holds all three
    await eventually(lambda: attempts.server.state.faulty > on_the_way)
    attempts.server.faults.report_status = None
    await attempts.settled(key)
    ending = await attempts.ended(key)
    assert (ending.cause, ending.reports, ending.exit_code) == (Cause.REPORTS_LOST, 1, 0)
    assert attempts.server.state.sequences == [1]


@pytest.mark.parametrize("stale", [{"token": "expired"}, {"server_url": "http://127.0.0.1:1"}])
async def test_new_access_reaches_a_running_shim(attempts: AttemptDriver, stale: dict[str, Any]) -> None:
    order = attempts.order("sh", "-c", 'echo "{}" >> $PLOG_REPORTS')
    await attempts.runner.launch(replace(order, **stale))
    assert await attempts.presence(order.key) is Presence.ALIVE
    await attempts.new_runner().renew_access(order.key, order.server_url, order.token)
    ending = await attempts.settled(order.key)
    assert (ending.exit_code, ending.reports) == (0, 1)
    assert attempts.server.state.sequences == [1]


async def test_access_to_what_is_not_here_is_nothing(attempts: AttemptDriver) -> None:
    await attempts.runner.renew_access(attempts.order("true").key, attempts.server.url, TOKEN)
    assert list(await attempts.runner.present()) == []
