"""Models on disk: written and read by skops, which runs nothing that a file says, unlike pickle."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from sklearn.pipeline import Pipeline
from skops.io import dump, get_untrusted_types, load

from steps.reports import StepFailed

MODEL_MEDIA_TYPE = "application/vnd.skops"

ALLOWED_TYPES = frozenset(
    {
        "numpy.dtype",
        "sklearn.gaussian_process.kernels.ConstantKernel",
        "sklearn.gaussian_process.kernels.Matern",
        "sklearn.gaussian_process.kernels.Product",
        "sklearn.gaussian_process.kernels.Sum",
        "sklearn.gaussian_process.kernels.WhiteKernel",
        "sklearn.metrics._dist_metrics.EuclideanDistance64",
        "sklearn.metrics._dist_metrics.ManhattanDistance64",
        "sklearn.neighbors._ball_tree.BallTree",
        "sklearn.neighbors._kd_tree.KDTree",
        "sklearn.tree._tree.Tree",
    }
)
"""What our pipelines hold beside the estimators and arrays that skops itself trusts: data without code of its own."""


class ForbiddenTypes(Exception):
    """The file holds `types` that are not allowed in a model; nothing of it was loaded."""

    def __init__(self, types: Iterable[str]) -> None:
        self.types = tuple(sorted(types))
        super().__init__(", ".join(self.types))


def read_allowed(path: Path) -> Any:
    """What the file holds, loaded only when all of its types are allowed: `ForbiddenTypes`, and what skops raises."""
    forbidden = set(get_untrusted_types(file=path)) - ALLOWED_TYPES
    if forbidden:
        raise ForbiddenTypes(forbidden)
    return load(path, trusted=sorted(ALLOWED_TYPES))


def save_model(model: Pipeline, path: Path) -> Pipeline:
    """Write a fitted model and give back what the file holds, so that what is judged is what is kept."""
    dump(model, path)
    return load_model(path)


def load_model(path: Path) -> Pipeline:
    """Read a model; StepFailed where the file is missing, broken, no pipeline, or holds a type that is not allowed."""
    try:
        model = read_allowed(path)
    except ForbiddenTypes as error:
        raise StepFailed(f"{path.name} holds types that are not allowed in a model: {error}.") from None
    except FileNotFoundError as error:
        raise StepFailed(f"{path.name} is missing.") from error
    except (BadZipFile, KeyError, ValueError, TypeError, AttributeError, ImportError) as error:
        raise StepFailed(f"{path.name} can't be read as a model: {error}") from error
    if not isinstance(model, Pipeline):
        raise StepFailed(f"{path.name} holds a {type(model).__name__}, not a pipeline.")
    return model
