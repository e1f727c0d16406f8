"""Why runs wait, over all that can be in their way."""

import pytest

from domain.run_queue import Unfinished, WaitReason, waits


@pytest.mark.parametrize(
    ("busy", "per_target", "reasons"),
    [
        ([], 1, [(WaitReason.SERVER, ()), (WaitReason.ROOM, ()), (WaitReason.ROOM, ())]),
        (["a"], 1, [(WaitReason.TARGET, (1,)), (WaitReason.ROOM, (1,)), (WaitReason.TARGET, (1,))]),
        (["a"], 2, [(WaitReason.ROOM, (1,)), (WaitReason.ROOM, (1,)), (WaitReason.ROOM, (1,))]),
        (["a", "c", "a"], 2, [(WaitReason.TARGET, (1, 3)), (WaitReason.ROOM, (1, 2, 3)), (WaitReason.TARGET, (1, 3))]),
    ],
)
def test_each_run_says_what_is_in_its_way(
    busy: list[str], per_target: int, reasons: list[tuple[WaitReason, tuple[int, ...]]]
) -> None:
    under_way = [Unfinished(number, origin, is_queued=False) for number, origin in enumerate(busy, 1)]
    queue = [Unfinished(number, origin, is_queued=True) for number, origin in enumerate(("a", "b", "a"), 10)]
    found = waits([*under_way, *queue], per_target)
    assert [(wait.reason, wait.behind) for wait in found.values()] == reasons
    assert {number: wait.place for number, wait in found.items()} == {10: 1, 11: 2, 12: 3}
