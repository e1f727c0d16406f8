"""The data set that DOE makes: the good rows as columns, and an account of every row or point that is not among them."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from domain.design import SAMPLED, Design
from domain.design_space import Texts
from domain.interval import Column
from domain.sampling import Sample
from steps.columns import categories_of, is_categorical
from steps.evaluation import Point, Result
from steps.reports import plain

DATA_FILE = "data.parquet"
FAILED_FILE = "failed_points.json"
METADATA_KEY = "plog"
DECK_COLUMN = "deck"
SHOWN_CATEGORIES = 400
SHOWN_LENGTH = 60


@dataclass(slots=True)
class DataSet:
    """Collects rows. `failed` have no complete result, `rejected` lie outside the design space, `open` were not evaluated.

    Where `is_deck_input`, the deck of a row is one of the inputs as soon as rows come from more than one: there the same point
    has other responses. `keeps_missing` says that a missing value of a variable is left to the training.
    """

    design: Design
    inputs: Sequence[str]
    responses: Sequence[str]
    is_deck_input: bool = False
    keeps_missing: bool = False
    failed: list[dict[str, Any]] = field(default_factory=list)
    rejected: list[dict[str, Any]] = field(default_factory=list)
    open: list[dict[str, Any]] = field(default_factory=list)
    _sample: Sample | None = None
    _columns: dict[str, list[Column | Texts]] = field(default_factory=dict)
    _decks: list[str] = field(default_factory=list)

    @property
    def categories(self) -> Collection[str]:
        """The inputs that the design declares to be categories."""
        return {each.name for each in self.design.space.categoricals}

    @property
    def rows(self) -> int:
        """How many good rows there are."""
        return len(self._decks)

    def plan(self, sample: Sample) -> None:
        """Take note of the points to evaluate, to tell how they were chosen."""
        self._sample = sample

    def add_measured(self, deck: str, columns: Mapping[str, Column | Texts]) -> None:
        """Take the rows of a table that lie in the design space and have all responses.

        A missing input stays missing where no variable of the design restricts it, or with `keeps_missing`.
        """
        objections = self.design.space.objections(columns, allows_missing=self.keeps_missing)
        is_good = np.asarray([objection is None for objection in objections])
        for index in np.flatnonzero(~is_good).tolist():
            self.rejected.append(self._row(deck, columns, index) | {"reason": objections[index]})
        for name in (*self.inputs, *self.responses):
            unusable = _is_unusable(columns[name], is_required=name in self.responses)
            for index in np.flatnonzero(is_good & unusable).tolist():
                self.failed.append(self._row(deck, columns, index) | {"message": f"{name} is missing or infinite"})
            is_good &= ~unusable
        self._add(deck, {name: values[is_good] for name, values in columns.items()})

    def add_results(self, points: Sequence[Point], results: Sequence[Result]) -> None:
        """Take the results, in the order of their points, whatever order they came in; points without one stay open."""
        by_index = {result.point.index: result for result in results}
        for point in points:
            result = by_index.get(point.index)
            described = {"index": point.index, "deck": point.deck, "inputs": dict(point.inputs)}
            if result is None:
                self.open.append(described)
            elif result.error is not None:
                self.failed.append(described | {"responses": dict(result.responses), "message": result.error})
            else:
                row = {**point.inputs, **result.responses}
                self._add(point.deck or "", {name: np.asarray([value]) for name, value in row.items()})

    def info(self) -> dict[str, Any]:
        """What `Job.dataInfo` shows: method, seed, number of rows, columns with role and range, how many points are missing."""
        roles = dict.fromkeys(self.inputs, "INPUT") | dict.fromkeys(self.responses, "RESPONSE")
        values = {name: self._joined(name) for name in roles}
        if self._has_deck_column:
            roles[self._deck_column] = "INPUT" if self.is_deck_input else "DECK"
            values[self._deck_column] = np.asarray(self._decks, dtype=np.object_)
        most = SHOWN_CATEGORIES // max(1, sum(map(is_categorical, values.values())))
        columns = [{"name": name, "role": role} | _extent(values[name], most) for name, role in roles.items()]
        return {
            "method": str(self.design.method),
            "seed": self.design.seed,
            "rows": self.rows,
            "columns": columns,
            "failedPoints": len(self.failed),
            "rejectedRows": len(self.rejected),
            "openPoints": len(self.open),
        } | self._sampling()

    def _sampling(self) -> dict[str, Any]:
        """Of a sampled design, how many points were spread over the whole space for it, and what became of their even spread."""
        if self._sample is None or self.design.method not in SAMPLED:
            return {}
        told: dict[str, Any] = {"candidates": self._sample.candidates, "leftOut": self._sample.left_out}
        if self._sample.left_out:
            told["note"] = "No Latin hypercube tried has just as many points that meet the constraints: one was cut down."
        return {"sampling": told}

    def write(self, folder: Path) -> list[tuple[str, str]]:
        """Write the files and return their names and media types; no data file without rows."""
        lists = {"failed": self.failed, "rejected": self.rejected, "open": self.open}
        (folder / FAILED_FILE).write_text(json.dumps(plain(lists), indent=1, ensure_ascii=False), "utf-8")
        written = [(FAILED_FILE, "application/json")]
        if self.rows:
            deck = self._deck_column if self.is_deck_input and self._has_deck_column else None
            roles = {"inputs": [*self.inputs, *([deck] if deck else [])], "responses": list(self.responses), "deckInput": deck}
            document = json.dumps(roles | {"dataInfo": self.info()})
            pq.write_table(self._table().replace_schema_metadata({METADATA_KEY: document}), folder / DATA_FILE)
            written.append((DATA_FILE, "application/vnd.apache.parquet"))
        return written

    def _table(self) -> pa.Table:
        columns = {name: _stored(self._joined(name)) for name in (*self.inputs, *self.responses)}
        if self._has_deck_column:
            columns[self._deck_column] = pa.array(self._decks).dictionary_encode()
        return pa.table(columns)

    @property
    def _has_deck_column(self) -> bool:
        return len(set(self._decks)) > 1

    @property
    def _deck_column(self) -> str:
        """A table may have a column of that name of its own."""
        name = DECK_COLUMN
        while name in self.inputs or name in self.responses:
            name = f"_{name}"
        return name

    def _joined(self, name: str) -> Column | Texts:
        return np.concatenate([np.empty(0), *self._columns.get(name, [])])

    def _add(self, deck: str, columns: Mapping[str, Column | Texts]) -> None:
        for name, values in columns.items():
            self._columns.setdefault(name, []).append(values)
        self._decks += [deck] * len(columns[self.responses[0]])

    def _row(self, deck: str, columns: Mapping[str, Column | Texts], index: int) -> dict[str, Any]:
        """A row that is left out; rows are counted from 1, as people do."""
        values = {name: columns[name].item(index) for name in (*self.inputs, *self.responses)}
        return {"deck": deck, "row": index + 1, "values": values}


def _is_unusable(values: Column | Texts, *, is_required: bool) -> NDArray[np.bool_]:
    if is_categorical(values):
        return np.zeros(len(values), dtype=np.bool_)
    return ~np.isfinite(values) if is_required else np.isinf(values)


def _extent(values: Column | Texts, most: int) -> dict[str, Any]:
    """What values a column has: its range, or its categories, of which the first `most` are shown."""
    if is_categorical(values):
        categories = categories_of(values)
        shown = [category[:SHOWN_LENGTH] for category in categories[:most]]
        left_out = len(categories) - len(shown)
        return {"categories": shown} | ({"categoriesLeftOut": left_out} if left_out else {})
    values = values[np.isfinite(values)]
    return {"low": float(values.min()), "high": float(values.max())} if len(values) else {"low": None, "high": None}


def _stored(values: Column | Texts) -> pa.Array:
    """The column as written: categories as a dictionary, which tells them from texts that say numbers."""
    if is_categorical(values):
        return pa.array(values, pa.string(), from_pandas=True).dictionary_encode()
    return pa.array(values, from_pandas=True)
