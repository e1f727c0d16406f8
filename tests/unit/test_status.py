"""The transition table against a second one, written out in full: every pair of statuses at every depth."""

from itertools import product

import pytest

from domain.errors import IllegalTransition
from domain.status import ACTIVE, ENDED, TRANSITIONS, Depth, Status, check_transition, is_allowed

LETTERS = {status.value[0]: status for status in Status}
# From the row's status to the column's: x where it is allowed.
EXPECTED = {
    Depth.KIT: """
          P Q R S F C
        P . . x . . x
        Q . . . . . .
        R x . . x x x
        S . . x . . .
        F x . x . . x
        C x . x . x .
    """,
    Depth.JOB: """
          P Q R S F C
        P . x . . . x
        Q . . x . x x
        R . . . x x x
        S x . . . . .
        F x . . . . .
        C x . . . . .
    """,
    Depth.TASK: """
          P Q R S F C
        P . . x x x x
        Q . . . . . .
        R . . x x x x
        S x . . . . .
        F x . . . . .
        C x . . . . .
    """,
}


def allowed_pairs(depth: Depth) -> set[tuple[Status, Status]]:
    header, *lines = (line.split() for line in EXPECTED[depth].strip().splitlines())
    return {(LETTERS[line[0]], LETTERS[to]) for line in lines for to, mark in zip(header, line[1:], strict=True) if mark == "x"}


@pytest.mark.parametrize("depth", Depth)
def test_every_pair_of_statuses(depth: Depth) -> None:
    allowed = allowed_pairs(depth)
    for current, wanted in product(Status, Status):
        assert is_allowed(depth, current, wanted) is ((current, wanted) in allowed), (depth, current, wanted)
        if (current, wanted) in allowed:
            check_transition(depth, "Thing 7", current, wanted)
            continue
        with pytest.raises(IllegalTransition, match="Thing 7") as refused:
            check_transition(depth, "Thing 7", current, wanted)
        assert (refused.value.current, refused.value.wanted) == (current, wanted)
        assert current in refused.value.message and wanted in refused.value.message
        assert refused.value.code == "ILLEGAL_TRANSITION"


@pytest.mark.parametrize("depth", Depth)
def test_the_table_has_a_row_for_every_status(depth: Depth) -> None:
    assert set(TRANSITIONS[depth]) == set(Status)


def test_every_status_is_waiting_active_or_ended() -> None:
    assert frozenset(Status) == {Status.PENDING} | ACTIVE | ENDED
    assert not ACTIVE & ENDED


def test_what_has_ended_can_only_begin_anew() -> None:
    for depth, status in product((Depth.JOB, Depth.TASK), ENDED):
        assert TRANSITIONS[depth][status] == {Status.PENDING}
