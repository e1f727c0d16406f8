import csv
import hashlib
import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from domain.job_type import JobType
from domain.model_source import InspectedModel, checked_content, read_card
from domain.step_template import builtin_template
from domain.training import Algorithm, MlOptions, OptimizeOptions
from steps.model_inspection import inspect
from steps.modelling import judge, mean_r2, predict
from steps.reports import Terminated
from steps.search import Search, SearchTask, Trial, TrialState, undisturbed
from steps.split import Split
from steps.stored_model import load_model
from steps.training_data import load_dataset
from tests.unit.training_steps import INPUTS, StepRun, hand_over, run_to_end, running, write_data

SLOW_ROWS = 1500
GRACE_SECONDS = builtin_template("python").steps[JobType.OPTIMIZE].grace_seconds  # then the shim kills what is left
RIDGE = {"algorithm": "RIDGE"}
SMALL = {"ml": RIDGE, "optimize": {"trials": 8, "algorithms": ["RIDGE", "KNN"], "seed": 1}}
RIDGE_THEN_SLOW = {"algorithms": ["GAUSSIAN_PROCESS", "RIDGE"], "seed": 6}
"""The second trial is a Gaussian process, which on `SLOW_ROWS` rows is fitted for minutes."""


def trained(root: Path, ml: dict[str, Any], rows: int = 80, changes: dict[str, Any] | None = None) -> Path:
    """The inputs of an OPTIMIZE job: data and what an ML job has made of them."""
    inputs = write_data(root / "inputs", rows, changes)
    hand_over(run_to_end("ml", root / "ml", inputs, {"ml": ml}), inputs)
    return inputs


@pytest.fixture(scope="module")
def slow_inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("slow"), RIDGE, SLOW_ROWS)


@pytest.fixture(scope="module")
def ridge_inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("ridge"), RIDGE)


@pytest.fixture(scope="module")
def ridge_run(ridge_inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> StepRun:
    return run_to_end("optimize", tmp_path_factory.mktemp("ridge_run") / "run", ridge_inputs, SMALL)


def without_time(trials: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in trial.items() if key != "durationSeconds"} for trial in trials]


def score(run: StepRun, inputs: Path, model: Path) -> float:
    data = load_dataset(inputs, {})
    split = Split.read(inputs, data)
    predicted = predict(load_model(model), data.features(split.hold_out))
    return mean_r2(judge(data.responses, data.measured(split.hold_out), predicted))


def is_busy(helper: psutil.Process) -> Callable[[], bool]:
    """Whether the fitting process has worked since now, so that it is in mid-trial."""
    before = helper.cpu_times().user
    return lambda: helper.cpu_times().user > before + 0.3


def test_a_better_model_is_found_compared_and_registered(ridge_run: StepRun, ridge_inputs: Path) -> None:
    run = ridge_run
    assert run.statuses() == [(task, state) for task in ("search", "compare", "register") for state in ("RUNNING", "SUCCEEDED")]
    trials = run.trials
    assert [trial["number"] for trial in trials] == list(range(1, 9))
    assert {trial["state"] for trial in trials} == {"COMPLETED"}
    assert (trials[0]["algorithm"], trials[0]["parameters"]) == ("RIDGE", {"alpha": 1.0, "degree": 1})
    assert all(trial["durationSeconds"] > 0 for trial in trials)
    assert [report["progress"] for report in run.reports if "trial" in report][-1] == 1
    best = max(trials, key=lambda trial: trial["value"])
    assert json.loads((run.output / "best_parameters.json").read_text())["number"] == best["number"]
    with (run.output / "trials.csv").open(newline="") as file:
        assert [float(row["value"]) for row in csv.DictReader(file)] == [trial["value"] for trial in trials]

    compared = run.metadata("compare")
    assert compared["isBetter"] and "is better than the untuned one" in compared["verdict"]
    assert compared["meanR2"] == {
        "tuned": score(run, ridge_inputs, run.output / "tuned_model.skops"),
        "untuned": score(run, ridge_inputs, ridge_inputs / "model.skops"),
    }
    assert compared["meanR2"]["tuned"] > compared["meanR2"]["untuned"]
    metrics = json.loads((ridge_inputs / "metrics.json").read_text())
    assert compared["responses"]["power"]["untuned"] == metrics["responses"]["power"]

    card = json.loads((run.output / "model_card.json").read_text())
    assert card["registered"]["artifact"] == "tuned_model.skops" and card["parameters"] == best["parameters"]
    assert card["registered"]["sha256"] == hashlib.sha256((run.output / "tuned_model.skops").read_bytes()).hexdigest()
    assert card["data"]["sha256"] == hashlib.sha256((ridge_inputs / "data.parquet").read_bytes()).hexdigest()
    assert list(card["features"]) == INPUTS and 0 < card["features"]["w"]["low"] < card["features"]["w"]["high"] < 1e-6
    assert {"python", "scikit-learn", "skops"} <= card["versions"].keys()
    assert set(run.artifacts) == {file.name for file in run.output.iterdir()}


