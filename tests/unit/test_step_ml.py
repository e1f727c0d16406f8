import csv
import json
import pickle
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from skops.io import dump

from domain.training import Algorithm, Missing, MlOptions, Outliers, Scaler, complete_parameters, search_space
from steps.modelling import build_model, check_resolution, cross_validated_r2, fit, judge, mean_r2, predict
from steps.reports import StepFailed
from steps.split import Split, folds_of, split_rows
from steps.stored_model import load_model, save_model
from steps.training_data import Dataset, load_dataset
from tests.unit.training_steps import INPUTS, RESPONSES, run_to_end, running, write_data

NAN = float("nan")


def dataset(folder: Path, rows: int = 80, **changes: Any) -> Dataset:
    return load_dataset(write_data(folder, rows, changes), {})


def values(rows: int, **at: float) -> list[float]:
    """A column of distinct values with others at the rows named (`r3=…`)."""
    column = [float(row % 7) + row / 100 for row in range(rows)]
    for name, value in at.items():
        column[int(name[1:])] = value
    return column


# --- the step as a process ---------------------------------------------------------------------------------------


def test_a_model_is_trained_and_tested(tmp_path: Path) -> None:
    inputs = write_data(tmp_path / "inputs", 100)
    run = run_to_end("ml", tmp_path / "run", inputs, {"ml": {"algorithm": "GAUSSIAN_PROCESS"}})

    states = ("RUNNING", "SUCCEEDED")
    assert run.statuses() == [(task, state) for task in ("preprocess", "scale", "train", "test") for state in states]
    assert run.artifacts == ["split.json", "model.skops", "metrics.json", "predictions.csv", "predicted_versus_measured.png"]
    assert {file.name for file in run.output.iterdir()} == set(run.artifacts)
    assert (run.output / "predicted_versus_measured.png").read_bytes().startswith(b"\x89PNG")

    figures = run.metadata("test")
    assert figures["holdOutRows"] == 20
    assert all(figures["responses"][name]["r2"] > 0.999 for name in RESPONSES)
    assert 0 < figures["responses"]["delay"]["mae"] < 1e-12
    metrics = json.loads((run.output / "metrics.json").read_text())
    assert metrics["responses"] == figures["responses"] and metrics["meanR2"] == figures["meanR2"]

    data = load_dataset(inputs, {})
    split = Split.read(run.output, data)
    predicted = predict(load_model(run.output / "model.skops"), data.features(split.hold_out))
    assert judge(data.responses, data.measured(split.hold_out), predicted) == figures["responses"]
    with (run.output / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["row"]) for row in rows] == list(split.hold_out)
    assert [float(row["power predicted"]) for row in rows] == predicted[:, 1].tolist()
    assert [float(row["w"]) for row in rows] == data.features(split.hold_out)["w"].tolist()


def test_the_same_seed_gives_the_same_figures(tmp_path: Path) -> None:
    inputs = write_data(tmp_path / "inputs")
    section = {"algorithm": "GRADIENT_BOOSTING", "parameters": {"subsample": 0.5, "n_estimators": 20}}
    first, second = (run_to_end("ml", tmp_path / name, inputs, {"ml": section}) for name in ("first", "second"))
    assert first.metadata("test") == second.metadata("test")
    for name in ("split.json", "metrics.json", "predictions.csv"):
        assert (first.output / name).read_bytes() == (second.output / name).read_bytes()


def test_categories_of_inputs_reach_every_output(tmp_path: Path) -> None:
    corners = ["tt", "ff", "tt", "ss", None] * 20
    inputs = write_data(tmp_path / "inputs", 100, {"l": corners, "w": [True, False] * 50})
    run = run_to_end("ml", tmp_path / "run", inputs, {"ml": {"algorithm": "RIDGE", "missing": "MEAN"}})
    described = run.metadata("preprocess")
    assert described["categoricalInputs"] == ["w", "l"] and described["missingInputs"] == 20
    assert run.metadata("scale")["features"] == 6
    with (run.output / "predictions.csv").open(newline="") as file:
        assert {row["l"] for row in csv.DictReader(file)} <= {"tt", "ff", "ss", ""}
    assert json.loads((run.output / "metrics.json").read_text())["duplicatedRows"] == described["duplicatedRows"] == 0


