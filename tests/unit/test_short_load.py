"""What is said beforehand of a load that is too short to tell much of its run."""

from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from domain.comparison import ComparisonVerdict, compare
from domain.executor import Executor, ExecutorKind, LoadLimits
from domain.load_test import LoadTestDefinition, load_test_definition
from domain.load_test_analysis import AnalysisKind, analyse
from domain.run_figure import RunFigure
from domain.short_load import short_load
from tests.synthetic_runs import AT, SECONDS, constant, load_test_run, measured, ramp, scenario, windows


def definition(*executors: dict[str, Any]) -> LoadTestDefinition:
    scenarios = [
        {"name": str(place), "requests": [{"endpoint": "GET /"}], "executor": {"kind": "CONSTANT_VUS"} | each}
        for place, each in enumerate(executors)
    ]
    return load_test_definition({"title": "t", "scenarios": scenarios}, LoadLimits())


def test_a_load_that_is_too_short_for_anything_says_what_it_takes() -> None:
    (remark,) = short_load(definition({"duration": 30}), 5)
    assert remark.startswith("The load lasts at most 30 s; with windows of 5 s it takes 50 s to be compared"), remark
    assert "95 s for an analysis to tell whether response times grow or TPS falls." in remark


@pytest.mark.parametrize(("seconds", "window", "said"), [(49, 5, 2), (50, 5, 1), (94, 5, 1), (95, 5, 0), (18, 1, 1)])
def test_what_takes_longer_is_said(seconds: int, window: int, said: int) -> None:
    remarks = short_load(definition({"duration": seconds}), window)
    assert sum(each.count(" s to ") + each.count(" s for ") for each in remarks) == said


def test_the_load_of_all_scenarios_counts() -> None:
    assert short_load(definition({"duration": 50}, {"startTime": 50, "duration": 45}), 5) == []
    assert short_load(definition({"startTime": 60, "duration": 45}), 5), "what comes before the first load is none"


def test_a_load_that_rises_is_held_against_what_its_saturation_takes() -> None:
    rising = definition({"kind": "RAMPING_VUS", "stages": [{"duration": 60, "target": 9}]})
    (remark,) = short_load(rising, 5)
    assert remark.endswith("it takes 70 s for an analysis to find where more load stops bringing TPS."), remark
    assert short_load(rising, 2) == []


@pytest.mark.parametrize("late", [0, 3])
def test_what_is_long_enough_is_analysed_and_compared_wherever_its_windows_begin(late: int) -> None:
    chance = np.random.default_rng(1)
    for seconds, executor, kind in (
        (50, constant(50), AnalysisKind.ERROR_RATE),
        (95, constant(95), AnalysisKind.RESPONSE_TIME),
        (95, Executor(kind=ExecutorKind.SHARED_ITERATIONS, iterations=10**6, duration=95), AnalysisKind.RESPONSE_TIME),
        (95, Executor(kind=ExecutorKind.PER_VU_ITERATIONS, vus=9, iterations=10**6, duration=95), AnalysisKind.RESPONSE_TIME),
        (70, ramp(70, 20), AnalysisKind.TPS),
    ):
        count = seconds // SECONDS + bool(late)
        runs = [load_test_run(scenario(executor), number=number, started_at=AT + timedelta(seconds=late)) for number in (1, 2)]
        first, second = (measured(windows(chance, count, level=lambda place: place + 1), run=run) for run in runs)
        conclusion = analyse(kind, first, None)
        unsaid = [each for each in conclusion.remarks if kind is not AnalysisKind.TPS or "under constant load" not in each]
        assert unsaid == [] and conclusion.score is not None, kind
        (compared,) = compare(first, [second], 0.95).runs
        tps = compared.scenarios[0].differences[0]
        assert tps.figure is RunFigure.TPS and tps.verdict is not ComparisonVerdict.UNKNOWN, tps
