"""When errors gather: found when they do, however many there are otherwise, and not found when they do not."""

import numpy as np
import pytest

from domain.error_burst import ErrorBurst, error_bursts
from domain.long_run import Values
from tests.endurance import SHARE, Tell
from tests.synthetic_runs import at_most, lasting_noise

REQUESTS = 500


def errors(
    chance: np.random.Generator, windows: int, rate: float, scatter: float = 0.0, burst: slice = slice(0), times: float = 1.0
) -> tuple[Values, Values]:
    """Failed and all requests; the rate scatters by `scatter` (of its logarithm), half of which lasts to the next window."""
    rates = rate * np.exp(lasting_noise(chance, windows, scatter, 0.5))
    rates[burst] *= times
    requests = chance.poisson(REQUESTS, windows)
    return chance.binomial(requests, np.minimum(rates, 1.0)).astype(float), requests.astype(float)


def bursts(failed: Values, requests: Values) -> list[ErrorBurst]:
    return list(error_bursts(failed, requests))


def test_bursts_are_found_where_they_are_one_after_another() -> None:
    failed, requests = errors(np.random.default_rng(1), 100, 0.005)
    failed[20:23] = 60
    failed[70] = 90
    found = bursts(failed, requests)
    assert sorted((each.first, each.last) for each in found) == [(20, 22), (70, 70)]
    single = next(each for each in found if each.first == 70)
    assert (single.failed, single.requests) == (90, requests[70]) and single.p_value < 1e-6
    assert 0.003 < single.elsewhere < 0.01 and single.odds > 20
    assert bursts(failed, requests) == found and failed[70] == 90, "chance is the same each time, and nothing given is changed"


def test_one_window_in_an_otherwise_clean_run() -> None:
    requests = np.full(12, 100.0)
    failed = np.zeros(12)
    assert bursts(failed, requests) == []
    failed[5] = 100
    (found,) = bursts(failed, requests)
    assert (found.first, found.last, found.elsewhere, found.odds) == (5, 5, 0.0, np.inf)
    failed[5] = 4
    assert bursts(failed, requests) == [], "so few are nothing to speak of"


def test_errors_throughout_are_no_burst_and_windows_without_requests_no_fault() -> None:
    requests = np.full(60, 100.0)
    assert bursts(requests.copy(), requests) == [] == bursts(requests / 2, requests)
    requests[10:20] = 0.0
    assert bursts(requests / 2, requests) == [] == bursts(np.zeros(0), np.zeros(0)) == bursts(np.zeros(9), np.zeros(9))


def false_alarms(trials: int, windows: int, rate: float, scatter: float) -> float:
    chance = np.random.default_rng(13)
    return sum(bool(bursts(*errors(chance, windows, rate, scatter))) for _ in range(trials)) / trials


def detection(trials: int, windows: int, rate: float, scatter: float) -> float:
    """How often three windows with eight times the errors are found."""
    chance = np.random.default_rng(14)
    hits = 0
    for _ in range(trials):
        at = int(chance.integers(0, windows - 3))
        found = bursts(*errors(chance, windows, rate, scatter, slice(at, at + 3), 8.0))
        hits += any(each.first < at + 3 and each.last >= at for each in found)
    return hits / trials


@pytest.mark.parametrize(("rate", "scatter", "allowed"), [(0.01, 0.0, 0.01), (0.1, 0.0, 0.01), (0.1, 0.3, 0.1)])
def test_few_alarms_without_bursts(rate: float, scatter: float, allowed: float) -> None:
    alarms = false_alarms(100, 60, rate, scatter)
    assert at_most(round(alarms * 100), 100, allowed), alarms


@pytest.mark.parametrize("scatter", [0.0, 0.3])
def test_few_misses(scatter: float) -> None:
    assert detection(40, 60, 0.01, scatter) >= 0.95


@pytest.mark.endurance
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("scatter", [0.0, 0.3])
@pytest.mark.parametrize("rate", [0.0005, 0.01, 0.1])
@pytest.mark.parametrize("windows", [12, 60, 720])
def test_rates_in_full(windows: int, rate: float, scatter: float, tell: Tell) -> None:
    trials = max(10, round((1000 if windows < 720 else 60) * SHARE))
    alarms, hits = false_alarms(trials, windows, rate, scatter), detection(trials, windows, rate, scatter)
    tell(f"alarms {alarms}, found {hits}")
    assert at_most(round(alarms * trials), trials, 0.03 if not scatter else 0.1 if windows < 720 else 0.2), alarms
    assert hits >= (0.95 if rate > 0.001 else 0.1), hits
