"""The six statuses and the one table of transitions for kits, jobs and tasks.

A kit's status is derived (`domain/kit.py`), so its rows say which changes a derivation can bring about; jobs and tasks
are moved by commands, by the runner and by reports. `PENDING` after an ended status always means a new attempt.
"""

from enum import StrEnum

from domain.errors import IllegalTransition


class Status(StrEnum):
    """Where a kit, job or task stands."""

    PENDING = "PENDING"
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


class Depth(StrEnum):
    """The three depths of the state."""

    KIT = "kit"
    JOB = "job"
    TASK = "task"


ENDED = frozenset({Status.SUCCEEDED, Status.FAILED, Status.CANCELLED})
ACTIVE = frozenset({Status.QUEUED, Status.RUNNING})

P, Q, R, S, F, C = Status
TRANSITIONS: dict[Depth, dict[Status, frozenset[Status]]] = {
    Depth.KIT: {
        P: frozenset({R, C}),
        Q: frozenset(),
        R: frozenset({P, S, F, C}),
        S: frozenset({R}),
        F: frozenset({P, R, C}),
        C: frozenset({P, R, F}),
    },
    Depth.JOB: {
        P: frozenset({Q, C}),
        Q: frozenset({R, F, C}),
        R: frozenset({S, F, C}),
        S: frozenset({P}),
        F: frozenset({P}),
        C: frozenset({P}),
    },
    Depth.TASK: {
        P: frozenset({R, S, F, C}),
        Q: frozenset(),
        R: frozenset({R, S, F, C}),
        S: frozenset({P}),
        F: frozenset({P}),
        C: frozenset({P}),
    },
}


def is_allowed(depth: Depth, current: Status, wanted: Status) -> bool:
    """Whether the table has the step from `current` to `wanted`."""
    return wanted in TRANSITIONS[depth][current]


def check_transition(depth: Depth, thing: str, current: Status, wanted: Status) -> None:
    """Raise `IllegalTransition`, naming `thing`, unless the table has the step."""
    if not is_allowed(depth, current, wanted):
        raise IllegalTransition(thing, current, wanted)
