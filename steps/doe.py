"""The job DOE: makes the design, evaluates its points (or takes the measured rows that lie in the design space), leaves the data.

Leaves `data.parquet`, the inputs and responses of every good point, and `failed_points.json`, which lists every other one with
the reason. Both are left also when too many points fail or the job is stopped, with what is known by then.
"""

import json
from collections.abc import Mapping
from contextlib import closing
from itertools import product
from pathlib import Path
from typing import Any

from domain.deck import DeckKind
from domain.deck_archive import archive_members
from domain.definition import Definition
from domain.design import Design, Method, generate
from domain.netlist import Netlist, read_netlist
from domain.training import Missing
from steps.data_set import DataSet
from steps.decks import ARCHIVE, LIST, netlist_texts, read_definition
from steps.evaluation import Evaluator, Point, Result, evaluate_all
from steps.named_function import NamedFunction
from steps.reports import Reports, StepFailed, StepInput, Terminated, run_step
from steps.simulation import Simulator
from steps.tables import read_columns

MAX_EVALUATIONS = 20_000


def explore(step: StepInput, reports: Reports) -> None:
    """Run the three tasks design, evaluate, assemble."""
    definition = read_definition(step)
    kind = definition.deck.kind
    names, files = ([], {}) if kind is DeckKind.FUNCTION else _decks(step)
    netlists = _netlists(names, files) if kind is DeckKind.SPICE else {}
    data = _empty(definition, netlists)
    try:
        if definition.design.method is Method.MEASURED:
            _take_measured(data, {name: files[name] for name in names}, reports)
        else:
            _evaluate(data, netlists, _evaluator(step, data, netlists), reports)
    except (StepFailed, Terminated):
        _leave(data, step, reports)
        raise
    with reports.task("assemble"):
        _leave(data, step, reports)
        if not data.rows:
            raise StepFailed(f"no row is left: {len(data.failed)} failed, {len(data.rejected)} are outside the design space")


def _decks(step: StepInput) -> tuple[list[str], dict[str, bytes]]:
    """The names of the accepted decks, and all files of the archive, which they may include."""
    try:
        names = [deck["name"] for deck in json.loads((step.inputs_folder / LIST).read_text("utf-8"))["decks"]]
        with (step.inputs_folder / ARCHIVE).open("rb") as archive:
            files = dict(archive_members(archive))
    except FileNotFoundError as error:
        raise StepFailed(f"{Path(error.filename).name} is missing: the DECK_COLLECTION job leaves it") from error
    return names, files


def _netlists(names: list[str], files: Mapping[str, bytes]) -> dict[str, Netlist]:
    """The netlists, checked once more: nothing is simulated on trust."""
    texts = netlist_texts(files)
    return {name: read_netlist(name, texts) for name in names}


def _empty(definition: Definition, netlists: Mapping[str, Netlist]) -> DataSet:
    """The data set to fill; its responses are those that the kit names, else all measurements (DECK_COLLECTION compared them)."""
    deck, design = definition.deck, definition.design
    return DataSet(
        design,
        inputs=deck.inputs if deck.kind is DeckKind.TABLE else design.space.names,
        responses=deck.responses or next(iter(netlists.values())).measurements,
        is_deck_input=deck.kind is DeckKind.SPICE,
        keeps_missing=definition.ml.missing is not Missing.DROP,
    )


def _evaluator(step: StepInput, data: DataSet, netlists: Mapping[str, Netlist]) -> Evaluator:
    design = data.design
    if design.function is None:
        return Simulator(netlists, data.responses, design.timeout_seconds, design.seed, Path.cwd())
    functions: Mapping[str, str] = step.server.get("functions") or {}
    if design.function not in functions:
        raise StepFailed(f"the server's settings name no function {design.function!r}")
    return NamedFunction(functions[design.function], data.responses, design.timeout_seconds)


def _take_measured(data: DataSet, tables: Mapping[str, bytes], reports: Reports) -> None:
    with reports.task("design"):
        for name, content in tables.items():
            data.add_measured(name, read_columns(content, data.inputs, data.responses, data.categories))
        reports.note({"method": str(data.design.method), "rows": data.rows, "rejected": len(data.rejected)}, task="design")
    with reports.task("evaluate"):
        _check_failures(data, data.rows + len(data.failed))


def _evaluate(data: DataSet, netlists: Mapping[str, Netlist], evaluator: Evaluator, reports: Reports) -> None:
    design = data.design
    with reports.task("design"):
        sample = generate(design)
        data.plan(sample)
        rows = sample.points
        decks: list[str | None] = [*sorted(netlists)] or [None]
        if len(rows) * len(decks) > MAX_EVALUATIONS:
            raise StepFailed(f"{len(rows)} points with {len(decks)} decks are more than {MAX_EVALUATIONS} simulations")
        inputs = [dict(zip(data.inputs, row.tolist(), strict=True)) for row in rows]
        points = [Point(index, *pair) for index, pair in enumerate(product(decks, inputs))]
        reports.note({"method": str(design.method), "seed": design.seed, "points": len(points)}, task="design")
    results: list[Result] = []
    with reports.task("evaluate"):
        try:
            _collect(evaluator, points, design, results, reports)
        finally:
            data.add_results(points, results)
        _check_failures(data, len(points))


def _collect(evaluator: Evaluator, points: list[Point], design: Design, results: list[Result], reports: Reports) -> None:
    """Add the results to `results` as they come, until all are there or too many have failed for the job to succeed."""
    failed = 0
    with closing(evaluate_all(evaluator, points, design.parallel)) as coming:
        for result in coming:
            results.append(result)
            reports.point("evaluate", _described(result), len(results) / len(points))
            failed += result.error is not None
            if failed > design.max_failed_share * len(points):
                return


def _described(result: Result) -> dict[str, Any]:
    document: dict[str, Any] = {"index": result.point.index, "inputs": result.point.inputs, "responses": result.responses}
    if result.point.deck is not None:
        document["deck"] = result.point.deck
    if result.error is not None:
        document["error"] = result.error
    return document | {"seconds": round(result.seconds, 3)}


def _check_failures(data: DataSet, planned: int) -> None:
    if len(data.failed) <= data.design.max_failed_share * planned:
        return
    first = data.failed[0]["message"]
    not_evaluated = f", {len(data.open)} were not evaluated any more" if data.open else ""
    raise StepFailed(
        f"{len(data.failed)} of {planned} points failed, more than the share of {data.design.max_failed_share:g} that the kit "
        f"allows{not_evaluated}; the first: {first}"
    )


def _leave(data: DataSet, step: StepInput, reports: Reports) -> None:
    made_from = [name for name in (ARCHIVE, LIST) if (step.inputs_folder / name).exists()]
    for name, media_type in data.write(step.output_folder):
        reports.artifact(name, media_type, inputs=made_from)
    reports.note({"dataInfo": data.info()})


if __name__ == "__main__":
    run_step(explore)