def test_a_failure_is_reported_and_is_the_last_line(tmp_path: Path) -> None:
    inputs = write_data(tmp_path / "inputs", 20, {"power": [2.5] * 20})
    with running("ml", tmp_path / "run", inputs, {}) as run:
        message = "Response 'power' is constant (2.5) in the training part of 16 rows: nothing to learn."
        assert run.finish() == (1, message)
    assert run.statuses() == [("preprocess", "RUNNING"), ("preprocess", "FAILED")]
    assert run.metadata("preprocess")["message"] == message


def test_parameters_that_the_data_do_not_allow_fail_the_scaling(tmp_path: Path) -> None:
    inputs = write_data(tmp_path / "inputs", 20)
    definition = {"ml": {"algorithm": "KNN", "parameters": {"n_neighbors": 17}}}
    with running("ml", tmp_path / "run", inputs, definition) as run:
        code, message = run.finish()
    assert (code, message) == (1, "ml.parameters.n_neighbors: must be from 1 to 16 (with 16 training rows of 3 features)")
    assert run.statuses()[-1] == ("scale", "FAILED")


# --- reading the data --------------------------------------------------------------------------------------------


def test_roles_come_from_the_file_or_else_from_the_deck(tmp_path: Path) -> None:
    deck = {"inputs": ["c"], "responses": ["power"]}
    assert dataset(tmp_path / "a").inputs.names == tuple(INPUTS)
    without = load_dataset(write_data(tmp_path / "b", roles=False), deck)
    assert (without.inputs.names, without.responses) == (("c",), ("power",))
    with pytest.raises(StepFailed, match="no inputs or no responses"):
        load_dataset(write_data(tmp_path / "c", roles=False), {})


def test_columns_become_numbers(tmp_path: Path) -> None:
    w, length = [7, None, 8, 9], [" 1.5", "", "+2e-9", None]
    data = dataset(tmp_path, 4, w=w, l=length, c=[1, 2, 3, 2**60], power=[1.0, np.inf, 2.0, NAN])
    np.testing.assert_array_equal(data.rows["w"], [7, NAN, 8, 9])
    np.testing.assert_array_equal(data.rows["l"], [1.5, NAN, 2e-9, NAN])
    np.testing.assert_array_equal(data.rows["c"], [1, 2, 3, 2.0**60])
    np.testing.assert_array_equal(data.rows["power"], [1, NAN, 2, NAN])


def test_columns_become_categories(tmp_path: Path) -> None:
    truths, texts = [True, False, None, True], [" tt", "ff", "", "tt"]
    codes = pa.array(["1", "2", None, "1"]).dictionary_encode()
    data = dataset(tmp_path, 4, w=truths, l=texts, c=codes)
    assert data.inputs.categories == {"w": ("false", "true"), "l": ("ff", "tt"), "c": ("1", "2")}
    assert (data.inputs.numbers, data.inputs.width) == ([], 6)
    assert data.rows["l"].isna().tolist() == [False, False, True, False]
    assert data.extents([0, 3])["l"] == {"categories": ["tt"]}
    with pytest.raises(StepFailed, match="Column 'w' holds 101 different texts; 100 categories are allowed"):
        dataset(tmp_path, 101, w=[f"lot {row}" for row in range(101)])


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (["1", "fast", "2"], "Column 'w' holds 'fast' in row 2, which is not a number"),
        ([np.datetime64("2026-01-01", "us")] * 3, r"Column 'w' holds timestamp\[us\], not numbers"),
        ([[1.0], [2.0], [3.0]], "Column 'w' holds list.*, not numbers"),
        (["x" * 1001] * 3, "Column 'w' holds a text of 1001 characters"),
    ],
)
def test_a_column_that_no_model_takes_is_named(tmp_path: Path, column: list[Any], message: str) -> None:
    with pytest.raises(StepFailed, match=message):
        dataset(tmp_path, 3, w=column)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match=r"data\.parquet is missing"):
        load_dataset(tmp_path, {})
    with pytest.raises(StepFailed, match="has no column 'gain'"):
        load_dataset(write_data(tmp_path, roles=False), {"inputs": ["w"], "responses": ["gain"]})
    with pytest.raises(StepFailed, match="named twice"):
        load_dataset(write_data(tmp_path, roles=False), {"inputs": ["w"], "responses": ["w"]})
    (tmp_path / "data.parquet").write_bytes(b"no parquet")
    with pytest.raises(StepFailed, match="can't be read as Parquet"):
        load_dataset(tmp_path, {})


