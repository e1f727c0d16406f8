"""Building, fitting and judging the regressions: one way to do it, so that ML and OPTIMIZE compare like with like."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import GradientBoostingRegressor, RandomForestRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Kernel, Matern, WhiteKernel
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error
from sklearn.model_selection import cross_val_predict
from sklearn.multioutput import MultiOutputRegressor
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, PolynomialFeatures, RobustScaler, StandardScaler
from sklearn.svm import SVR
from threadpoolctl import threadpool_limits

from domain.training import Algorithm, Missing, MlOptions, Scaler, Value
from steps.reports import StepFailed
from steps.training_data import Inputs, Integers, Matrix

CRITERION = "mean R² over the responses"
SHOWN_RESPONSES = 50
TREES = frozenset({Algorithm.RANDOM_FOREST, Algorithm.GRADIENT_BOOSTING})
TREE_RESOLUTION = 1e-7
SINGLE_OUTPUT = frozenset({Algorithm.GRADIENT_BOOSTING, Algorithm.GAUSSIAN_PROCESS, Algorithm.SVR})
SCALERS = {Scaler.STANDARD: StandardScaler, Scaler.MIN_MAX: MinMaxScaler, Scaler.ROBUST: RobustScaler}

Scores = dict[str, dict[str, float]]


def one_core() -> AbstractContextManager[Any]:
    """Within it, numerical libraries use one core: attempts share a machine, and sums come out in the same order every time."""
    limits: AbstractContextManager[Any] = threadpool_limits(1)
    return limits


def build_model(
    options: MlOptions, algorithm: Algorithm, parameters: Mapping[str, Value], inputs: Inputs, responses: int
) -> Pipeline:
    """An unfitted pipeline from inputs as measured, by name in a data frame, to `responses` responses as measured.

    Responses are standardised for the fit, because in SI units they may be tiny: trees stop splitting at an impurity of 2e-16,
    a support vector machine's epsilon is absolute, and a forest weighs several responses by their variance.
    """
    parameters = dict(parameters)
    stages: list[tuple[str, Any]] = [("prepare", _preparation(options, inputs))]
    degree = int(parameters.pop("degree", 1))
    if degree > 1:
        stages.append(("expand", PolynomialFeatures(degree, include_bias=False)))
    regressor = _regressor(algorithm, parameters, options.seed, inputs.width)
    if responses > 1 and algorithm in SINGLE_OUTPUT:
        regressor = MultiOutputRegressor(regressor)
    return Pipeline([*stages, ("model", TransformedTargetRegressor(regressor, transformer=StandardScaler()))])


def fit(model: Pipeline, features: pd.DataFrame, measured: Matrix) -> Pipeline:
    """Fit `model` in place to responses of shape (rows, responses)."""
    with _bounds_accepted():
        model.fit(features, measured[:, 0] if measured.shape[1] == 1 else measured)
    return model


def predict(model: Pipeline, features: pd.DataFrame) -> Matrix:
    """Predicted responses, shape (rows, responses)."""
    return np.asarray(model.predict(features), dtype=np.float64).reshape(len(features), -1)


def _preparation(options: MlOptions, inputs: Inputs) -> ColumnTransformer:
    """Numbers filled in and scaled, and a 0 or 1 for each category; one that is not among them is a 0 for each."""
    numbers: list[tuple[str, Any]] = []
    categories: list[tuple[str, Any]] = []
    if options.missing is not Missing.DROP:
        numbers.append(("impute", SimpleImputer(strategy=options.missing.value.lower(), keep_empty_features=True)))
        categories.append(("impute", SimpleImputer(strategy="most_frequent", keep_empty_features=True)))
    if options.scaler is not Scaler.NONE:
        numbers.append(("scale", SCALERS[options.scaler]()))
    known = [np.asarray(texts, dtype=np.object_) for texts in inputs.categories.values()]
    categories.append(("encode", OneHotEncoder(categories=known, handle_unknown="ignore", sparse_output=False)))
    return ColumnTransformer(
        [
            ("numbers", Pipeline(numbers) if numbers else "passthrough", inputs.numbers),
            ("categories", Pipeline(categories) if known else "drop", list(inputs.categories)),
        ]
    )


def check_resolution(options: MlOptions, algorithm: Algorithm, numbers: pd.DataFrame) -> None:
    """StepFailed where trees would take an unscaled input for constant: they split no values closer than 1e-7."""
    if options.scaler is not Scaler.NONE or algorithm not in TREES:
        return
    for name in numbers.columns:
        spread = float(numbers[name].max() - numbers[name].min())
        if 0 < spread < 1000 * TREE_RESOLUTION:
            raise StepFailed(f"Input {name!r} spans only {spread:g}, too little for {algorithm} unscaled: choose a scaler.")


def judge(responses: tuple[str, ...], measured: Matrix, predicted: Matrix) -> Scores:
    """R², RMSE and MAE (the latter in the response's unit) of each response; arrays of shape (rows, responses)."""
    r2 = r2_score(measured, predicted, multioutput="raw_values")
    rmse = root_mean_squared_error(measured, predicted, multioutput="raw_values")
    mae = mean_absolute_error(measured, predicted, multioutput="raw_values")
    return {
        name: {"r2": float(r2[place]), "rmse": float(rmse[place]), "mae": float(mae[place])}
        for place, name in enumerate(responses)
    }


def mean_r2(scores: Scores) -> float:
    """The criterion by which models are compared: R² averaged over the responses, each weighing the same."""
    return float(np.mean([each["r2"] for each in scores.values()]))


def cross_validated_r2(
    model: Pipeline, features: pd.DataFrame, measured: Matrix, folds: list[tuple[Integers, Integers]]
) -> float:
    """Mean R² over the responses of predictions made for each row by a model that has not seen its fold.

    All folds are pooled before R² is taken, because R² within a fold of few rows is mostly noise.
    """
    target = measured[:, 0] if measured.shape[1] == 1 else measured
    with _bounds_accepted():
        predicted = cross_val_predict(model, features, target, cv=folds)
    return float(r2_score(measured, np.asarray(predicted).reshape(measured.shape)))


def shown_responses(figures: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Figures of responses, cut to what a report can hold; how many are left out is said."""
    shown = dict(list(figures.items())[:SHOWN_RESPONSES])
    left_out = len(figures) - len(shown)
    return {"responses": shown, **({"responsesLeftOut": left_out} if left_out else {})}


@contextmanager
def _bounds_accepted() -> Iterator[None]:
    """Without the warnings that a kernel's parameter lies on its bound: natural for data without noise or with idle inputs."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The optimal value found for dimension", ConvergenceWarning)
        yield


def _regressor(algorithm: Algorithm, parameters: Mapping[str, Any], seed: int, inputs: int) -> Any:
    match algorithm:
        case Algorithm.RIDGE:
            return Ridge(**parameters)
        case Algorithm.RANDOM_FOREST:
            return RandomForestRegressor(**parameters, random_state=seed, n_jobs=1)
        case Algorithm.GRADIENT_BOOSTING:
            return GradientBoostingRegressor(**parameters, random_state=seed)
        case Algorithm.GAUSSIAN_PROCESS:
            return GaussianProcessRegressor(_kernel(inputs, parameters["nu"]), alpha=parameters["alpha"], random_state=seed)
        case Algorithm.SVR:
            return SVR(**parameters)
        case Algorithm.KNN:
            return KNeighborsRegressor(**parameters, n_jobs=1)


def _kernel(inputs: int, nu: float) -> Kernel:
    """Matérn covariance with a length scale for each input, and noise that the fit learns.

    Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), chapters 4 and 5. The bounds suit scaled inputs.
    """
    covariance = Matern(np.ones(inputs), (1e-2, 1e3), nu=nu)
    return ConstantKernel(1.0, (1e-3, 1e3)) * covariance + WhiteKernel(1e-4, (1e-10, 1e1))