def test_what_is_registered_is_what_its_card_says(ridge_run: StepRun) -> None:
    card = json.loads((ridge_run.output / "model_card.json").read_text())
    name, _, content = read_card(card, "job")
    found = inspect(ridge_run.output / name)
    assert checked_content(content, InspectedModel(**{**found, "names": tuple(found["names"])}), "job") == content


def test_the_same_seed_takes_the_same_course(tmp_path: Path, ridge_run: StepRun, ridge_inputs: Path) -> None:
    again = run_to_end("optimize", tmp_path / "run", ridge_inputs, SMALL)
    assert without_time(again.trials) == without_time(ridge_run.trials)
    assert again.metadata("compare") == ridge_run.metadata("compare")


def test_a_search_that_finds_nothing_better_says_so(tmp_path: Path, ridge_inputs: Path) -> None:
    """The only trial is the untuned model's own parameters, which tie with themselves."""
    inputs = ridge_inputs
    run = run_to_end("optimize", tmp_path / "run", inputs, {"ml": RIDGE, "optimize": {"trials": 1}})
    compared = run.metadata("compare")
    assert not compared["isBetter"] and "is not better than the untuned one" in compared["verdict"]
    assert compared["meanR2"]["tuned"] == compared["meanR2"]["untuned"]
    card = json.loads((run.output / "model_card.json").read_text())
    assert (card["registered"]["model"], card["registered"]["artifact"]) == ("untuned", "model.skops")
    assert card["registered"]["sha256"] == hashlib.sha256((inputs / "model.skops").read_bytes()).hexdigest()


def test_the_hold_out_has_no_say_in_the_search(tmp_path: Path, ridge_run: StepRun, ridge_inputs: Path) -> None:
    data = load_dataset(ridge_inputs, {})
    hold_out = list(Split.read(ridge_inputs, data).hold_out)
    power = data.rows["power"].to_numpy(copy=True)
    power[hold_out] = np.arange(len(hold_out)) * 1e3
    other = trained(tmp_path, RIDGE, 80, {"power": power})
    spoiled = run_to_end("optimize", tmp_path / "spoiled", other, SMALL)
    assert without_time(spoiled.trials) == without_time(ridge_run.trials)
    assert spoiled.metadata("compare")["meanR2"]["tuned"] < 0


def test_sigterm_in_mid_trial_keeps_the_best_so_far(tmp_path: Path, slow_inputs: Path) -> None:
    with running("optimize", tmp_path / "run", slow_inputs, {"ml": RIDGE, "optimize": RIDGE_THEN_SLOW}) as run:
        run.wait_for(lambda: len(run.trials) == 1)
        helpers = psutil.Process(run.process.pid).children(recursive=True)
        run.wait_for(is_busy(helpers[0]))
        signalled = time.monotonic()
        run.process.send_signal(signal.SIGTERM)
        code, _ = run.finish()
        assert time.monotonic() - signalled < GRACE_SECONDS
    assert code == 143
    assert helpers and not any(helper.is_running() for helper in helpers)

    first, second = run.trials
    assert (first["state"], second["state"], second["algorithm"]) == ("COMPLETED", "STOPPED", "GAUSSIAN_PROCESS")
    assert second["value"] is None
    assert run.artifacts == ["trials.csv", "best_parameters.json", "tuned_model.skops"]
    assert json.loads((run.output / "best_parameters.json").read_text())["value"] == first["value"]
    assert score(run, slow_inputs, run.output / "tuned_model.skops") == score(run, slow_inputs, slow_inputs / "model.skops")
    assert run.metadata("search")["trials"] == {"completed": 1, "failed": 0, "stopped": 1}
    assert run.statuses() == [("search", "RUNNING")]


def test_the_time_budget_ends_a_trial_too(tmp_path: Path, slow_inputs: Path) -> None:
    definition = {"ml": RIDGE, "optimize": RIDGE_THEN_SLOW | {"timeoutSeconds": 2}}
    run = run_to_end("optimize", tmp_path / "run", slow_inputs, definition)
    assert [trial["state"] for trial in run.trials] == ["COMPLETED", "STOPPED"]
    assert run.trials[1]["durationSeconds"] < 4
    assert "optimization_history.png" in run.artifacts and "model_card.json" in run.artifacts


