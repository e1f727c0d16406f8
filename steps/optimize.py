"""The OPTIMIZE job: search, compare, register. It tunes on the training part only; the hold-out is looked at once, at the end.

When it is ended in mid-search it keeps the best model found so far, which is fitted the moment it is found.
"""

import csv
import hashlib
import json
import platform
import shutil
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from domain.errors import ValidationFailed
from domain.training import OptimizeOptions, check_rows, parse_optimize
from domain.validation import Problems
from steps.modelling import CRITERION, Scores, check_resolution, judge, mean_r2, one_core, predict, shown_responses
from steps.reports import Reports, StepFailed, StepInput, run_step
from steps.search import Search, SearchTask, Trial, TrialState, undisturbed
from steps.split import SPLIT_FILE, Split, folds_of
from steps.stored_model import MODEL_MEDIA_TYPE, load_model
from steps.training_data import DATA_FILE, Dataset, load_dataset, read_options
from steps.training_plots import plot_history

UNTUNED_FILE = "model.skops"
TUNED_FILE = "tuned_model.skops"
TRIALS_FILE = "trials.csv"
BEST_FILE = "best_parameters.json"
HISTORY_FILE = "optimization_history.png"
CARD_FILE = "model_card.json"
LIBRARIES = ("numpy", "scipy", "scikit-learn", "skops", "optuna")


@dataclass(frozen=True, slots=True)
class Comparison:
    """Both models on the hold-out. The tuned one is better if its mean R² over the responses is greater."""

    tuned: Scores
    untuned: Scores

    @property
    def is_better(self) -> bool:
        """Whether the tuned model won."""
        return mean_r2(self.tuned) > mean_r2(self.untuned)

    @property
    def verdict(self) -> str:
        """The outcome in a sentence."""
        outcome = "better" if self.is_better else "not better"
        figures = f"mean R² {mean_r2(self.tuned):.8g} against {mean_r2(self.untuned):.8g}"
        return f"The tuned model is {outcome} than the untuned one on the hold-out: {figures}."

    def as_json(self) -> dict[str, Any]:
        """The figures, overall and per response."""
        responses = {
            name: {"tuned": tuned, "untuned": self.untuned[name], "isBetter": tuned["r2"] > self.untuned[name]["r2"]}
            for name, tuned in self.tuned.items()
        }
        return {
            "criterion": CRITERION,
            "isBetter": self.is_better,
            "verdict": self.verdict,
            "meanR2": {"tuned": mean_r2(self.tuned), "untuned": mean_r2(self.untuned)},
            "responses": responses,
        }


def run(step: StepInput, reports: Reports) -> None:
    """Tune the kit's model."""
    with one_core():
        with reports.task("search"):
            data = load_dataset(step.inputs_folder, step.definition.get("deck") or {})
            split = Split.read(step.inputs_folder, data)
            options = _read_optimize(step)
            folds = folds_of(data, split.training, options.folds, options.seed)
            task = SearchTask(
                read_options(step), options, data.inputs.width, len(split.training), min(len(rows) for rows, _ in folds)
            )
            _check(task, data, split)
            search = Search(task, Path.cwd(), lambda trial, progress: reports.trial("search", trial.as_json(), progress))
            try:
                best = search.run()
            finally:
                with undisturbed():
                    _keep(step, reports, search)
            _draw(step, reports, search, task)
        with reports.task("compare"):
            comparison = _compare(step, data, split)
            document = comparison.as_json()
            reports.note(document | shown_responses(document["responses"]), task="compare")
        with reports.task("register"):
            _register(step, reports, _card(step, task, best, comparison, data, split))


def _read_optimize(step: StepInput) -> OptimizeOptions:
    problems = Problems("optimize.")
    options = parse_optimize(step.definition.get("optimize") or {}, problems)
    try:
        problems.check()
    except ValidationFailed as error:
        raise StepFailed(str(error)) from error
    return options


def _check(task: SearchTask, data: Dataset, split: Split) -> None:
    numbers = data.features(split.training)[data.inputs.numbers]
    for algorithm in task.algorithms:
        check_resolution(task.ml, algorithm, numbers)
        try:
            check_rows(algorithm, task.rows)
        except ValidationFailed as error:
            raise StepFailed(str(error)) from error


