"""Where more load stops bringing TPS: found where it is, and not found where it is not."""

from dataclasses import dataclass

import numpy as np
import pytest

from domain.long_run import Values
from domain.saturation import Saturation, can_tell, saturation
from tests.endurance import SHARE, Tell
from tests.synthetic_runs import at_most, lasting_noise

MOST = 200.0


def noisy(chance: np.random.Generator, truth: Values, memory: float = 0.5, noise: float = 0.05) -> Values:
    """What is measured, in windows of 5 s, of a rate that is this on average."""
    rates = truth * np.exp(lasting_noise(chance, truth.size, noise, memory))
    return np.asarray(chance.poisson(np.maximum(rates, 0.0) * 5) / 5)


@dataclass
class Rates:
    """The share of synthetic runs with a saturation point, how far off it was, how often its interval held the true one."""

    found: float
    off: float = 0.0
    held: float = 0.0


def rates(trials: int, windows: int, knee: float, memory: float) -> Rates:
    chance = np.random.default_rng(11)
    load = np.linspace(2.0, MOST, windows)
    found: list[Saturation] = []
    for _ in range(trials):
        if (one := saturation(load, noisy(chance, np.minimum(load, knee), memory))) is not None:
            found.append(one)
    if not found:
        return Rates(0.0)
    off = float(np.mean([abs(each.load - knee) for each in found]))
    return Rates(len(found) / trials, off, sum(each.low <= knee <= each.high for each in found) / len(found))


def test_a_knee_is_found_with_its_capacity() -> None:
    load = np.linspace(2.0, MOST, 60)
    found = saturation(load, noisy(np.random.default_rng(1), np.minimum(load, 120.0)))
    assert found is not None and not found.from_start and found.low < 120 < found.high and found.p_value < 0.001
    assert found.load == pytest.approx(120, abs=12) and found.tps == pytest.approx(120, rel=0.06)
    falling = saturation(load, np.where(load < 100, load, 150 - load / 2))
    assert falling is not None and falling.load == pytest.approx(100, abs=2), "more load may bring even less"


def test_load_in_steps_does_as_well_and_so_does_load_that_goes_down_again() -> None:
    chance = np.random.default_rng(2)
    for load in (np.repeat(np.linspace(20, MOST, 10), 6), np.concatenate([np.linspace(2, MOST, 30), np.linspace(MOST, 2, 30)])):
        found = saturation(load, noisy(chance, np.minimum(load, 120.0)))
        assert found is not None and found.load == pytest.approx(120, abs=15)


def test_load_that_was_too_much_from_the_start() -> None:
    load = np.linspace(50, MOST, 40)
    found = saturation(load, noisy(np.random.default_rng(3), np.full(40, 80.0)))
    assert found is not None and found.from_start and found.load == 50 and found.tps == pytest.approx(80, rel=0.05)


def test_what_can_not_be_told_is_not() -> None:
    assert not can_tell(np.linspace(100, 140, 60)) and not can_tell(np.linspace(1, 100, 11)) and can_tell(np.linspace(1, 100, 12))
    assert saturation(np.linspace(1, 100, 40), np.zeros(40)) is None, "nothing was served at all"


def check_false_alarms(trials: int, windows: int, memory: float) -> Rates:
    measured = rates(trials, windows, 10 * MOST, memory)
    assert at_most(round(measured.found * trials), trials, 0.02 if memory < 0.6 else 0.05), measured
    return measured


def check_detection(trials: int, windows: int, memory: float) -> Rates:
    measured = rates(trials, windows, 120.0, memory)
    assert measured.found > (0.9 if windows >= 60 else 0.6) and measured.off < 10 and measured.held > 0.65, measured
    return measured


@pytest.mark.parametrize("windows", [24, 60])
def test_few_alarms_without_a_knee_and_few_misses_with_one(windows: int) -> None:
    check_false_alarms(200, windows, 0.5)
    check_detection(100, windows, 0.5)


@pytest.mark.endurance
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("memory", [0.0, 0.5, 0.8])
@pytest.mark.parametrize("windows", [24, 60, 200])
def test_rates_in_full(windows: int, memory: float, tell: Tell) -> None:
    trials = max(100, round(2000 * SHARE))
    tell(f"alarms {check_false_alarms(trials, windows, memory)}, found {check_detection(trials, windows, memory)}")