# --- the split ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", Missing)
@pytest.mark.parametrize("outliers", Outliers)
def test_every_row_has_one_fate(tmp_path: Path, missing: Missing, outliers: Outliers) -> None:
    delay, w = values(60), values(60, r3=NAN, r4=NAN)
    data = dataset(tmp_path, 60, w=w, delay=delay, power=values(60, r5=NAN, r20=1e6, r21=1e6, r22=-1e6))
    split = split_rows(data, MlOptions(missing=missing, outliers=outliers))
    assert sorted((*split.training, *split.hold_out, *split.outliers, *split.incomplete)) == list(range(60))
    assert split.incomplete == ((3, 4, 5) if missing is Missing.DROP else (5,))
    far_off = {20, 21, 22}
    assert set(split.outliers) <= far_off - set(split.hold_out)
    assert bool(split.outliers) == (outliers is not Outliers.KEEP)
    if outliers is Outliers.IQR:
        assert set(split.outliers) == far_off - set(split.hold_out)
    split.write(tmp_path)
    assert Split.read(tmp_path, data) == split


def test_another_seed_holds_out_other_rows(tmp_path: Path) -> None:
    data = dataset(tmp_path)
    first, second = (split_rows(data, MlOptions(seed=seed, test_share=0.25)) for seed in (1, 2))
    assert len(first.hold_out) == len(second.hold_out) == 20
    assert first.hold_out != second.hold_out


def repeated(folder: Path, times: int = 2, **changes: Any) -> Dataset:
    """40 points, each `times` over with responses of its own, and some with a value missing."""
    w = [NAN if row % 40 == 3 else float(row % 40) for row in range(40 * times)]
    noise = np.random.default_rng(1).normal(size=(2, 40 * times))
    same = {"w": w, "l": [1.0] * len(w), "c": [2.0] * len(w), "delay": noise[0], "power": noise[1]}
    return dataset(folder, 40 * times, **same | changes)


def test_rows_of_the_same_inputs_are_on_the_same_side(tmp_path: Path) -> None:
    data = repeated(tmp_path, 3)
    split = split_rows(data, MlOptions(missing=Missing.MEAN, test_share=0.25))
    assert len(split.hold_out) == 30
    assert not {row % 40 for row in split.hold_out} & {row % 40 for row in split.training}
    assert data.duplicated(range(120)) == 80
    folds = folds_of(data, split.training, 5, 1)
    assert sorted(row for _, judged in folds for row in judged) == list(range(90))
    for learnt, judged in folds:
        assert not {split.training[row] % 40 for row in judged} & {split.training[row] % 40 for row in learnt}
    with pytest.raises(StepFailed, match="90 training rows of 30 different points can't be divided into 31 folds"):
        folds_of(data, split.training, 31, 1)