def _keep(step: StepInput, reports: Reports, search: Search) -> None:
    """Leave what the search found, whole or cut short: its trials, and where one completed, the best with its model."""
    with (step.output_folder / TRIALS_FILE).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["number", "algorithm", "parameters", "state", "value", "durationSeconds", "message"])
        for trial in search.trials:
            parameters = json.dumps(trial.parameters)
            writer.writerow([trial.number, trial.algorithm, parameters, trial.state, trial.value, trial.seconds, trial.message])
    made_from = [DATA_FILE, SPLIT_FILE]
    reports.artifact(TRIALS_FILE, "text/csv", made_from, task="search")
    states = [trial.state for trial in search.trials]
    counts = {state.lower(): states.count(state) for state in TrialState}
    best = search.best
    if best is not None:
        document = best.as_json() | {"criterion": f"cross-validated {CRITERION}"}
        (step.output_folder / BEST_FILE).write_text(json.dumps(document, indent=2), "utf-8")
        reports.artifact(BEST_FILE, "application/json", made_from, task="search")
        shutil.copyfile(search.model_file(best.number), step.output_folder / TUNED_FILE)
        reports.artifact(TUNED_FILE, MODEL_MEDIA_TYPE, made_from, task="search")
    reports.note({"trials": counts, "best": None if best is None else best.as_json()}, task="search")


def _draw(step: StepInput, reports: Reports, search: Search, task: SearchTask) -> None:
    completed = [(trial.number, trial.value) for trial in search.trials if trial.value is not None]
    untuned = search.trials[0].value if task.has_untuned else None
    plot_history(step.output_folder / HISTORY_FILE, completed, untuned)
    reports.artifact(HISTORY_FILE, "image/png", [DATA_FILE, SPLIT_FILE], task="search")


def _compare(step: StepInput, data: Dataset, split: Split) -> Comparison:
    """Judge both models, as read from their files, on the rows that neither has seen."""
    measured, features = data.measured(split.hold_out), data.features(split.hold_out)

    def scores(path: Path) -> Scores:
        model = load_model(path)
        names = [str(name) for name in getattr(model, "feature_names_in_", data.inputs.names)]
        predicted = predict(model, features[names] if set(names) == set(data.inputs.names) else features)
        if predicted.shape != measured.shape:
            raise StepFailed(f"{path.name} predicts {predicted.shape[1]} responses; the data set has {measured.shape[1]}.")
        return judge(data.responses, measured, predicted)

    return Comparison(tuned=scores(step.output_folder / TUNED_FILE), untuned=scores(step.inputs_folder / UNTUNED_FILE))


def _card(step: StepInput, task: SearchTask, best: Trial, comparison: Comparison, data: Dataset, split: Split) -> dict[str, Any]:
    """What anyone who uses the registered model has to know about it."""
    if comparison.is_better:
        path, algorithm, parameters = step.output_folder / TUNED_FILE, best.algorithm, best.parameters
    else:
        path, algorithm, parameters = step.inputs_folder / UNTUNED_FILE, task.ml.algorithm, task.untuned
    return {
        "kit": dict(step.kit),
        "registered": {
            "model": "tuned" if comparison.is_better else "untuned",
            "artifact": path.name,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "reason": comparison.verdict,
        },
        "algorithm": algorithm,
        "parameters": parameters,
        "options": task.ml.as_json(),
        "features": data.extents(split.training),
        "responses": list(data.responses),
        "comparison": comparison.as_json(),
        "bestTrial": best.as_json(),
        "data": {
            "artifact": DATA_FILE,
            "sha256": data.sha256,
            "trainingRows": len(split.training),
            "holdOutRows": len(split.hold_out),
        },
        "versions": {"python": platform.python_version()} | {name: version(name) for name in LIBRARIES},
    }


def _register(step: StepInput, reports: Reports, card: dict[str, Any]) -> None:
    (step.output_folder / CARD_FILE).write_text(json.dumps(card, indent=2, ensure_ascii=False), "utf-8")
    made_from = [DATA_FILE, SPLIT_FILE, UNTUNED_FILE, TUNED_FILE]
    reports.artifact(CARD_FILE, "application/json", made_from, task="register")
    reports.note({"registered": card["registered"], "algorithm": card["algorithm"]}, task="register")
    reports.note({"registered": card["registered"]})


if __name__ == "__main__":
    run_step(run)
