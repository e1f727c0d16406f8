"""The data set that DOE makes: the good rows as columns, and an account of every row or point that is not among them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from domain.design import Design
from domain.interval import Column
from steps.evaluation import Point, Result
from steps.reports import plain

DATA_FILE = "data.parquet"
FAILED_FILE = "failed_points.json"
METADATA_KEY = "plog"
DECK_COLUMN = "deck"


@dataclass(slots=True)
class DataSet:
    """Collects rows. `failed` have no complete result, `rejected` lie outside the design space, `open` were not evaluated."""

    design: Design
    inputs: Sequence[str]
    responses: Sequence[str]
    failed: list[dict[str, Any]] = field(default_factory=list)
    rejected: list[dict[str, Any]] = field(default_factory=list)
    open: list[dict[str, Any]] = field(default_factory=list)
    _columns: dict[str, list[Column]] = field(default_factory=dict)
    _decks: list[str] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """How many good rows there are."""
        return len(self._decks)

    def add_measured(self, deck: str, columns: Mapping[str, Column]) -> None:
        """Take the rows of a table that lie in the design space and have all responses.

        A missing input stays missing where no variable of the design restricts it: what to do with it is up to the training.
        """
        objections = self.design.space.objections(columns)
        is_good = np.asarray([objection is None for objection in objections])
        for index in np.flatnonzero(~is_good).tolist():
            self.rejected.append(self._row(deck, columns, index) | {"reason": objections[index]})
        for name in (*self.inputs, *self.responses):
            unusable = ~np.isfinite(columns[name]) if name in self.responses else np.isinf(columns[name])
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
        columns = []
        for role, names in (("INPUT", self.inputs), ("RESPONSE", self.responses)):
            for name in names:
                values = self._joined(name)
                values = values[np.isfinite(values)]
                low, high = (float(values.min()), float(values.max())) if len(values) else (None, None)
                columns.append({"name": name, "role": role, "low": low, "high": high})
        if self._has_deck_column:
            columns.append({"name": self._deck_column, "role": "DECK", "low": None, "high": None})
        return {
            "method": str(self.design.method),
            "seed": self.design.seed,
            "rows": self.rows,
            "columns": columns,
            "failedPoints": len(self.failed),
            "rejectedRows": len(self.rejected),
            "openPoints": len(self.open),
        }

    def write(self, folder: Path) -> list[tuple[str, str]]:
        """Write the files and return their names and media types; no data file without rows."""
        document = {"failed": self.failed, "rejected": self.rejected, "open": self.open}
        (folder / FAILED_FILE).write_text(json.dumps(plain(document), indent=1, ensure_ascii=False), "utf-8")
        written = [(FAILED_FILE, "application/json")]
        if self.rows:
            roles = {"inputs": list(self.inputs), "responses": list(self.responses), "dataInfo": self.info()}
            pq.write_table(self._table().replace_schema_metadata({METADATA_KEY: json.dumps(roles)}), folder / DATA_FILE)
            written.append((DATA_FILE, "application/vnd.apache.parquet"))
        return written

    def _table(self) -> pa.Table:
        columns = {name: pa.array(self._joined(name), from_pandas=True) for name in (*self.inputs, *self.responses)}
        if self._has_deck_column:
            columns[self._deck_column] = pa.array(self._decks)
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

    def _joined(self, name: str) -> Column:
        return np.concatenate([np.empty(0), *self._columns.get(name, [])])

    def _add(self, deck: str, columns: Mapping[str, Column]) -> None:
        for name, values in columns.items():
            self._columns.setdefault(name, []).append(values)
        self._decks += [deck] * len(columns[self.responses[0]])

    def _row(self, deck: str, columns: Mapping[str, Column], index: int) -> dict[str, Any]:
        """A row that is left out; rows are counted from 1, as people do."""
        values = {name: float(columns[name][index]) for name in (*self.inputs, *self.responses)}
        return {"deck": deck, "row": index + 1, "values": values}
