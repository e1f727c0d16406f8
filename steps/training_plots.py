"""The pictures that people judge a model by."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from steps.modelling import Scores
from steps.training_data import Matrix

COLUMNS = 3
PANEL_INCHES = 3.6
DOTS_PER_INCH = 110
MAX_TITLE = 40


def plot_predictions(path: Path, scores: Scores, measured: Matrix, predicted: Matrix) -> None:
    """Predicted against measured values of the hold-out, one panel per response, with the line of perfect prediction.

    Arrays have shape (rows, responses), responses in the order of `scores`.
    """
    columns = min(COLUMNS, len(scores))
    rows = -(-len(scores) // columns)
    figure = Figure(figsize=(PANEL_INCHES * columns, PANEL_INCHES * rows + 0.2), dpi=DOTS_PER_INCH, layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for place, (name, figures) in enumerate(scores.items()):
        _draw_panel(panels[place], f"{_short(name)}\nR² {figures['r2']:.4f}", measured[:, place], predicted[:, place])
    for panel in panels[len(scores) :]:
        panel.set_visible(False)
    figure.savefig(path, format="png")


def plot_history(path: Path, completed: Sequence[tuple[int, float]], untuned: float | None) -> None:
    """The criterion of each completed trial (number, value), the best so far, and that of the untuned parameters, if tried."""
    numbers, values = (np.array(column) for column in zip(*completed, strict=True))
    figure = Figure(figsize=(7.2, 4.0), dpi=DOTS_PER_INCH, layout="constrained")
    axes = figure.subplots()
    low, high = float(np.quantile(values, 0.1)), float(values.max())
    if untuned is not None:
        low = min(low, untuned)
        axes.axhline(untuned, color="grey", linewidth=1, linestyle="--", label="untuned parameters")
    margin = max(0.05 * (high - low), 1e-6)
    is_below = values < low - margin
    axes.plot(numbers[~is_below], values[~is_below], "o", markersize=4, alpha=0.6, label="trial")
    if is_below.any():
        edge = np.full(is_below.sum(), low - 0.8 * margin)
        axes.plot(numbers[is_below], edge, "v", markersize=5, alpha=0.6, label="trial below the range shown")
    axes.step(numbers, np.maximum.accumulate(values), where="post", label="best so far")
    axes.set_ylim(low - margin, high + margin)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("trial")
    axes.set_ylabel("cross-validated mean R²")
    axes.set_title("Search for hyperparameters")
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    figure.savefig(path, format="png")


def _draw_panel(axes: Axes, title: str, measured: Matrix, predicted: Matrix) -> None:
    low = float(min(measured.min(), predicted.min()))
    high = float(max(measured.max(), predicted.max()))
    margin = 0.04 * (high - low)
    ends = (low - margin, high + margin)
    axes.plot(ends, ends, color="grey", linewidth=1)
    axes.plot(measured, predicted, "o", markersize=3.5, alpha=0.6)
    axes.set(xlim=ends, ylim=ends, xlabel="measured", ylabel="predicted", aspect="equal")
    axes.set_title(title, fontsize=10, parse_math=False)
    axes.grid(alpha=0.3)


def _short(name: str) -> str:
    return name if len(name) <= MAX_TITLE else f"{name[: MAX_TITLE - 1]}…"
