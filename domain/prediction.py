"""What set-up models predict: values for each row, or why there are none."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a model predicts for one row: `outputs` in the order of its targets, each finite.

    They are empty where there is a `problem`: why the model predicts nothing for that row, in words for people. `is_unanswered`:
    the model did not say so itself; it took too long, or broke.
    """

    outputs: tuple[float, ...] = ()
    problem: str | None = None
    is_unanswered: bool = False


class ModelUnusable(Exception):
    """Nothing can be predicted by this model; the message says why, for people.

    Its file is not the one with that checksum, can't be read, or holds types that are not allowed; it takes other inputs than its
    version says, took more time or memory to be loaded than a model may, or gives no answer for one row after the other; or no
    process can ever be started for it.
    """
