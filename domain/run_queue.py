"""Which runs of load tests wait, and what for."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum


class WaitReason(StrEnum):
    """What keeps a run from beginning."""

    TARGET = "TARGET"
    ROOM = "ROOM"
    SERVER = "SERVER"


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A run without a verdict, which waits for its turn or is under way; `origin` is the server that it puts under load."""

    id: int
    origin: str
    is_queued: bool


@dataclass(frozen=True, slots=True)
class Wait:
    """How a run waits: its place, from 1, among all that wait, and the runs under way that are in its way, by their ids."""

    place: int
    reason: WaitReason
    behind: tuple[int, ...] = ()


def busy_origins(unfinished: Sequence[Unfinished]) -> Counter[str]:
    """By how many runs each server is under load."""
    return Counter(run.origin for run in unfinished if not run.is_queued)


def waits(unfinished: Sequence[Unfinished], runs_per_target: int) -> dict[int, Wait]:
    """How each run that waits does so, by its id, in their order."""
    return dict(_waits(unfinished, runs_per_target))


def _waits(unfinished: Sequence[Unfinished], runs_per_target: int) -> Iterator[tuple[int, Wait]]:
    busy, under_way = busy_origins(unfinished), [run for run in unfinished if not run.is_queued]
    for place, run in enumerate((each for each in unfinished if each.is_queued), 1):
        if busy[run.origin] >= runs_per_target:
            behind = tuple(each.id for each in under_way if each.origin == run.origin)
            yield run.id, Wait(place, WaitReason.TARGET, behind)
        elif under_way or place > 1:
            yield run.id, Wait(place, WaitReason.ROOM, tuple(each.id for each in under_way))
        else:
            yield run.id, Wait(place, WaitReason.SERVER)
