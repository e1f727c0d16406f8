"""The rows that models learn from and are judged on: reading `data.parquet` as numbers and categories."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from domain.design_space import Texts
from domain.errors import ValidationFailed
from domain.interval import Column
from domain.training import MlOptions, parse_ml
from domain.validation import Problems
from steps.columns import ColumnRefused, categories_of, is_categorical, read_input, read_numbers
from steps.reports import StepFailed, StepInput

DATA_FILE = "data.parquet"
ROLES_KEY = b"plog"

Matrix = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Inputs:
    """The inputs of a model in their order; those in `categories` are texts, with every one that the data set holds."""

    names: tuple[str, ...]
    categories: Mapping[str, tuple[str, ...]]

    @property
    def numbers(self) -> list[str]:
        """The inputs that are numbers."""
        return [name for name in self.names if name not in self.categories]

    @property
    def width(self) -> int:
        """How many numbers the inputs become: one for each number, and one for each category (one-hot)."""
        return len(self.numbers) + sum(map(len, self.categories.values()))


@dataclass(frozen=True, slots=True)
class Dataset:
    """The data set: one row per point, one column per input and response; a missing value is NaN.

    `deck` is the input that names the simulated deck, where there were several.
    """

    inputs: Inputs
    responses: tuple[str, ...]
    rows: pd.DataFrame
    sha256: str
    deck: str | None = None

    def features(self, indices: Sequence[int]) -> pd.DataFrame:
        """The inputs of the rows named, with their column names, which models keep and check."""
        return self.rows.loc[list(indices), list(self.inputs.names)]

    def measured(self, indices: Sequence[int]) -> Matrix:
        """The responses of the rows named, shape (rows, responses)."""
        return self.rows.loc[list(indices), list(self.responses)].to_numpy(np.float64)

    def groups(self, indices: Sequence[int]) -> Integers:
        """A number for each row named, the same for rows of one point, whose inputs are the same in whatever deck.

        A model that has seen one row of a point has been told the answer for the others, or most of it.
        """
        point = [name for name in self.inputs.names if name != self.deck]
        groups: Integers = self.features(indices).groupby(point, dropna=False, sort=False).ngroup().to_numpy().astype(np.int64)
        return groups

    def duplicated(self, indices: Sequence[int]) -> int:
        """How many of the rows named repeat all inputs of one before."""
        return int(self.features(indices).duplicated().sum())

    def extents(self, indices: Sequence[int]) -> dict[str, dict[str, Any]]:
        """Of each input over the rows named, the least and the greatest value, or the categories."""
        features = self.features(indices)
        return {
            name: {"categories": sorted(features[name].dropna().unique())}
            if name in self.inputs.categories
            else {"low": float(features[name].min()), "high": float(features[name].max())}
            for name in self.inputs.names
        }


def read_options(step: StepInput) -> MlOptions:
    """The kit's `ml` section; StepFailed where it is not valid."""
    problems = Problems("ml.")
    options = parse_ml(step.definition.get("ml") or {}, problems)
    try:
        problems.check()
    except ValidationFailed as error:
        raise StepFailed(str(error)) from error
    return options


def load_dataset(folder: Path, deck: Mapping[str, Any]) -> Dataset:
    """Read `data.parquet`; which columns are inputs and responses is written in it, else in the kit's `deck` section.

    StepFailed where the file, a role or a column is missing, or holds something else than numbers or categories.
    """
    path = folder / DATA_FILE
    try:
        table = pq.read_table(path)
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise StepFailed(f"{DATA_FILE} is missing: the DOE job leaves it.") from error
    except pa.ArrowInvalid as error:
        raise StepFailed(f"{DATA_FILE} can't be read as Parquet: {error}") from error
    roles = json.loads((table.schema.metadata or {}).get(ROLES_KEY, b"null")) or deck
    inputs, responses = tuple(roles.get("inputs") or ()), tuple(roles.get("responses") or ())
    if not inputs or not responses:
        raise StepFailed("The data set names no inputs or no responses; a model needs at least one of each.")
    columns = {name: _column(table, name, is_response=name in responses) for name in (*inputs, *responses)}
    if len(columns) != len(inputs) + len(responses):
        raise StepFailed("A column of the data set is named twice among its inputs and responses.")
    categories = {name: categories_of(values) for name, values in columns.items() if is_categorical(values)}
    return Dataset(
        Inputs(inputs, categories), responses, pd.DataFrame(columns), hashlib.sha256(content).hexdigest(), roles.get("deckInput")
    )


def _column(table: pa.Table, name: str, *, is_response: bool) -> Column | Texts:
    """A column as numbers, infinities being NaN, or where it is an input as texts."""
    if table.column_names.count(name) != 1:
        raise StepFailed(
            f"{DATA_FILE} has no column {name!r}." if name not in table.column_names else f"Two columns are {name!r}."
        )
    try:
        values = read_numbers(table.column(name)) if is_response else read_input(table.column(name))
    except ColumnRefused as error:
        raise StepFailed(f"Column {name!r} {error}.") from error
    return values if is_categorical(values) else np.where(np.isfinite(values), values, np.nan)
