"""The file of step templates that the setting PLOG_STEPS__TEMPLATES names; docs/steps.md describes its form."""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.settings import WrongSetting
from domain.errors import ValidationFailed
from domain.job_type import DEFAULT_TASKS, JobType
from domain.runner import Limits
from domain.step_template import BUILTIN, Step, StepTemplate
from domain.validation import Problems, is_storable

MAX_NAME = 200
MAX_TASKS = 100
MAX_TASK_NAME = 100
MAX_DESCRIPTION = 1000
MAX_SECONDS = 366 * 86_400.0
MAX_MEMORY_MB = 1e9
MAX_CORES = 10_000.0
KEYS = (
    "command",
    "environment",
    "working_data",
    "tasks",
    "time_limit_seconds",
    "memory_limit_mb",
    "cpu_limit_cores",
    "grace_seconds",
)


def read_templates(path: Path) -> dict[str, StepTemplate]:
    """The step templates of a TOML file; `WrongSetting` names the file, the section and the key where it can't be used."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WrongSetting(f"PLOG_STEPS__TEMPLATES: {path} can't be read: {error}.") from None
    try:
        return {name: _template(name, raw, path.parent) for name, raw in document.items()}
    except _WrongSection as wrong:
        raise WrongSetting(f"PLOG_STEPS__TEMPLATES: {path}: {wrong}.") from None


class _WrongSection(Exception):
    """What is wrong, beginning with the section's name in brackets."""

    def __init__(self, section: str, problem: str) -> None:
        super().__init__(f"[{section[:MAX_NAME]}] {' '.join(problem.split())}")


def _template(name: str, raw: Any, folder: Path) -> StepTemplate:
    if name == BUILTIN:
        raise _WrongSection(name, "is the name of the steps that ship with PLOG, so it can't be given again")
    if not name.isprintable() or not name.strip() or len(name) > MAX_NAME:
        raise _WrongSection(ascii(name), f"is no usable name: it must be 1 to {MAX_NAME} printable characters")
    if not isinstance(raw, Mapping):
        raise _WrongSection(name, f"must be a section for each job type, as in [{name}.{JobType.DOE}]")
    problems = Problems()
    description = problems.text(raw, "description", "", most=MAX_DESCRIPTION)
    problems.no_others(raw, ["description", *JobType])
    for job_type in JobType:
        if not isinstance(raw.get(job_type), Mapping):
            problems.add(job_type, f"must be a section of its own, [{name}.{job_type}]")
    _check(name, problems)
    steps = {job_type: _step(f"{name}.{job_type}", job_type, raw[job_type], folder) for job_type in JobType}
    return StepTemplate(name=name, description=description, steps=steps)


def _step(section: str, job_type: JobType, raw: Mapping[str, Any], folder: Path) -> Step:
    problems = Problems()
    memory = _limit(problems, raw, "memory_limit_mb", MAX_MEMORY_MB)
    step = Step(
        command=_command(problems, raw),
        tasks=_tasks(problems, raw) or DEFAULT_TASKS[job_type],
        environment=_environment(problems, raw),
        working_data=_working_data(problems, raw, folder),
        limits=Limits(
            time_seconds=_limit(problems, raw, "time_limit_seconds", MAX_SECONDS),
            memory_bytes=None if memory is None else int(memory * 1e6),
            cpu_cores=_limit(problems, raw, "cpu_limit_cores", MAX_CORES),
        ),
        grace_seconds=problems.number(raw, "grace_seconds", 10.0, 0, 3600),
    )
    problems.no_others(raw, KEYS)
    _check(section, problems)
    return step


def _check(section: str, problems: Problems) -> None:
    try:
        problems.check()
    except ValidationFailed as error:
        first = error.problems[0]
        raise _WrongSection(section, f"{first.field} {first.message}") from None


def _command(problems: Problems, raw: Mapping[str, Any]) -> tuple[str, ...]:
    words = problems.items(raw, "command")
    if not words or not all(isinstance(word, str) and is_storable(word) for word in words) or not words[0]:
        problems.add("command", "must be a list of texts: the program and its arguments")
    return tuple(words)


def _tasks(problems: Problems, raw: Mapping[str, Any]) -> tuple[str, ...]:
    names = problems.items(raw, "tasks", most=MAX_TASKS)
    if "tasks" in raw and not names:
        problems.add("tasks", "must name at least one task")
    for name in names:
        if not isinstance(name, str) or not name.strip() or not name.isprintable() or len(name) > MAX_TASK_NAME:
            problems.add("tasks", f"must be names of 1 to {MAX_TASK_NAME} printable characters, which {name!r:.120} is not")
        elif names.count(name) > 1:
            problems.add("tasks", f"must have different names; {name!r} is there {names.count(name)} times")
    return tuple(names)


def _environment(problems: Problems, raw: Mapping[str, Any]) -> dict[str, str]:
    variables = problems.mapping(raw, "environment")
    nested = problems.at("environment")
    for name, value in variables.items():
        if not name or "=" in name or not is_storable(name):
            problems.add("environment", f"has a variable {name!r:.120}, which is no usable name")
        elif name.startswith("PLOG_"):
            nested.add(name, "can't be set: names that begin with PLOG_ are PLOG's own")
        elif not isinstance(value, str) or not is_storable(value):
            nested.add(name, "must be text without NUL")
    return dict(variables)


def _working_data(problems: Problems, raw: Mapping[str, Any], folder: Path) -> str | None:
    if "working_data" not in raw:
        return None
    path = (folder / problems.text(raw, "working_data", most=4000)).absolute()
    if problems.is_clean and not (path.is_file() or path.is_dir()):
        problems.add("working_data", f"is no file or folder of this machine: {path}")
    elif problems.is_clean and not os.access(path, os.R_OK):
        problems.add("working_data", f"can't be read: {path}")
    return str(path)


def _limit(problems: Problems, raw: Mapping[str, Any], key: str, most: float) -> float | None:
    if key not in raw:
        return None
    limit = problems.number(raw, key, None, 0, most)
    if problems.is_clean and limit == 0:
        problems.add(key, "must be more than 0")
    return limit
