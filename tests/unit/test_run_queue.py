"""Why runs wait, over all that can be in their way."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from domain.executor import Executor, ExecutorKind
from domain.load_test import LoadTest, LoadTestDefinition, Scenario
from domain.load_test_run import LoadTestRun, RunStatus
from domain.run_queue import WaitReason, waits
from domain.scenario_request import ScenarioRequest
from tests.factories import queued_run

ONCE = Executor(kind=ExecutorKind.CONSTANT_VUS, vus=1, duration=1)
SCENARIO = Scenario(name="s", requests=(ScenarioRequest(endpoint="GET /"),), executor=ONCE)
DEFINITION = LoadTestDefinition(title="t", server="http://a.test", scenarios=(SCENARIO,))
AT = datetime(2026, 1, 1, tzinfo=UTC)
TEST = LoadTest(
    id=1, project_id=1, target_id=1, definition=DEFINITION, owner="ada", version=1, created_at=AT, updated_at=AT
)  # fmt: skip


def run(number: int, origin: str, status: RunStatus = RunStatus.RUNNING) -> LoadTestRun:
    return replace(queued_run(TEST), id=number, origin=origin, status=status)


def queued(*origins: str) -> list[LoadTestRun]:
    return [run(number, origin, RunStatus.QUEUED) for number, origin in enumerate(origins, 10)]


@pytest.mark.parametrize(
    ("busy", "per_target", "reasons"),
    [
        ([], 1, [(WaitReason.SERVER, []), (WaitReason.ROOM, []), (WaitReason.ROOM, [])]),
        (["a"], 1, [(WaitReason.TARGET, [1]), (WaitReason.ROOM, [1]), (WaitReason.TARGET, [1])]),
        (["a"], 2, [(WaitReason.ROOM, [1]), (WaitReason.ROOM, [1]), (WaitReason.ROOM, [1])]),
        (["a", "c", "a"], 2, [(WaitReason.TARGET, [1, 3]), (WaitReason.ROOM, [1, 2, 3]), (WaitReason.TARGET, [1, 3])]),
    ],
)
def test_each_run_says_what_is_in_its_way(busy: list[str], per_target: int, reasons: list[tuple[WaitReason, list[int]]]) -> None:
    found = waits(queued("a", "b", "a"), [run(number, origin) for number, origin in enumerate(busy, 1)], per_target)
    assert [(wait.reason, [each.id for each in wait.behind]) for wait in found.values()] == reasons
    assert {number: wait.place for number, wait in found.items()} == {10: 1, 11: 2, 12: 3}
