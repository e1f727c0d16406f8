"""Which artifacts of earlier jobs a step finds, where several have claimed the same place."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from domain.artifact import AttemptArtifact, found_after
from domain.attempt import AttemptKey
from domain.kit import Kit
from tests.factories import new_kit

AT = datetime(2026, 1, 1, tzinfo=UTC)


def left(kit: Kit, place: int, name: str, seconds: int = 0, attempt: int = 1) -> AttemptArtifact:
    return AttemptArtifact(
        id=uuid4(),
        kit_id=kit.id,
        attempt=AttemptKey(kit.jobs[place].id, attempt),
        name=name,
        media_type="text/plain",
        sha256="0" * 64,
        size=1,
        inputs=(),
        created_at=AT + timedelta(seconds=seconds),
    )


@pytest.mark.parametrize(
    ("earlier", "later", "expected"),
    [
        ("a", "b", ["a", "b"]),
        ("a", "a", ["a"]),
        ("a", "./a", ["./a"]),
        ("plots", "plots/a.png", ["plots/a.png"]),
        ("plots/a.png", "plots", ["plots"]),
        ("plots/deep/a.png", "plots/deep", ["plots/deep"]),
        ("plots/a.png", "plots/b.png", ["plots/a.png", "plots/b.png"]),
        ("plots", "plots.png", ["plots", "plots.png"]),
    ],
)
@pytest.mark.parametrize("is_same_job", [False, True])
def test_the_later_one_wins(earlier: str, later: str, expected: list[str], is_same_job: bool) -> None:
    kit = new_kit()
    artifacts = [left(kit, 0 if is_same_job else 1, later, seconds=1), left(kit, 0, earlier)]
    found = found_after(kit.jobs[:2], artifacts)
    assert [artifact.name for artifact in found] == expected
    assert artifacts[0] in found


def test_what_lost_to_a_later_one_takes_no_place_from_others() -> None:
    kit = new_kit()
    artifacts = [left(kit, 0, "plots"), left(kit, 1, "plots/a.png"), left(kit, 2, "plots")]
    assert found_after(kit.jobs[:3], artifacts) == artifacts[2:]
    artifacts = [left(kit, 0, "plots/a.png"), left(kit, 1, "plots"), left(kit, 2, "plots/b.png")]
    assert found_after(kit.jobs[:3], artifacts) == [artifacts[0], artifacts[2]]


def test_other_jobs_and_earlier_attempts_don_t_count() -> None:
    kit = new_kit()
    artifacts = [left(kit, 0, "a"), left(kit, 0, "b", attempt=2), left(kit, 1, "c")]
    assert found_after(kit.jobs[:1], artifacts) == artifacts[:1]
