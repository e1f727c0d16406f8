"""Why runs of load tests wait, and for what."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from domain.load_test_run import LoadTestRun


class WaitReason(StrEnum):
    """What keeps a run from beginning."""

    TARGET = "TARGET"
    ROOM = "ROOM"
    SERVER = "SERVER"


@dataclass(frozen=True, slots=True)
class Wait:
    """How a run waits: its place, from 1, among all that wait, and the runs under way that are in its way."""

    place: int
    reason: WaitReason
    behind: tuple[LoadTestRun, ...] = ()


def waits(queue: Sequence[LoadTestRun], under_way: Sequence[LoadTestRun], runs_per_target: int) -> dict[int, Wait]:
    """How each run of the queue waits, by its id."""
    return {run.id: _wait(place, run, under_way, runs_per_target) for place, run in enumerate(queue, 1)}


def _wait(place: int, run: LoadTestRun, under_way: Sequence[LoadTestRun], runs_per_target: int) -> Wait:
    at_its_target = tuple(each for each in under_way if each.origin == run.origin)
    if len(at_its_target) >= runs_per_target:
        return Wait(place, WaitReason.TARGET, at_its_target)
    if under_way or place > 1:
        return Wait(place, WaitReason.ROOM, tuple(under_way))
    return Wait(place, WaitReason.SERVER)
