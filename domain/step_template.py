"""Which program does the work of each job: named by the server's settings, chosen by name in a kit."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from domain.job_type import DEFAULT_TASKS, JobType
from domain.runner import Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The program for one job type: its command, environment, limits, and the tasks it reports on."""

    command: tuple[str, ...]
    tasks: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    grace_seconds: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTemplate:
    """A named set of programs, one for each job type."""

    name: str
    description: str
    steps: Mapping[JobType, Step]


def builtin_template(python: str) -> StepTemplate:
    """The steps that ship with PLOG, run by the interpreter `python` away from the user's modules (`-P`)."""
    modules = {job_type: f"steps.{job_type.lower()}" for job_type in JobType}
    steps = {
        job_type: Step(command=(python, "-P", "-m", module), tasks=DEFAULT_TASKS[job_type])
        for job_type, module in modules.items()
    }
    return StepTemplate(
        name="builtin",
        description="Collects table or SPICE decks, evaluates a design, trains with scikit-learn and tunes with Optuna.",
        steps=steps,
    )