def test_no_trial_within_the_time_is_a_failure_that_says_so(tmp_path: Path, slow_inputs: Path) -> None:
    definition = {"ml": RIDGE, "optimize": {"algorithms": ["GAUSSIAN_PROCESS"], "timeoutSeconds": 1}}
    with running("optimize", tmp_path / "run", slow_inputs, definition) as run:
        code, reason = run.finish()
    message = "No trial was finished within 1 s: allow more by timeoutSeconds, or choose a faster algorithm."
    assert (code, reason) == (1, message)
    assert run.statuses()[-1] == ("search", "FAILED") and run.artifacts == ["trials.csv"]


def test_a_fitting_process_that_dies_costs_its_trial_only(tmp_path: Path, slow_inputs: Path) -> None:
    with running("optimize", tmp_path / "run", slow_inputs, {"ml": RIDGE, "optimize": RIDGE_THEN_SLOW}) as run:
        run.wait_for(lambda: len(run.trials) == 1)
        (helper,) = psutil.Process(run.process.pid).children()
        helper.kill()
        run.wait_for(lambda: len(run.trials) == 2)
        assert run.trials[1]["state"] == "FAILED" and "ended with code -9" in run.trials[1]["message"]
        run.wait_for(lambda: bool(psutil.Process(run.process.pid).children()))
        run.process.send_signal(signal.SIGTERM)
        assert run.finish()[0] == 143
    assert "tuned_model.skops" in run.artifacts


def test_the_fitting_process_ends_with_the_step(tmp_path: Path, slow_inputs: Path) -> None:
    with running("optimize", tmp_path / "run", slow_inputs, {"ml": RIDGE, "optimize": RIDGE_THEN_SLOW}) as run:
        run.wait_for(lambda: len(run.trials) == 1)
        (helper,) = psutil.Process(run.process.pid).children()
        run.process.send_signal(signal.SIGKILL)
        psutil.wait_procs([helper], timeout=10)
        assert not helper.is_running()


def test_what_ml_should_have_left_is_named(tmp_path: Path) -> None:
    inputs = write_data(tmp_path / "inputs")
    with running("optimize", tmp_path / "run", inputs, {}) as run:
        code, reason = run.finish()
    assert (code, reason) == (1, "split.json is missing: the ML job leaves it, saying which rows are held out.")


# --- parts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ml", "algorithms", "expected"),
    [
        (MlOptions(algorithm=Algorithm.RIDGE), (), True),
        (MlOptions(algorithm=Algorithm.RIDGE), (Algorithm.SVR,), False),
        (MlOptions(algorithm=Algorithm.KNN, parameters={"n_neighbors": 16, "p": 2}), (), True),
        (MlOptions(algorithm=Algorithm.KNN, parameters={"n_neighbors": 17}), (), False),
    ],
)
def test_the_untuned_parameters_are_tried_where_the_folds_allow_them(
    ml: MlOptions, algorithms: tuple[Algorithm, ...], expected: bool
) -> None:
    """Of 20 rows in 5 folds, 16 are left to train on."""
    assert SearchTask(ml, OptimizeOptions(algorithms=algorithms), 3, 20, 16).has_untuned is expected


def test_a_search_remembers_what_it_was_given(tmp_path: Path) -> None:
    seen: list[tuple[Trial, float]] = []
    search = Search(SearchTask(MlOptions(), OptimizeOptions(), 3, 20, 16), tmp_path, lambda *each: seen.append(each))
    assert (search.trials, search.best, seen) == ([], None, [])
    assert Trial(1, Algorithm.KNN, {"p": 1}, TrialState.FAILED, None, 0.5, "why").as_json() == {
        "number": 1,
        "algorithm": "KNN",
        "parameters": {"p": 1},
        "state": "FAILED",
        "value": None,
        "durationSeconds": 0.5,
        "message": "why",
    }


def test_sigterm_waits_for_what_belongs_together() -> None:
    def terminate(_number: int, _frame: object) -> None:
        raise Terminated

    previous = signal.signal(signal.SIGTERM, terminate)
    done = False
    try:
        with pytest.raises(Terminated), undisturbed():
            os.kill(os.getpid(), signal.SIGTERM)
            done = True
    finally:
        signal.signal(signal.SIGTERM, previous)
    assert done
