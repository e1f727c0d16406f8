"""Which rows a model learns from and which judge it: the split that ML makes and OPTIMIZE shares."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import GroupKFold, GroupShuffleSplit

from domain.training import Missing, MlOptions, Outliers
from steps.reports import StepFailed
from steps.training_data import DATA_FILE, Dataset, Integers, Matrix

SPLIT_FILE = "split.json"
MIN_TRAINING_ROWS = 5
MIN_HOLD_OUT_ROWS = 2
MIN_POINTS = 4
RELATIVE_NOISE = 1e-12


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


def split_rows(data: Dataset, options: MlOptions) -> Split:
    """Leave out incomplete rows, hold out a share of the rest by seed, and take outliers from the training part only.

    All rows of a point (`Dataset.groups`) go to the same side, so that no model is judged on what it was told; the share is one
    of points. StepFailed where too few rows remain, an input has no value at all, or a response is constant in either part.
    """
    required = [*data.responses, *(data.inputs.names if options.missing is Missing.DROP else ())]
    is_complete = data.rows[required].notna().all(axis=1).to_numpy()
    usable = np.flatnonzero(is_complete)
    if len(usable) < MIN_TRAINING_ROWS + MIN_HOLD_OUT_ROWS:
        raise StepFailed(
            f"{len(usable)} of {len(data.rows)} rows are complete; at least {MIN_TRAINING_ROWS + MIN_HOLD_OUT_ROWS} are needed."
        )
    groups = data.groups(usable.tolist())
    points = int(groups.max()) + 1
    if points < MIN_POINTS:
        raise StepFailed(f"{len(usable)} complete rows hold {points} different points; at least {MIN_POINTS} are needed.")
    held = max(MIN_HOLD_OUT_ROWS, round(options.test_share * points))
    splitter = GroupShuffleSplit(n_splits=1, test_size=held, random_state=options.seed)
    training, hold_out = (usable[np.sort(side)] for side in next(splitter.split(usable, groups=groups)))
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


def folds_of(data: Dataset, rows: Sequence[int], folds: int, seed: int) -> list[tuple[Integers, Integers]]:
    """The folds of a cross-validation over `rows`: positions within them to train on and to predict.

    All rows of a point are in the same fold. StepFailed where there are fewer points than folds.
    """
    groups = data.groups(rows)
    points = len(np.unique(groups))
    if points < folds:
        raise StepFailed(f"{len(rows)} training rows of {points} different points can't be divided into {folds} folds.")
    splitter = GroupKFold(folds, shuffle=True, random_state=seed)
    return list(splitter.split(np.empty(len(rows)), groups=groups))


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
