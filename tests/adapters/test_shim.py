"""The parts of the shim: reading what steps write, sending it through every kind of trouble, naming processes safely."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.attempt import Cause
from domain.event import EventKind
from domain.report import TASK_KINDS
from domain.validation import is_storable
from steps import memory_group, shim, stop_requests
from steps.fetch_inputs import safe_place
from steps.http_exchange import Backoff, Rejected, Unreachable, connect
from steps.memory_group import MemoryGroup
from steps.process_tree import descendants, group_of, kill, marked, process, resident_bytes, tree_ids
from steps.report_client import ReportClient, output_file, read_lines
from steps.report_lines import MAX_LINE_BYTES, report_of
from steps.server_client import ServerClient, Superseded
from steps.shim_folder import ShimFolder
from steps.stop_requests import Stop
from tests.adapters.shim_server import TOKEN, ShimServer
from tests.services import free_port
from tests.waiting import eventually_sync

MARK = f"{uuid4()}/1"


@pytest.fixture
def server() -> Iterator[ShimServer]:
    running = ShimServer()
    running.start()
    yield running
    running.stop()


@pytest.fixture
def folder(tmp_path: Path) -> ShimFolder:
    made = ShimFolder(tmp_path)
    made.prepare()
    return made


def client_of(folder: ShimFolder, server: ShimServer, token: str = TOKEN) -> ReportClient:
    return ReportClient(folder, ServerClient(server.url, lambda: token, 1.0))


def send(folder: ShimFolder, server: ShimServer, lines: Sequence[str], deadline: float = 15.0) -> ReportClient:
    """Send the lines to the end."""
    folder.reports.write_text("".join(f"{line}\n" for line in lines))
    client = client_of(folder, server)
    client.start()
    client.finish(len(lines))
    client.join(deadline)
    assert not client.is_alive()
    return client


def progress(value: float, task: str = "a") -> str:
    return json.dumps({"task": task, "progress": value})


# --- what it is made of ---------------------------------------------------------------------------------------------------------


def test_shim_needs_the_standard_library_alone(tmp_path: Path) -> None:
    def loaded(imports: str) -> set[str]:
        code = f"import {imports}, sys; print(*{{name.partition('.')[0] for name in sys.modules}})"
        return set(subprocess.check_output([sys.executable, "-P", "-c", code], cwd=tmp_path, text=True).split())

    assert loaded("steps.shim") - loaded("sys") - sys.stdlib_module_names == {"steps"}


def test_causes_are_those_of_the_domain() -> None:
    names = [stop_requests.CANCELLED, stop_requests.INTERRUPTED, stop_requests.TIME_LIMIT, stop_requests.MEMORY_LIMIT]
    assert {Cause(name) for name in [*names, shim.NOT_STARTED, shim.RUNNER_LOST]} == set(Cause) - {
        Cause.EXIT_CODE,
        Cause.TASK_FAILED,
        Cause.REPORTS_LOST,
    }


# --- lines ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "report"),
    [
        ({"task": "a", "status": "RUNNING"}, {"kind": "STATUS", "task": "a", "status": "RUNNING"}),
        (
            {"task": "a", "status": "FAILED", "metadata": {"x": 1}},
            {"kind": "STATUS", "task": "a", "status": "FAILED", "metadata": {"x": 1}},
        ),
        ({"task": "a", "progress": 1}, {"kind": "PROGRESS", "task": "a", "progress": 1.0}),
        (
            {"task": "a", "trial": {"n": 1}, "progress": 0.5},
            {"kind": "TRIAL", "task": "a", "metadata": {"n": 1}, "progress": 0.5},
        ),
        ({"task": "a", "point": {}}, {"kind": "POINT", "task": "a", "metadata": {}}),
        ({"task": "a", "metadata": {"k": None}}, {"kind": "NOTE", "task": "a", "metadata": {"k": None}}),
        (
            {"task": "a", "metadata": {"k": 1}, "progress": 0.5},
            {"kind": "NOTE", "task": "a", "metadata": {"k": 1}, "progress": 0.5},
        ),
        ({"metadata": {"dataInfo": {"rows": 3}}}, {"kind": "NOTE", "metadata": {"dataInfo": {"rows": 3}}}),
        (
            {"artifact": {"name": "d.csv", "mediaType": "text/csv", "inputs": ["x"]}, "task": "a"},
            {"kind": "ARTIFACT", "task": "a", "artifact": {"name": "d.csv", "mediaType": "text/csv", "inputs": ["x"]}},
        ),
        (
            {"artifact": {"name": "d"}},
            {"kind": "ARTIFACT", "artifact": {"name": "d", "mediaType": "application/octet-stream", "inputs": []}},
        ),
        (
            {"task": "a", "progress": 0.5, "time": "2026-01-02T03:04:05Z"},
            {"kind": "PROGRESS", "task": "a", "progress": 0.5, "reportedAt": "2026-01-02T03:04:05+00:00"},
        ),
    ],
)
def test_lines_of_the_contract(line: dict[str, Any], report: dict[str, Any]) -> None:
    assert report_of(json.dumps(line).encode()) == report


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"", "Expecting value"),
        (b"not json", "Expecting value"),
        (b"\xff\xfe", "utf-8"),
        (b"[1]", "must be a JSON object"),
        (b"{}", "says nothing"),
        (b'{"task": "a"}', "says nothing"),
        (b'{"task": "a", "stauts": "RUNNING"}', "unknown: stauts"),
        (b'{"task": "a", "status": "PENDING"}', "RUNNING, SUCCEEDED or FAILED"),
        (b'{"task": "a", "status": ["RUNNING"]}', "RUNNING, SUCCEEDED or FAILED"),
        (b'{"task": 1, "status": "RUNNING"}', "task must be text"),
        (b'{"task": "a", "progress": "0.5"}', "progress must be a number"),
        (b'{"task": "a", "progress": true}', "progress must be a number"),
        (b'{"task": "a", "progress": NaN}', "NaN is not JSON"),
        (b'{"task": "a", "progress": 1e999}', "not finite"),
        (b'{"task": "a", "metadata": {"n": 99999999999999999999}}', "64 bits"),
        (b'{"task": "a", "metadata": {"\\u0000": 1}}', "NUL"),
        (b'{"task": "a", "metadata": {"x": "\\ud800"}}', "surrogate"),
        (b'{"task": "a", "metadata": [1]}', "metadata must be an object"),
        (b'{"task": "a", "trial": {}, "point": {}}', "trial and point can't stand"),
        (b'{"task": "a", "trial": {}, "metadata": {}}', "trial and metadata can't stand"),
        (b'{"task": "a", "progress": 0.5, "time": "2026-01-02T03:04:05"}', "offset"),
        (b'{"artifact": {"mediaType": "x/y"}}', "artifact.name must be text"),
        (b'{"artifact": {"name": "x", "inputs": "y"}}', "artifact.inputs must be a list"),
        (b"[" * 100_000, "recursion"),
        (b'{"metadata": {"x": ' + b"[" * 100 + b"]" * 100 + b"}}", "nested deeper"),
        (b'{"metadata": {"x": "' + b"x" * MAX_LINE_BYTES + b'"}}', "longer than"),
    ],
)
def test_a_line_that_makes_no_sense_is_a_note_that_says_why(line: bytes, reason: str) -> None:
    report = report_of(line)
    assert report["kind"] == "NOTE"
    assert reason in report["metadata"]["reason"]
    assert report["metadata"]["malformedReport"].encode() == line[:200] or b"\xff" in line


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
LINES = st.dictionaries(
    st.sampled_from(["task", "time", "status", "progress", "trial", "point", "metadata", "artifact", "other"]),
    JSON | st.sampled_from(["a", "RUNNING", {"name": "x"}, "2026-01-02T03:04:05+01:00", 0.5]),
)


@given(LINES.map(lambda line: json.dumps(line).encode()) | st.binary(max_size=300))
def test_whatever_a_line_holds_the_report_is_one_the_api_can_read(line: bytes) -> None:
    report = report_of(line)
    text = json.dumps(report, ensure_ascii=False, allow_nan=False)
    assert is_storable(text)
    assert EventKind(report["kind"]) in TASK_KINDS
    assert report.keys() <= {"kind", "task", "status", "progress", "reportedAt", "metadata", "artifact"}
    assert None not in report.values()
    assert isinstance(report.get("task", ""), str)
    assert isinstance(report.get("metadata", {}), dict)
    assert ("artifact" in report) == (report["kind"] == "ARTIFACT")
    assert "reportedAt" not in report or datetime.fromisoformat(report["reportedAt"]).tzinfo is not None


@given(
    st.lists(st.binary(max_size=400).map(lambda raw: raw.replace(b"\n", b"")), max_size=12),
    st.binary(max_size=50),
    st.integers(1, 5),
)
def test_reading_on_from_each_end_gives_every_complete_line_once(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], torn: bytes, most: int
) -> None:
    file = tmp_path_factory.mktemp("spool") / "reports.jsonl"
    file.write_bytes(b"".join(line + b"\n" for line in lines) + torn.replace(b"\n", b""))
    found, offset = [], 0
    while batch := read_lines(file, offset, most):
        assert len(batch) <= most
        found += [line.raw for line in batch]
        offset = batch[-1].end
    assert found == lines


def test_an_overlong_line_is_cut_and_costs_its_number(tmp_path: Path) -> None:
    file = tmp_path / "reports.jsonl"
    file.write_bytes(b"x" * (3 * MAX_LINE_BYTES) + b"\n" + b"{}\n")
    (first,) = read_lines(file, 0, 1)
    (second,) = read_lines(file, first.end, 10)
    assert "longer than" in report_of(first.raw)["metadata"]["reason"]
    assert second.raw == b"{}"


@given(st.binary(max_size=200))
def test_sealing_ends_a_torn_line_once(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    folder = ShimFolder(tmp_path_factory.mktemp("run"))
    folder.reports.write_bytes(content)
    sealed = folder.seal_reports()
    assert folder.seal_reports() == sealed
    assert folder.reports.read_bytes() in (content, content + b"\n")
    assert len(read_lines(folder.reports, 0, 1000)) == sealed


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "missing", "link", "folder", "loop", "a\x00b", "x" * 5000, ""])
def test_only_regular_files_really_inside_the_output_are_artifacts(folder: ShimFolder, name: str) -> None:
    (folder.root / "secret").write_text("x")
    (folder.output / "link").symlink_to(folder.root / "secret")
    (folder.output / "loop").symlink_to(folder.output / "loop")
    (folder.output / "folder").mkdir()
    (folder.output / "folder" / "good").write_text("x")
    assert output_file(folder.output, name) is None
    assert output_file(folder.output, "folder/good") == (folder.output / "folder" / "good").resolve()


@pytest.mark.parametrize("name", ["", "/x", "../x", "a/../../x", "a\x00"])
def test_inputs_have_names_inside_their_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="name of an artifact"):
        safe_place(tmp_path, name)
    assert safe_place(tmp_path, "a/b.csv") == tmp_path / "a" / "b.csv"


# --- sending --------------------------------------------------------------------------------------------------------------------


def test_everything_is_sent_once_in_order_and_in_batches(folder: ShimFolder, server: ShimServer) -> None:
    send(folder, server, [progress(value / 1000) for value in range(1000)])
    assert server.state.sequences == list(range(1, 1001))
    assert server.state.calls < 30
    assert folder.cursor()["accepted"] == 1000


@pytest.mark.parametrize("accepted", [0, 2])
def test_an_old_cursor_repeats_and_gets_the_first_answers(folder: ShimFolder, server: ShimServer, accepted: int) -> None:
    lines = [progress(value / 10) for value in range(4)]
    send(folder, server, lines)
    offset = sum(len(line) + 1 for line in lines[:accepted])
    folder.write_cursor({"accepted": accepted, "offset": offset, "closed": False})
    send(folder, server, lines)
    assert server.state.sequences == [1, 2, 3, 4]
    assert server.state.repeats == 4 - accepted


def test_a_server_that_forgot_gets_everything_again(folder: ShimFolder, server: ShimServer) -> None:
    lines = [progress(value / 10) for value in range(6)]
    send(folder, server, lines[:4])
    server.state.last_sequence = 1
    server.state.reports = server.state.reports[:1]
    send(folder, server, lines)
    assert server.state.sequences == [1, 2, 3, 4, 5, 6]
    assert server.state.gaps > 0


def test_answers_that_use_nothing_up_are_tried_again(folder: ShimFolder, server: ShimServer) -> None:
    server.faults.not_consumed = 3
    send(folder, server, [progress(value / 10) for value in range(4)])
    assert server.state.sequences == [1, 2, 3, 4]


def test_a_refused_report_is_told_in_the_log(folder: ShimFolder, server: ShimServer) -> None:
    server.faults.refused = frozenset({"b"})
    send(folder, server, [progress(0.1), progress(0.2, "b"), progress(0.3)])
    assert folder.log.read_text() == "[plog] report 2 was refused: ILLEGAL_TRANSITION: not now\n"


def test_a_report_that_spoils_its_whole_request_is_replaced_alone(folder: ShimFolder, server: ShimServer) -> None:
    server.faults.poison = "bad"
    lines = [progress(value / 100) for value in range(20)]
    lines[7] = progress(0.5, "bad")
    send(folder, server, lines)
    assert server.state.sequences == list(range(1, 21))
    assert [report["sequence"] for report in server.state.reports if report["kind"] == "NOTE"] == [8]
    assert server.state.reports[7]["metadata"]["rejectedReport"] == lines[7]


def test_superseded_ends_the_sending_for_good(folder: ShimFolder, server: ShimServer) -> None:
    server.faults.is_superseded = True
    assert send(folder, server, [progress(0.1)]).superseded.is_set()
    assert folder.cursor()["closed"]
    server.faults.is_superseded = False
    assert send(folder, server, [progress(0.1)]).superseded.is_set()
    assert server.state.reports == []


def test_a_token_that_is_not_taken_is_asked_for_again(folder: ShimFolder, server: ShimServer) -> None:
    tokens = iter(["old", "old"])
    folder.reports.write_text(progress(0.1) + "\n")
    client = ReportClient(folder, ServerClient(server.url, lambda: next(tokens, TOKEN), 1.0))
    client.start()
    client.finish(1)
    client.join(10)
    assert server.state.sequences == [1]


def test_a_hanging_server_costs_a_timeout_and_nothing_else(folder: ShimFolder, server: ShimServer) -> None:
    server.faults.is_hanging = True
    folder.reports.write_text(progress(0.1) + "\n")
    client = client_of(folder, server)
    client.start()
    client.finish(1)
    eventually_sync(lambda: client.failing_seconds > 0)
    assert client.silent_seconds > 0.5
    server.stop()
    server.faults.is_hanging = False
    server.start()
    client.join(15)
    assert server.state.sequences == [1]
    assert client.failing_seconds == 0


def test_artifacts_that_are_missing_or_escape_become_notes(folder: ShimFolder, server: ShimServer) -> None:
    (folder.root / "secret").write_text("x")
    (folder.output / "good.txt").write_text("good")
    names = ["../secret", "missing", "good.txt"]
    send(folder, server, [progress(0.1), *(json.dumps({"artifact": {"name": name}}) for name in names), progress(0.2)])
    assert [report["kind"] for report in server.state.reports] == ["PROGRESS", "NOTE", "NOTE", "ARTIFACT", "PROGRESS"]
    assert [report["metadata"] for report in server.state.reports[1:3]] == [{"artifactMissing": name} for name in names[:2]]
    assert server.state.reports[3]["artifact"]["size"] == 4


def test_upload_that_the_server_refuses_becomes_a_note(folder: ShimFolder, server: ShimServer) -> None:
    (folder.output / "a").write_text("content")
    sha256 = "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73"
    server.state.uploads[sha256] = bytearray(b"CONTENT")
    send(folder, server, [json.dumps({"artifact": {"name": "a"}})])
    assert server.state.reports[0]["metadata"]["artifactRefused"] == "a"


def test_empty_artifact_and_one_that_is_there_already(folder: ShimFolder, server: ShimServer) -> None:
    (folder.output / "empty").touch()
    for _ in range(2):
        send(folder, server, [json.dumps({"artifact": {"name": "empty"}})] * 2)
    assert [report["artifact"]["size"] for report in server.state.reports] == [0, 0]


def test_download_is_checked(folder: ShimFolder, server: ShimServer) -> None:
    server.add_input("x", b"content")
    (entry,) = server.document["inputs"]
    client = ServerClient(server.url, lambda: TOKEN, 1.0)
    file = folder.downloads / "x"
    with pytest.raises(Rejected):
        client.download(entry["url"], file, "0" * 64)
    assert not file.exists()
    file.write_bytes(b"cont")
    client.download(entry["url"], file, entry["sha256"])
    assert file.read_bytes() == b"content"
    with pytest.raises(Rejected):
        client.download(server.url + "/blobs/other", file, entry["sha256"])
    with pytest.raises(Rejected):
        client.download("file:///etc/passwd", file, entry["sha256"])


def test_input_document_of_a_superseded_attempt(server: ShimServer) -> None:
    server.faults.is_superseded = True
    with pytest.raises(Superseded):
        ServerClient(server.url, lambda: TOKEN, 1.0).input_document()


def test_a_connection_that_the_server_closed_is_opened_again_at_once(server: ShimServer) -> None:
    client = ServerClient(server.url, lambda: TOKEN, 1.0)
    client.input_document()
    server.stop()
    server.start()
    assert client.input_document() == server.document
    server.faults.drop_before = 2
    with pytest.raises(Unreachable):
        client.input_document()


def test_nothing_listens() -> None:
    with pytest.raises(Unreachable):
        connect(f"http://127.0.0.1:{free_port()}", 1.0)


def test_backoff_grows_to_two_seconds_and_is_jittered() -> None:
    backoff = Backoff()
    pauses = [backoff.pause() for _ in range(12)]
    assert pauses[0] <= 0.05
    assert all(1.0 <= pause <= 2.0 for pause in pauses[7:])
    assert len(set(pauses[7:])) > 1
    backoff.reset()
    assert backoff.pause() <= 0.05


# --- processes ------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def sleeper() -> Iterator["subprocess.Popen[bytes]"]:
    command = [sys.executable, "-c", "import subprocess; subprocess.run(['sleep', '600'])"]
    running = subprocess.Popen(command, env={**os.environ, "TEST_MARK": MARK}, start_new_session=True)
    eventually_sync(lambda: len(descendants(running.pid)) == 1)
    yield running
    for each in descendants(running.pid):
        kill(each)
    running.kill()
    running.wait()


def test_a_tree_is_seen_measured_and_ended(sleeper: "subprocess.Popen[bytes]") -> None:
    leader = process(sleeper.pid)
    assert leader is not None
    (child,) = descendants(sleeper.pid)
    assert tree_ids(sleeper.pid) == [child.pid]
    assert {each.pid for each in marked("TEST_MARK", MARK)} == {leader.pid, child.pid}
    assert marked("TEST_MARK", MARK[:-1]) == []
    assert {each.pid for each in group_of(leader.identity, Path("/nowhere"))} == {leader.pid, child.pid}
    assert resident_bytes([leader.pid]) > 1_000_000
    kill(child)
    sleeper.wait()
    assert process(sleeper.pid) is None


def test_a_reused_id_is_never_signalled(sleeper: "subprocess.Popen[bytes]") -> None:
    leader = process(sleeper.pid)
    assert leader is not None
    earlier = replace(leader, start=leader.start - 1)
    kill(earlier)
    assert group_of(earlier.identity, Path("/nowhere")) == []
    other_boot = leader.identity.rsplit(" ", 1)[0] + " another-boot"
    assert group_of(other_boot, Path("/nowhere")) == []
    assert sleeper.poll() is None
    kill(replace(leader, pid=2**22 + 7))  # an id that can't exist


def test_orphans_of_a_dead_leader_count_only_where_they_work_in_the_folder(tmp_path: Path) -> None:
    code = "import subprocess; print(subprocess.Popen(['sleep', '600'], stdout=subprocess.DEVNULL).pid, flush=True); input()"
    running = subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, start_new_session=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert running.stdout is not None
    orphan = int(running.stdout.readline())
    leader = process(running.pid)
    assert leader is not None
    running.kill()
    running.communicate()
    try:
        assert group_of(leader.identity, tmp_path / "elsewhere") == []
        assert [each.pid for each in group_of(leader.identity, tmp_path)] == [orphan]
    finally:
        for each in group_of(leader.identity, tmp_path):
            kill(each)
    eventually_sync(lambda: group_of(leader.identity, tmp_path) == [])


def test_stops_join_to_the_first_cause_and_the_earliest_deadline() -> None:
    now = time.monotonic()
    first, later = Stop("TIME_LIMIT", "", now + 5), Stop("CANCELLED", "", now + 1)
    assert first.joined(later) == Stop("TIME_LIMIT", "", now + 1)
    assert later.joined(first) == later
    assert first.joined(None) == first


# --- control groups -------------------------------------------------------------------------------------------------------------


def fake_hierarchy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: str) -> Path:
    """A version 2 hierarchy of plain files, with this process in `own`."""
    root = tmp_path / "cgroup"
    for group in ("unit/server", "alone"):
        (root / group).mkdir(parents=True)
        (root / group / "cgroup.subtree_control").write_text("")
    (root / "unit" / "cgroup.subtree_control").write_text("memory pids")
    (tmp_path / "mountinfo").write_text(
        f"35 31 0:32 / {root} rw,relatime shared:1 - cgroup2 cgroup2 rw\n36 31 0:33 / / rw - ext4 x rw\n"
    )
    (tmp_path / "membership").write_text(f"0::{own}\n")
    monkeypatch.setattr(memory_group, "MOUNTS", tmp_path / "mountinfo")
    monkeypatch.setattr(memory_group, "MEMBERSHIPS", tmp_path / "membership")
    return root


def test_version_2_makes_its_group_beside_its_own_where_that_is_delegated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = fake_hierarchy(tmp_path, monkeypatch, "/unit/server")
    monkeypatch.setattr(memory_group, "_is_delegated", lambda group: group == root / "unit")
    group = MemoryGroup.create("plog-x-1", 1000)
    assert group == MemoryGroup(root / "unit" / "plog-x-1", 2)
    assert (group.path / "memory.max").read_text() == "1000"
    (group.path / "memory.events").write_text("low 0\noom 1\noom_kill 0\noom_group_kill 0\n")
    assert not group.has_killed()
    (group.path / "memory.events").write_text("low 0\noom 1\noom_kill 2\n")
    assert group.has_killed()


def test_root_of_the_hierarchy_and_what_is_not_delegated_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(memory_group, "_is_delegated", lambda group: False)
    root = fake_hierarchy(tmp_path, monkeypatch, "/unit/server")
    assert MemoryGroup.create("plog-x-1", 1000) is None
    monkeypatch.setattr(memory_group, "_is_delegated", lambda group: True)
    (tmp_path / "membership").write_text("0::/\n")
    assert MemoryGroup.create("plog-x-1", 1000) is None
    assert not list(root.rglob("plog-*"))


def test_no_control_groups_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_group, "MOUNTS", tmp_path / "none")
    monkeypatch.setattr(memory_group, "MEMBERSHIPS", tmp_path / "none")
    assert MemoryGroup.create("plog-x-1", 1000) is None
