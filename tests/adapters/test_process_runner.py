"""Attempts as real processes: launched once, seen as they are, forgotten when over."""

import asyncio
import errno
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from uuid import uuid4

import pytest

from adapters.processes.runner import ProcessRunner
from domain.attempt import AttemptKey, Cause
from domain.ports import Runner
from domain.runner import EndReason, LaunchFailed, Limits, Presence
from tests.adapters.attempt_driver import AttemptDriver, is_there, number_in
from tests.adapters.shim_server import TOKEN
from tests.files import contents_of
from tests.services import unprivileged

MEGABYTE = 1 << 20
REPORTS = """for i in 1 2 3; do report '{"task": "a", "progress": 0.'$i'}'; done\n"""
WAIT = "touch ready; while [ ! -e go ]; do sleep 0.02; done\n"


async def control_groups(key: AttemptKey) -> list[Path]:
    """The control groups that the attempt left behind."""
    return await asyncio.to_thread(lambda: list(Path("/sys/fs/cgroup").rglob(f"plog-{key.job_id}-1")))


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
    assert {path.name for path in attempts.root.iterdir()} == {"runner.json", ".removed"}


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
    attempts.folder(order.key).write_order(order, {"maxReports": 100})
    assert await attempts.presence(order.key) is Presence.ABSENT
    assert list(await attempts.runner.present()) == [order.key]
    assert (await attempts.runner.read_log(order.key, 5, 10)).data == b""
    await attempts.runner.end(order.key, EndReason.CANCELLED, 1)
    await attempts.runner.forget(order.key)
    assert list(await attempts.runner.present()) == []


async def test_a_launch_without_a_shim_has_failed_and_may_be_repeated(attempts: AttemptDriver, tmp_path: Path) -> None:
    order = attempts.order("true")
    with pytest.raises(LaunchFailed, match="No such file"):
        await ProcessRunner(attempts.root, str(tmp_path / "no-python"), os.environ).launch(order)
    with pytest.raises(LaunchFailed, match="code 1 at its start: it printed nothing"):
        await ProcessRunner(attempts.root, "/bin/false", os.environ).launch(order)
    with pytest.raises(LaunchFailed, match=r"code 2 .*--help"):
        await ProcessRunner(attempts.root, "/bin/ls", os.environ).launch(order)
    assert await attempts.presence(order.key) is Presence.ABSENT
    await attempts.runner.launch(order)
    assert (await attempts.settled(order.key)).exit_code == 0


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


async def test_a_step_gets_its_own_copy_of_the_working_data(attempts: AttemptDriver, tmp_path: Path) -> None:
    data = tmp_path / "models"
    (data / "deep").mkdir(parents=True)
    (data / "deep" / "nmos.lib").write_text("level 1")
    (data / "latest").symlink_to("deep")
    (data / "deep" / "nmos.lib").chmod(0o444)
    (data / "deep").chmod(0o555)
    script = "cat models/latest/nmos.lib && echo changed > models/deep/nmos.lib && rm -r models"
    assert (await attempts.settled(await attempts.shell(script, working_data=data))).exit_code == 0
    assert (data / "deep" / "nmos.lib").read_text() == "level 1"
    file = tmp_path / "run.sh"
    file.write_text("#!/bin/sh\nexit 3\n")
    file.chmod(0o755)
    assert (await attempts.settled(await attempts.shell("./run.sh", working_data=file))).exit_code == 3
    ending = await attempts.settled(await attempts.shell("true", working_data=tmp_path / "removed"))
    assert ending.cause is Cause.NOT_STARTED
    assert "working data" in ending.message and str(tmp_path / "removed") in ending.message


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


@pytest.mark.parametrize("content", [None, b"something else"])
async def test_an_input_that_can_not_be_had_is_named(attempts: AttemptDriver, content: bytes | None) -> None:
    attempts.server.add_input("good.bin", b"good")
    attempts.server.add_input("decks/a.bin", b"what was announced")
    path = list(attempts.server.blobs)[-1]
    del attempts.server.blobs[path]
    if content is not None:
        attempts.server.blobs[path] = content
    key = await attempts.launch("true")
    ending = await attempts.settled(key)
    assert (ending.cause, ending.exit_code) == (Cause.NOT_STARTED, None)
    assert "decks/a.bin" in ending.message
    assert ("404" if content is None else "checksum") in ending.message


async def test_an_input_document_that_the_server_refuses_is_given_up(attempts: AttemptDriver) -> None:
    attempts.server.faults.input_refusal = {"code": "SECRET_UNAVAILABLE", "message": "The secret `key` does not exist."}
    ending = await attempts.settled(await attempts.launch("true"))
    assert ending.cause is Cause.NOT_STARTED and "`key`" in ending.message


