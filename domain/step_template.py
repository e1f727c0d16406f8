"""Which program does the work of each job: named by the server's settings, chosen by name in a kit."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from domain.job_type import DEFAULT_TASKS, JobType
from domain.runner import UNLIMITED, Limits

BUILTIN = "builtin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The program for one job type: its command, environment, limits, and the tasks it reports on.

    `working_data` is the path of a file or folder of the server's machine, of which each attempt gets a copy.
    """

    command: tuple[str, ...]
    tasks: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    working_data: str | None = None
    limits: Limits = UNLIMITED
    grace_seconds: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTemplate:
    """A named set of programs, one for each job type."""

    name: str
    description: str
    steps: Mapping[JobType, Step]


def builtin_template(python: str, limits: Limits = UNLIMITED) -> StepTemplate:
    """The steps that ship with PLOG, each within `limits`, run by the interpreter `python` away from users' modules (`-P`)."""
    modules = {job_type: f"steps.{job_type.lower()}" for job_type in JobType}
    steps = {
        job_type: Step(command=(python, "-P", "-m", module), tasks=DEFAULT_TASKS[job_type], limits=limits)
        for job_type, module in modules.items()
    }
    return StepTemplate(
        name=BUILTIN,
        description="Collects table or SPICE decks, evaluates a design, trains with scikit-learn and tunes with Optuna.",
        steps=steps,
    )
