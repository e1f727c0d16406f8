"""What a load generator says at the end of a run: how k6 ended, and what k6 itself measured (its `--summary-export`)."""

import math
from collections.abc import Mapping
from typing import Any

NUMBERS = ("exitCode", "unread", "cpuSeconds", "cpuBusiest", "interrupted", "clockBack", "clockForward")
COUNTED = ("count", "rate", "passes", "fails")  # of counters, rates and checks


def checked_summary(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The summary as it is; `ValueError` says what of it can't be what k6 and its generator say."""
    for name in NUMBERS:
        if not _is_number_or_none(document.get(name)):
            raise ValueError(f"{name} must be a number")
    if not isinstance(document.get("k6"), str | None) or not isinstance(document.get("stopped"), bool | None):
        raise ValueError("k6 must be a text, and stopped true or false")
    metrics = document.get("metrics", {})
    if not isinstance(metrics, Mapping):
        raise ValueError("metrics must be an object")
    for name, metric in metrics.items():
        if not isinstance(metric, Mapping):
            raise ValueError(f"metrics.{name} must be an object")
        for figure, value in metric.items():
            if figure != "thresholds" and not _is_number_or_none(value):
                raise ValueError(f"metrics.{name}.{figure} must be a number")
            if figure in COUNTED and (value or 0) < 0:
                raise ValueError(f"metrics.{name}.{figure} must not be negative")
    return document


def _is_number_or_none(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value))
