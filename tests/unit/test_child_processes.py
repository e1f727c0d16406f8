"""Processes of a step: what they get, and that they end."""

import subprocess
import sys

import pytest

from steps.child_processes import ChildProcesses, Stopped
from steps.shim.process_tree import MARKER, marked
from tests.waiting import eventually_sync


def test_a_child_keeps_the_attempts_mark_and_gets_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MARKER, "job/1")
    monkeypatch.setenv("PLOG_INPUT", "/somewhere")
    code = "import os; print(os.environ.get('PLOG_ATTEMPT'), 'PLOG_INPUT' in os.environ, os.environ['OWN'])"
    with ChildProcesses().start(
        [sys.executable, "-c", code], environment={"OWN": "1"}, limits={}, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.communicate()[0].split() == ["job/1", "False", "1"]


def test_stopping_ends_what_runs_and_starts_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MARKER, "job/2")
    children = ChildProcesses()
    with children.start(["sleep", "600"], environment={}, limits={}) as child:
        eventually_sync(lambda: [each.pid for each in marked("job/2")] == [child.pid])
        children.stop()
        assert child.wait(10) == -9
    with pytest.raises(Stopped), children.start(["sleep", "600"], environment={}, limits={}):
        pass