def test_noise_is_not_learned_from_rows_that_stand_twice(tmp_path: Path) -> None:
    """A nearest neighbour would find the very row that it is asked for."""
    noise = np.tile(np.random.default_rng(2).normal(size=40), 2)
    data = repeated(tmp_path, w=np.tile(np.arange(40.0), 2), delay=noise, power=noise)
    options = MlOptions(algorithm=Algorithm.KNN)
    split = split_rows(data, options)
    parameters = complete_parameters({"n_neighbors": 1}, search_space(Algorithm.KNN, inputs=3, rows=60))
    model = build_model(options, options.algorithm, parameters, data.inputs, 2)
    features, measured = data.features(split.training), data.measured(split.training)
    fit(model, features, measured)
    judged = predict(model, data.features(split.hold_out))
    assert mean_r2(judge(data.responses, data.measured(split.hold_out), judged)) < 0
    assert cross_validated_r2(model, features, measured, folds_of(data, split.training, 5, 1)) < 0


def test_the_decks_of_a_point_are_on_the_same_side(tmp_path: Path) -> None:
    data = replace(repeated(tmp_path, c=["a.cir"] * 40 + ["b.cir"] * 40), deck="c")
    split = split_rows(data, MlOptions(missing=Missing.MEAN))
    assert not {row % 40 for row in split.hold_out} & {row % 40 for row in split.training}
    assert data.duplicated(range(80)) == 0


def test_too_few_points_are_refused_however_many_rows(tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match="80 complete rows hold 3 different points; at least 4 are needed"):
        split_rows(repeated(tmp_path, w=[float(row % 3) for row in range(80)]), MlOptions())


def test_a_response_mostly_of_one_value_has_no_outliers(tmp_path: Path) -> None:
    data = dataset(tmp_path, 40, power=[0.0, 0.0, 0.0, 0.0, 1.0] * 8)
    assert split_rows(data, MlOptions(outliers=Outliers.IQR)).outliers == ()


def test_what_can_not_be_learned_from_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match="6 of 6 rows are complete; at least 7 are needed"):
        split_rows(dataset(tmp_path, 6), MlOptions())
    with pytest.raises(StepFailed, match="Response 'delay' is constant"):
        split_rows(dataset(tmp_path, 20, delay=[0.1 + 0.2, 0.3] * 10), MlOptions())
    with pytest.raises(StepFailed, match="Input 'w' has no value in any training row"):
        split_rows(dataset(tmp_path, 20, w=[NAN] * 20), MlOptions(missing=Missing.MEAN))


def test_a_split_of_other_data_is_refused(tmp_path: Path) -> None:
    split_rows(dataset(tmp_path, 20), MlOptions()).write(tmp_path)
    with pytest.raises(StepFailed, match=r"made from another data\.parquet"):
        Split.read(tmp_path, dataset(tmp_path, 21))


# --- models ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("responses", [1, 2])
@pytest.mark.parametrize("algorithm", Algorithm)
def test_every_algorithm_learns_is_stored_and_predicts_the_same(tmp_path: Path, algorithm: Algorithm, responses: int) -> None:
    data = dataset(tmp_path)
    features, measured = data.features(range(60)), data.measured(range(60))[:, :responses]
    features.iloc[3, 1] = NAN
    options = MlOptions(algorithm=algorithm, missing=Missing.MEDIAN, scaler=Scaler.ROBUST)
    given: dict[Algorithm, Any] = {Algorithm.RIDGE: {"degree": 2}, Algorithm.KNN: {"p": 1}, Algorithm.SVR: {"C": 100.0}}
    parameters = complete_parameters(given.get(algorithm, {}), search_space(algorithm, inputs=3, rows=60))
    model = fit(build_model(options, algorithm, parameters, data.inputs, responses), features, measured)
    loaded = save_model(model, tmp_path / "model.skops")

    unseen = data.features(range(60, 80))
    predicted = predict(loaded, unseen)
    assert predicted.shape == (20, responses)
    np.testing.assert_array_equal(predicted, predict(model, unseen))
    scores = judge(data.responses[:responses], data.measured(range(60, 80))[:, :responses], predicted)
    assert mean_r2(scores) > 0.6
    with pytest.raises(ValueError, match="columns are missing"):
        predict(loaded, unseen.rename(columns={"w": "width"}))
    assert 0.6 < cross_validated_r2(model, features, measured, folds_of(data, range(60), 4, 1)) <= 1


