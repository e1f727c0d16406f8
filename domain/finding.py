"""What an analysis of a load test's run found: one fact each, with the figure that it rests on."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class FindingKind(StrEnum):
    """What a finding is about."""

    SATURATION = "SATURATION"
    NO_SATURATION = "NO_SATURATION"
    REGRESSION = "REGRESSION"
    IMPROVEMENT = "IMPROVEMENT"
    DRIFT = "DRIFT"
    ERROR_RATE = "ERROR_RATE"
    ERROR_BURST = "ERROR_BURST"
    RESOURCE_NEAREST_LIMIT = "RESOURCE_NEAREST_LIMIT"
    RESOURCE_LIMIT = "RESOURCE_LIMIT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One fact about a run, of one scenario or of all together (None), in the time from `start` to `end`.

    `figure` names what `value` is, in `unit` (empty for shares from 0 to 1). `baseline` is what it is held against, in the same
    unit, where it is held against anything; `low` and `high` are then the interval of the difference, else of the value, where
    there is one. `confidence`, 0 to 1, is how sure it is that chance alone does not make the finding. `is_problem` tells what
    lowers the score. `number` counts from 1 within the analysis.
    """

    kind: FindingKind
    figure: str
    value: float
    unit: str
    confidence: float
    sentence: str
    is_problem: bool
    scenario: str | None = None
    baseline: float | None = None
    low: float | None = None
    high: float | None = None
    start: datetime | None = None
    end: datetime | None = None
    number: int = 0


def shown(value: float, unit: str) -> str:
    """A figure for people, to three digits at least; shares as percent."""
    if not unit:
        return f"{100.0 * value:.3g} %"
    return f"{value:,.{digits_of(value)}f} {unit}"


def digits_of(value: float) -> int:
    """How many digits after the point show three in all, or more where the number is great."""
    return max(0, 3 - len(str(int(abs(value)))))
