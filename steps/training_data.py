"""The rows that models learn from and are judged on: reading `data.parquet`, and the split that ML and OPTIMIZE share."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from sklearn.model_selection import train_test_split

from domain.errors import ValidationFailed
from domain.training import Missing, MlOptions, Outliers, parse_ml
from domain.validation import Problems
from steps.reports import StepFailed, StepInput

DATA_FILE = "data.parquet"
SPLIT_FILE = "split.json"
ROLES_KEY = b"plog"
MIN_TRAINING_ROWS = 5
MIN_HOLD_OUT_ROWS = 2
RELATIVE_NOISE = 1e-12

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Dataset:
    """The data set as numbers: one row per point, one column per input and response; a missing value is NaN."""

    inputs: tuple[str, ...]
    responses: tuple[str, ...]
    rows: pd.DataFrame
    sha256: str

    def features(self, indices: Sequence[int]) -> pd.DataFrame:
        """The inputs of the rows named, with their column names, which models keep and check."""
        return self.rows.loc[list(indices), list(self.inputs)]

    def measured(self, indices: Sequence[int]) -> Matrix:
        """The responses of the rows named, shape (rows, responses)."""
        return self.rows.loc[list(indices), list(self.responses)].to_numpy(np.float64)

    def ranges(self, indices: Sequence[int]) -> dict[str, dict[str, float]]:
        """The least and the greatest value of each input over the rows named."""
        features = self.features(indices)
        return {name: {"low": float(features[name].min()), "high": float(features[name].max())} for name in self.inputs}


@dataclass(frozen=True, slots=True)
class Split:
    """What became of each row of the data set, as row numbers from 0; every row is in exactly one of the lists."""

    data_sha256: str
    training: tuple[int, ...]
    hold_out: tuple[int, ...]
    outliers: tuple[int, ...]
    incomplete: tuple[int, ...]

    def write(self, folder: Path) -> None:
        """Leave the split as `split.json`."""
        (folder / SPLIT_FILE).write_text(json.dumps(asdict(self)), "utf-8")

    @classmethod
    def read(cls, folder: Path, data: Dataset) -> Self:
        """The split that ML left for this data set; StepFailed where there is none or it is for another one."""
        try:
            raw = json.loads((folder / SPLIT_FILE).read_text("utf-8"))
        except FileNotFoundError as error:
            raise StepFailed(f"{SPLIT_FILE} is missing: the ML job leaves it, saying which rows are held out.") from error
        split = cls(raw.pop("data_sha256"), **{name: tuple(indices) for name, indices in raw.items()})
        if split.data_sha256 != data.sha256:
            raise StepFailed(f"{SPLIT_FILE} was made from another {DATA_FILE} than the one at hand.")
        return split


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

    StepFailed where the file, a role, a column or a number is missing.
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
    columns = {name: _numbers(table, name) for name in (*inputs, *responses)}
    if len(columns) != len(inputs) + len(responses):
        raise StepFailed("A column of the data set is named twice among its inputs and responses.")
    return Dataset(inputs, responses, pd.DataFrame(columns), hashlib.sha256(content).hexdigest())


def split_rows(data: Dataset, options: MlOptions) -> Split:
    """Leave out incomplete rows, hold out a share of the rest by seed, and take outliers from the training part only.

    StepFailed where too few rows remain, an input has no value at all, or a response is constant in either part.
    """
    required = [*data.responses, *(data.inputs if options.missing is Missing.DROP else ())]
    is_complete = data.rows[required].notna().all(axis=1).to_numpy()
    usable = np.flatnonzero(is_complete)
    if len(usable) < MIN_TRAINING_ROWS + MIN_HOLD_OUT_ROWS:
        raise StepFailed(
            f"{len(usable)} of {len(data.rows)} rows are complete; at least {MIN_TRAINING_ROWS + MIN_HOLD_OUT_ROWS} are needed."
        )
    held = max(MIN_HOLD_OUT_ROWS, round(options.test_share * len(usable)))
    training, hold_out = train_test_split(usable, test_size=held, random_state=options.seed)
    training.sort()
    hold_out.sort()
    is_outlier = _find_outliers(data.measured(training), options.outliers)
    split = Split(
        data_sha256=data.sha256,
        training=tuple(training[~is_outlier].tolist()),
        hold_out=tuple(hold_out.tolist()),
        outliers=tuple(training[is_outlier].tolist()),
        incomplete=tuple(np.flatnonzero(~is_complete).tolist()),
    )
    _check(data, split)
    return split


def _numbers(table: pa.Table, name: str) -> Matrix:
    """A column as floats: booleans as 0 and 1, text by what it says; nulls, blanks and infinities as NaN."""
    if table.column_names.count(name) != 1:
        raise StepFailed(
            f"{DATA_FILE} has no column {name!r}." if name not in table.column_names else f"Two columns are {name!r}."
        )
    column = table.column(name).combine_chunks()
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    try:
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            trimmed = pc.utf8_trim_whitespace(column)
            column = pc.if_else(pc.equal(trimmed, ""), None, trimmed)
        elif pa.types.is_temporal(column.type):
            raise StepFailed(f"Column {name!r} holds {column.type}, not numbers.")
        numbers = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False).astype(np.float64)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise StepFailed(f"Column {name!r} is not numeric: {error}") from error
    return np.where(np.isfinite(numbers), numbers, np.nan)


def _find_outliers(measured: Matrix, rule: Outliers) -> npt.NDArray[np.bool_]:
    """Which rows have some response outside the fences; a response without spread has none.

    IQR: Tukey's fences, 1.5 interquartile ranges beyond the quartiles (Exploratory Data Analysis, 1977).
    """
    if rule is Outliers.KEEP:
        return np.zeros(len(measured), dtype=np.bool_)
    if rule is Outliers.IQR:
        low, high = np.quantile(measured, (0.25, 0.75), axis=0)
        reach = 1.5 * (high - low)
    else:
        low = high = measured.mean(axis=0)
        reach = 3.0 * measured.std(axis=0)
    is_outside = (measured < low - reach) | (measured > high + reach)
    return np.asarray((is_outside & (reach > 0)).any(axis=1), dtype=np.bool_)


def _check(data: Dataset, split: Split) -> None:
    if len(split.training) < MIN_TRAINING_ROWS:
        raise StepFailed(f"{len(split.training)} rows are left to train on; at least {MIN_TRAINING_ROWS} are needed.")
    for part, indices in (("training part", split.training), ("hold-out", split.hold_out)):
        measured = data.measured(indices)
        spread, size = np.ptp(measured, axis=0), np.abs(measured).max(axis=0)
        for position in np.flatnonzero(spread <= RELATIVE_NOISE * size):
            name, value = data.responses[position], measured[0, position]
            raise StepFailed(f"Response {name!r} is constant ({value:g}) in the {part} of {len(indices)} rows: nothing to learn.")
    is_empty = data.features(split.training).isna().all(axis=0)
    for name in is_empty.index[is_empty]:
        raise StepFailed(f"Input {name!r} has no value in any training row.")
