"""Settings of steps that lead nowhere are told at the start."""

from pathlib import Path

import pytest

from app.dead_ends import dead_ends
from app.settings import read_settings
from domain.job_type import JobType
from domain.step_template import Step, StepTemplate, builtin_template


def template(command: str, path: str | None = None) -> StepTemplate:
    environment = {} if path is None else {"PATH": path}
    steps = {each: Step(command=(command,), tasks=("a",), environment=environment) for each in JobType}
    return StepTemplate(name="own", description="", steps=steps)


def test_each_is_told_in_a_sentence_that_names_the_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLOG_STEPS__FOLDERS", f'["{tmp_path}", "{tmp_path}/none"]')
    monkeypatch.setenv("PLOG_STEPS__FUNCTIONS", '{"root": "math:sqrt", "ring": "no_such_module.ring:delay"}')
    found = list(dead_ends(read_settings(), {"own": template("no-such-program"), "builtin": builtin_template("python3")}))
    assert len(found) == 2 + len(JobType)
    assert found[0].startswith("PLOG_STEPS__FOLDERS:") and f"{tmp_path}/none" in found[0]
    assert found[1].startswith("PLOG_STEPS__FUNCTIONS: 'ring'") and "no_such_module" in found[1]
    assert all(each.startswith("PLOG_STEPS__TEMPLATES: [own.") and "no-such-program" in each for each in found[2:])


def test_a_folder_that_may_not_be_looked_at_is_a_warning_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLOG_STEPS__FOLDERS", f'["{tmp_path}/{"x" * 300}"]')  # too long a name: an error to whoever asks for more
    (warning,) = dead_ends(read_settings(), {})
    assert warning.startswith("PLOG_STEPS__FOLDERS:")


def test_programs_are_looked_for_where_the_step_will_look(tmp_path: Path) -> None:
    program = tmp_path / "simulate"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    settings = read_settings()
    for named, path, is_there in [
        ("simulate", str(tmp_path), True),
        ("simulate", None, False),
        (str(program), None, True),
        (str(tmp_path / "none"), None, False),
        ("./simulate", None, True),  # from the copy of the template's working data, which is not there yet
    ]:
        assert (not list(dead_ends(settings, {"own": template(named, path)}))) == is_there, named