async def test_a_secret_environment_is_the_step_s_and_in_no_file(attempts: AttemptDriver) -> None:
    attempts.server.document["secretEnvironment"] = {"PLOG_SECRET_key": "s3cr3t", "PLOG_INPUT": "nowhere"}
    key = await attempts.shell('test -s "$PLOG_INPUT" && printf %s "$PLOG_SECRET_key" | wc -c > length')
    assert (await attempts.settled(key)).exit_code == 0
    assert await number_in(attempts.file(key, "length")) == len("s3cr3t")
    assert not any(b"s3cr3t" in content for content in contents_of(attempts.folder(key).path))


@pytest.mark.parametrize("ahead", [50.0, -50.0])
async def test_a_step_is_told_how_far_the_servers_clock_is_ahead(attempts: AttemptDriver, ahead: float) -> None:
    attempts.server.document["serverTime"] = time.time() + ahead
    key = await attempts.shell('cp "$PLOG_INPUT" told')
    assert (await attempts.settled(key)).exit_code == 0
    document = json.loads(attempts.file(key, "told").read_text())
    assert document["clockOffset"] == pytest.approx(ahead, abs=10) and "serverTime" not in document


async def test_inputs_that_lead_outside_are_refused(attempts: AttemptDriver) -> None:
    attempts.server.add_input("../../evil", b"x")
    key = await attempts.launch("true")
    ending = await attempts.settled(key)
    assert ending.cause is Cause.NOT_STARTED
    assert "../../evil" in ending.message


async def test_torn_last_line_is_kept_as_a_note_and_a_whole_one_counts(attempts: AttemptDriver) -> None:
    whole = await attempts.shell("""printf '{"task": "a", "status": "RUNNING"}' >> $PLOG_REPORTS""")
    assert (await attempts.settled(whole)).reports == 1
    assert attempts.server.state.reports[0]["status"] == "RUNNING"
    attempts.server.state.reports.clear()
    attempts.server.state.last_sequence = 0
    torn = await attempts.shell(REPORTS + """printf '{"task": "a", "sta' >> $PLOG_REPORTS""")
    assert (await attempts.settled(torn)).reports == 4
    assert attempts.server.state.reports[3]["metadata"]["malformedReport"] == '{"task": "a", "sta'


def test_folders_that_may_not_be_written_to_are_removed_with_the_run(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from adapters.processes.runner import ProcessRunner; "
        "grave = Path(sys.argv[1], '.removed', 'x'); (grave / 'go' / 'mod').mkdir(parents=True); "
        "(grave / 'go' / 'mod' / 'file').touch(); (grave / 'link').symlink_to(sys.argv[2]); "
        "(grave / 'go' / 'mod' / 'hard').hardlink_to(sys.argv[2] + '/file'); "
        "(grave / 'go' / 'mod').chmod(0o500); (grave / 'go').chmod(0); "
        "ProcessRunner(Path(sys.argv[1]), sys.executable, {}); print(list(grave.parent.iterdir()))"
    )
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").touch(0o400)
    outside.chmod(0o500)
    command = [*unprivileged(), sys.executable, "-c", script, str(tmp_path / "runs"), str(outside)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")
    assert outside.stat().st_mode & 0o777 == 0o500, "what a link leads to is left alone"
    assert (outside / "file").stat().st_mode & 0o777 == 0o400


async def test_a_log_that_can_not_be_opened_now_is_not_an_empty_one(
    attempts: AttemptDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await attempts.shell("echo said")
    await attempts.settled(key)

    def refuse(*_: object, **__: object) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patched:
        patched.setattr("adapters.processes.run_folder.os.open", refuse)
        with pytest.raises(OSError, match="Too many"):
            await attempts.runner.read_log(key, 0, 100)
    assert (await attempts.runner.read_log(key, 0, 100)).data == b"said\n"


async def test_folders_within_one_another_are_removed_however_many(attempts: AttemptDriver) -> None:
    key = await attempts.python("import os\nfor _ in range(1200): os.mkdir('d' * 30); os.chdir('d' * 30)\nos.chmod('.', 0)")
    try:
        await attempts.settled(key)
        await attempts.runner.forget(key)
        assert not list(attempts.root.glob("*/*/*"))
    finally:
        await asyncio.to_thread(lambda: subprocess.run(["rm", "-rf", attempts.root], check=True))  # pytest can't


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
