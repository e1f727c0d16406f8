"""The parts of the shim that name, measure, hold and end processes."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from domain.attempt import Cause
from steps.shim import memory_group, stop_requests
from steps.shim.memory_group import MemoryGroup
from steps.shim.process_tree import MARKER, descendants, kill, marked, process, resident_bytes, session_of, tree_ids
from steps.shim.stop_requests import Stop
from tests.waiting import eventually_sync

MARK = f"{uuid4()}/1"


def test_shim_needs_the_standard_library_alone(tmp_path: Path) -> None:
    def loaded(imports: str) -> set[str]:
        code = f"import {imports}, sys; print(*{{name.partition('.')[0] for name in sys.modules}})"
        return set(subprocess.check_output([sys.executable, "-P", "-c", code], cwd=tmp_path, text=True).split())

    assert loaded("steps.shim.__main__") - loaded("sys") - sys.stdlib_module_names == {"steps"}


def test_causes_are_those_of_the_domain() -> None:
    names = [stop_requests.CANCELLED, stop_requests.INTERRUPTED, stop_requests.TIME_LIMIT, stop_requests.MEMORY_LIMIT]
    names += [stop_requests.REPORT_LIMIT, stop_requests.NOT_STARTED, stop_requests.RUNNER_LOST, stop_requests.REPORTS_LOST]
    assert {Cause(name) for name in names} == set(Cause) - {
        Cause.EXIT_CODE,
        Cause.TASK_FAILED,
        Cause.ARTIFACT_MISSING,
    }


@pytest.fixture
def sleeper() -> Iterator["subprocess.Popen[bytes]"]:
    command = [sys.executable, "-c", "import subprocess; subprocess.run(['sleep', '600'])"]
    running = subprocess.Popen(command, env={**os.environ, MARKER: MARK}, start_new_session=True)
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
    assert {each.pid for each in marked(MARK)} == {leader.pid, child.pid}
    assert marked(MARK[:-1]) == []
    assert {each.pid for each in session_of(leader.identity, Path("/nowhere"))} == {leader.pid, child.pid}
    assert resident_bytes([leader.pid]) > 1_000_000
    kill(child)
    sleeper.wait()
    assert process(sleeper.pid) is None


def test_a_reused_id_is_never_signalled(sleeper: "subprocess.Popen[bytes]") -> None:
    leader = process(sleeper.pid)
    assert leader is not None
    earlier = replace(leader, start=leader.start - 1)
    kill(earlier)
    assert session_of(earlier.identity, Path("/nowhere")) == []
    other_boot = leader.identity.rsplit(" ", 1)[0] + " another-boot"
    assert session_of(other_boot, Path("/nowhere")) == []
    assert sleeper.poll() is None
    kill(replace(leader, pid=2**22 + 7))  # an id that can't exist


def test_orphans_of_a_dead_leader_count_only_where_they_work_in_the_folder(tmp_path: Path) -> None:
    child = "subprocess.Popen(['sleep', '600'], stdout=subprocess.DEVNULL, process_group=0)"
    code = f"import subprocess; print({child}.pid, flush=True); input()"
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
        assert session_of(leader.identity, tmp_path / "elsewhere") == []
        assert [each.pid for each in session_of(leader.identity, tmp_path)] == [orphan]
    finally:
        for each in session_of(leader.identity, tmp_path):
            kill(each)
    eventually_sync(lambda: session_of(leader.identity, tmp_path) == [])


def test_stops_join_to_the_first_cause_and_the_earliest_deadline() -> None:
    now = time.monotonic()
    first, later = Stop("TIME_LIMIT", "", now + 5), Stop("CANCELLED", "", now + 1)
    assert first.joined(later) == Stop("TIME_LIMIT", "", now + 1)
    assert later.joined(first) == later
    assert first.joined(None) == first


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