@pytest.mark.parametrize("algorithm", Algorithm)
def test_categories_are_learned_stored_and_told_apart(tmp_path: Path, algorithm: Algorithm) -> None:
    """The corner shifts the response; the stored model takes raw rows, of whatever kind of column, in any order."""
    corners = np.array(["tt", "ff", "ss"], dtype=object)[np.arange(80) % 3]
    shift = np.array([0.0, -3.0, 3.0])[np.arange(80) % 3]
    w = np.random.default_rng(1).uniform(size=80)
    data = dataset(tmp_path, w=w, l=corners, delay=w + shift, power=w - shift)
    options = MlOptions(algorithm=algorithm, missing=Missing.MEDIAN)
    given: dict[Algorithm, Any] = {Algorithm.RIDGE: {"degree": 2}, Algorithm.KNN: {"p": 1}}
    space = search_space(algorithm, inputs=data.inputs.width, rows=60)
    model = build_model(options, algorithm, complete_parameters(given.get(algorithm, {}), space), data.inputs, 2)
    features = data.features(range(60)).copy()
    features.loc[3, "l"] = None
    features.loc[4, "w"] = NAN
    loaded = save_model(fit(model, features, data.measured(range(60))), tmp_path / "model.skops")

    unseen = data.features(range(60, 80))
    predicted = predict(loaded, unseen)
    assert mean_r2(judge(data.responses, data.measured(range(60, 80)), predicted)) > 0.9
    categorical = unseen.astype({"l": "category"})[["c", "l", "w"]]
    np.testing.assert_array_equal(predicted, predict(loaded, categorical))
    assert np.isfinite(predict(loaded, unseen.assign(l="sf"))).all()


def test_figures_are_those_of_the_textbook() -> None:
    measured, predicted = np.array([[1.0], [2.0], [3.0], [4.0]]), np.array([[1.0], [2.0], [3.0], [6.0]])
    assert judge(("y",), measured, predicted) == {"y": {"r2": pytest.approx(0.2), "rmse": 1.0, "mae": 0.5}}


def test_inputs_too_small_for_trees_need_a_scaler(tmp_path: Path) -> None:
    features = dataset(tmp_path).features(range(80))
    options = MlOptions(scaler=Scaler.NONE)
    with pytest.raises(StepFailed, match=r"Input 'w' spans only .*too little for RANDOM_FOREST unscaled"):
        check_resolution(options, Algorithm.RANDOM_FOREST, features)
    check_resolution(options, Algorithm.RIDGE, features)
    check_resolution(options, Algorithm.RANDOM_FOREST, features * 1e9)
    check_resolution(MlOptions(), Algorithm.RANDOM_FOREST, features)


@pytest.mark.parametrize("content", [pickle.dumps(Ridge()), b"", b"PK\x05\x06" + bytes(18)])
def test_what_is_no_model_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.skops").write_bytes(content)
    with pytest.raises(StepFailed, match="can't be read as a model"):
        load_model(tmp_path / "model.skops")


def test_a_model_with_foreign_code_is_refused(tmp_path: Path) -> None:
    hostile = Pipeline([("look", FunctionTransformer(partial(exec, "raise SystemExit(9)"))), ("model", Ridge())])
    dump(hostile, tmp_path / "model.skops")
    with pytest.raises(StepFailed, match=r"types that are not allowed in a model: .*exec"):
        load_model(tmp_path / "model.skops")
    dump(Ridge(), tmp_path / "model.skops")
    with pytest.raises(StepFailed, match="holds a Ridge, not a pipeline"):
        load_model(tmp_path / "model.skops")
    with pytest.raises(StepFailed, match=r"absent\.skops is missing"):
        load_model(tmp_path / "absent.skops")
