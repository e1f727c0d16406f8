"""The file of step templates: what the documentation shows is read, and what is wrong is named in one sentence."""

import re
from pathlib import Path
from typing import Any

import pytest

from app.settings import ROOT, WrongSetting
from app.step_templates import read_templates
from domain.job_type import DEFAULT_TASKS, JobType
from domain.runner import Limits

STEPS = {job_type: f'[own.{job_type}]\ncommand = ["run", "{job_type}"]\n' for job_type in JobType}


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "templates.toml"
    path.write_text(text)
    return path


def template(tmp_path: Path, addition: str = "", job_type: JobType = JobType.DOE) -> Path:
    """A whole template, with an addition to the section of one job type."""
    return written(tmp_path, "\n".join(text + (addition if each is job_type else "") for each, text in STEPS.items()))


def test_the_example_of_the_documentation_is_read(tmp_path: Path) -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", (ROOT / "docs" / "steps.md").read_text("utf-8"), re.DOTALL)
    (tmp_path / "models").mkdir()
    ((name, found),) = read_templates(written(tmp_path, example)).items()
    assert name == found.name == "foundry" and found.description
    step = found.steps[JobType.DOE]
    assert step.working_data == str(tmp_path / "models")
    assert step.tasks == ("simulate", "assemble") and step.environment and step.command
    assert step.limits == Limits(time_seconds=7200, memory_bytes=4_000_000_000, cpu_cores=2) and step.grace_seconds == 30
    assert [each.tasks for each in found.steps.values()].count(step.tasks) == 1
    documented = re.findall(r"^\| `(\w+)` \|", (ROOT / "docs" / "steps.md").read_text("utf-8"), re.MULTILINE)
    assert set(step.__slots__) - {"limits"} <= set(documented)
    assert {"time_limit_seconds", "memory_limit_mb", "cpu_limit_cores"} <= set(documented)


def test_a_command_is_enough(tmp_path: Path) -> None:
    step = read_templates(template(tmp_path))["own"].steps[JobType.ML]
    assert (step.command, step.tasks, step.working_data) == (("run", "ML"), DEFAULT_TASKS[JobType.ML], None)
    assert (step.limits, step.grace_seconds, dict(step.environment)) == (Limits(), 10, {})


WRONG = {
    "comand = 1": "comand is not known here",
    "tasks = []": "tasks must name at least one task",
    'tasks = ["a", ""]': "tasks must be names of 1 to 100 printable characters, which '' is not",
    'tasks = [" "]': "tasks must be names",
    f'tasks = ["{"x" * 101}"]': "tasks must be names",
    r'tasks = ["a\nb"]': "tasks must be names",
    "tasks = [1]": "tasks must be names",
    'tasks = ["a", "a"]': "tasks must have different names; 'a' is there 2 times",
    'tasks = "a"': "tasks must be a list",
    "environment = 1": "environment must be an object",
    "environment = {A = 1}": "environment.A must be text",
    'environment = {PLOG_INPUT = "x"}': "environment.PLOG_INPUT can't be set",
    'environment = {"A=B" = "x"}': "environment has a variable 'A=B'",
    "time_limit_seconds = 0": "time_limit_seconds must be more than 0",
    'time_limit_seconds = "1"': "time_limit_seconds must be a number",
    "time_limit_seconds = nan": "time_limit_seconds must be a finite number",
    "memory_limit_mb = -1": "memory_limit_mb must be from 0 to",
    "cpu_limit_cores = true": "cpu_limit_cores must be a number",
    "grace_seconds = 3601": "grace_seconds must be from 0 to 3600",
    'working_data = "nowhere"': "working_data is no file or folder of this machine: ",
    "working_data = 7": "working_data must be text",
    r'working_data = "a\u0000b"': "working_data contains a character",
}


@pytest.mark.parametrize("line", WRONG)
def test_what_is_wrong_is_named_with_its_file_section_and_key(tmp_path: Path, line: str) -> None:
    path = template(tmp_path, f"{line}\n")
    with pytest.raises(WrongSetting) as error:
        read_templates(path)
    message = str(error.value)
    assert message.startswith(f"PLOG_STEPS__TEMPLATES: {path}: [own.DOE] {WRONG[line]}"), message
    assert message.endswith(".") and len(message.splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[own", "can't be read"),
        ("\udcff", "can't be read"),
        ("own = 1", "[own] must be a section for each job type"),
        ("[own.DOE]\ncommand = ['a']", "[own] DECK_COLLECTION must be a section of its own, [own.DECK_COLLECTION]"),
        ("\n".join(STEPS.values()) + "[own.DEPLOY]\ncommand = ['a']", "[own] DEPLOY is not known here"),
        ("\n".join(STEPS.values()) + "[own]\ndescription = 3", "[own] description must be text"),
        ("\n".join(STEPS.values()).replace("own", "builtin"), "[builtin] is the name of the steps that ship"),
        ("\n".join(STEPS.values()).replace("own", '" "'), "is no usable name"),
        ("[own.DECK_COLLECTION]\n[own.DOE]\n[own.ML]\n[own.OPTIMIZE]", "[own.DECK_COLLECTION] command must be a list of texts"),
        ("\n".join(STEPS.values()).replace('"run"', '""'), "[own.DECK_COLLECTION] command must be a list"),
        ("\n".join(STEPS.values()).replace('"run"', "1"), "[own.DECK_COLLECTION] command must be a list"),
    ],
)
def test_files_that_are_no_templates(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "templates.toml"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(WrongSetting) as error:
        read_templates(path)
    assert named in str(error.value) and str(path) in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_an_argument_may_be_anything_that_fits(tmp_path: Path) -> None:
    text = "\n".join(STEPS.values()).replace('"run"', r'"run", "", " ", "a\nb"')
    command: Any = read_templates(written(tmp_path, text))["own"].steps[JobType.DOE].command
    assert command == ("run", "", " ", "a\nb", "DOE")
