"""Versions of set-up models as pure rules: every pair of states."""

from datetime import UTC, datetime
from itertools import product

import pytest

from domain.errors import IllegalTransition
from domain.model_version import TRANSITIONS, ModelContent, ModelOrigin, ModelVersion, ModelVersionState, VersionKey

AT = datetime(2026, 1, 1, tzinfo=UTC)
# From the row's state to the column's: x where it is allowed.
EXPECTED = """
              CANDIDATE ACTIVE RETIRED
    CANDIDATE     .       x       .
    ACTIVE        .       .       x
    RETIRED       .       x       .
"""


@pytest.mark.parametrize(("before", "after"), list(product(ModelVersionState, repeat=2)))
def test_one_version_is_in_use_and_any_other_can_be(before: ModelVersionState, after: ModelVersionState) -> None:
    header, *rows = [line.split() for line in EXPECTED.strip().splitlines()]
    expected = {(row[0], column): cell == "x" for row in rows for column, cell in zip(header, row[1:], strict=True)}
    assert (after in TRANSITIONS[before]) == expected[before, after]
    content = ModelContent(sha256="", size=0, features=(), targets=(), origin=ModelOrigin.JOB)
    version = ModelVersion(key=VersionKey(1, 1), content=content, actor="a", actor_name="A", created_at=AT, state=before)
    if expected[before, after]:
        version.check_transition(after)
    else:
        with pytest.raises(IllegalTransition):
            version.check_transition(after)
