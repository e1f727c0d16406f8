"""The ML job: preprocess, scale, train, test. It leaves a model, its figures on the hold-out, and who was held out."""

import csv
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from domain.errors import ValidationFailed
from domain.training import MlOptions, Value, check_rows, complete_parameters, search_space
from steps.modelling import (
    CRITERION,
    Scores,
    build_model,
    check_resolution,
    fit,
    judge,
    mean_r2,
    one_core,
    predict,
    shown_responses,
)
from steps.reports import Reports, StepFailed, StepInput, run_step
from steps.split import SPLIT_FILE, Split, split_rows
from steps.stored_model import MODEL_MEDIA_TYPE, save_model
from steps.training_data import DATA_FILE, Dataset, Matrix, load_dataset, read_options
from steps.training_plots import plot_predictions

MODEL_FILE = "model.skops"
METRICS_FILE = "metrics.json"
PLOT_FILE = "predicted_versus_measured.png"
PREDICTIONS_FILE = "predictions.csv"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be trained, with every hyperparameter."""

    options: MlOptions
    parameters: dict[str, Value]


def run(step: StepInput, reports: Reports) -> None:
    """Train and test the kit's model, one processor core at a time."""
    with one_core():
        with reports.task("preprocess"):
            options = read_options(step)
            data = load_dataset(step.inputs_folder, step.definition.get("deck") or {})
            split = split_rows(data, options)
            split.write(step.output_folder)
            reports.artifact(SPLIT_FILE, "application/json", [DATA_FILE], task="preprocess")
            reports.note(_describe(data, split), task="preprocess")
        with reports.task("scale"):
            plan = Plan(options, _complete(options, data, split))
            model = build_model(options, options.algorithm, plan.parameters, data.inputs, len(data.responses))
            reports.note(_scale(plan, model, data, split), task="scale")
        with reports.task("train"):
            fit(model, data.features(split.training), data.measured(split.training))
            model = save_model(model, step.output_folder / MODEL_FILE)
            reports.artifact(MODEL_FILE, MODEL_MEDIA_TYPE, [DATA_FILE], task="train")
            reports.note(
                {"algorithm": options.algorithm, "parameters": plan.parameters, "trainingRows": len(split.training)}, task="train"
            )
        with reports.task("test"):
            _test(step, reports, plan, model, data, split)


def _complete(options: MlOptions, data: Dataset, split: Split) -> dict[str, Value]:
    rows = len(split.training)
    try:
        check_rows(options.algorithm, rows)
        return complete_parameters(options.parameters, search_space(options.algorithm, inputs=data.inputs.width, rows=rows))
    except ValidationFailed as error:
        raise StepFailed(f"{error} (with {rows} training rows of {data.inputs.width} features)") from error


def _describe(data: Dataset, split: Split) -> dict[str, Any]:
    features = data.features(split.training)
    constant = [name for name in data.inputs.names if features[name].nunique() == 1]
    return {
        "rows": len(data.rows),
        "trainingRows": len(split.training),
        "holdOutRows": len(split.hold_out),
        "incompleteRows": len(split.incomplete),
        "outliersLeftOut": len(split.outliers),
        "duplicatedRows": _duplicated(data, split),
        "missingInputs": int(data.rows[list(data.inputs.names)].isna().sum().sum()),
        **({"categoricalInputs": list(data.inputs.categories)[:100]} if data.inputs.categories else {}),
        **({"constantInputs": constant[:100]} if constant else {}),
    }


def _duplicated(data: Dataset, split: Split) -> int:
    """How many rows repeat the inputs of another: many of them say less than their number promises."""
    return data.duplicated([*split.training, *split.hold_out])


def _scale(plan: Plan, model: Pipeline, data: Dataset, split: Split) -> dict[str, Any]:
    features = data.features(split.training)
    check_resolution(plan.options, plan.options.algorithm, features[data.inputs.numbers])
    prepared = np.asarray(clone(model[:-1]).fit_transform(features))
    if not np.isfinite(prepared).all():
        raise StepFailed("Scaling the inputs gives values beyond the range of floating-point numbers.")
    return {
        "scaler": plan.options.scaler,
        "features": prepared.shape[1],
        "lowest": float(prepared.min()),
        "highest": float(prepared.max()),
    }


def _test(step: StepInput, reports: Reports, plan: Plan, model: Pipeline, data: Dataset, split: Split) -> None:
    """Judge the model, as read back from its file, on the rows it has not seen."""
    measured = data.measured(split.hold_out)
    predicted = predict(model, data.features(split.hold_out))
    scores = judge(data.responses, measured, predicted)
    made_from = [DATA_FILE, MODEL_FILE]
    _write_metrics(step, plan, data, split, scores)
    reports.artifact(METRICS_FILE, "application/json", made_from, task="test")
    _write_predictions(step, data, split, measured, predicted)
    reports.artifact(PREDICTIONS_FILE, "text/csv", made_from, task="test")
    plot_predictions(step.output_folder / PLOT_FILE, scores, measured, predicted)
    reports.artifact(PLOT_FILE, "image/png", made_from, task="test")
    reports.note({"holdOutRows": len(split.hold_out), "meanR2": mean_r2(scores), **shown_responses(scores)}, task="test")


def _write_metrics(step: StepInput, plan: Plan, data: Dataset, split: Split, scores: Scores) -> None:
    document = {
        "algorithm": plan.options.algorithm,
        "parameters": plan.parameters,
        "options": plan.options.as_json(),
        "trainingRows": len(split.training),
        "holdOutRows": len(split.hold_out),
        "duplicatedRows": _duplicated(data, split),
        "criterion": CRITERION,
        "meanR2": mean_r2(scores),
        "responses": scores,
        "dataSha256": data.sha256,
    }
    (step.output_folder / METRICS_FILE).write_text(json.dumps(document, indent=2, ensure_ascii=False), "utf-8")


def _write_predictions(step: StepInput, data: Dataset, split: Split, measured: Matrix, predicted: Matrix) -> None:
    """One line per held-out row: its number in the data set, its inputs, then measured and predicted value of each response."""
    header = ["row", *data.inputs.names, *(f"{name} {kind}" for name in data.responses for kind in ("measured", "predicted"))]
    pairs = np.stack([measured, predicted], axis=2).reshape(len(measured), -1)
    inputs = data.features(split.hold_out).astype(object)
    inputs = inputs.where(inputs.notna(), None)  # which CSV shows as nothing
    with (step.output_folder / PREDICTIONS_FILE).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(
            [row, *given, *values]
            for row, given, values in zip(split.hold_out, inputs.to_numpy().tolist(), pairs.tolist(), strict=True)
        )


if __name__ == "__main__":
    run_step(run)
