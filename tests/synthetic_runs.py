"""Runs that were never run, with a known truth: load, speed and errors, and noise that lasts from window to window."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr
from scipy.stats import binom

from domain.executor import Executor, ExecutorKind, Stage
from domain.finding import Finding, FindingKind
from domain.histogram import LOG_GAMMA, Histogram, range_value
from domain.load_test import LoadTestDefinition, Scenario
from domain.load_test_analysis import Conclusion
from domain.load_test_run import LoadTestRun, RunStatus
from domain.metric_window import SET_UP, MetricWindow
from domain.scenario_request import ScenarioRequest
from domain.window_sample import MeasuredRun

SECONDS = 5
BEGIN = 1_800_000_000
AT = datetime.fromtimestamp(BEGIN, UTC)
COUNT = 60  # windows of a run of 300 s
RANGES = np.arange(1, 600)  # of response times from 1 ms to 160 s


def constant(seconds: float, vus: int = 10) -> Executor:
    return Executor(kind=ExecutorKind.CONSTANT_VUS, vus=vus, duration=seconds)


def ramp(seconds: float, vus: int) -> Executor:
    return Executor(kind=ExecutorKind.RAMPING_VUS, start=0, stages=(Stage(duration=seconds, target=vus),))


def rising_rate(seconds: float, rate: int) -> Executor:
    return Executor(kind=ExecutorKind.RAMPING_ARRIVAL_RATE, stages=(Stage(duration=seconds, target=rate),), max_vus=1000)


def scenario(executor: Executor, name: str = "browse") -> Scenario:
    return Scenario(name=name, requests=(ScenarioRequest(endpoint="GET /"),), executor=executor)


def load_test_run(*scenarios: Scenario, number: int = 1, **changes: object) -> LoadTestRun:
    """A run that has passed."""
    run = LoadTestRun(
        id=number,
        uuid=UUID(int=number),
        load_test_id=1,
        load_test_version=1,
        target_id=1,
        project_id=1,
        definition=LoadTestDefinition(title="t", server="http://x.test", scenarios=scenarios or (scenario(constant(300)),)),
        origin="http://x.test:80",
        document_sha256="",
        window_seconds=SECONDS,
        actor="ada",
        status=RunStatus.PASSED,
        version=4,
        created_at=AT,
        updated_at=AT,
        started_at=AT,
        ended_at=AT,
    )
    return replace(run, **changes)  # type: ignore[arg-type]


def lasting_noise(chance: np.random.Generator, count: int, size: float, memory: float) -> NDArray[np.float64]:
    """Gaussian noise of that standard deviation, of which each value keeps the share `memory` of the one before."""
    steps = chance.normal(0.0, size * np.sqrt(1 - memory**2), count)
    values = np.empty(count)
    values[0] = chance.normal(0.0, size)
    for place in range(1, count):
        values[place] = memory * values[place - 1] + steps[place]
    return values


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What a synthetic scenario does: requests a second, median and spread of response times, the share of errors.

    `slow` is the share of requests that take ten times as long. `noise` and `memory` are of the rate and of the times alike.
    """

    tps: float = 100.0
    median: float = 50.0
    sigma: float = 0.4
    slow: float = 0.02
    error_rate: float = 0.01
    noise: float = 0.04
    memory: float = 0.5


STEADY = Truth()


def windows(
    chance: np.random.Generator,
    count: int,
    truth: Truth = STEADY,
    *,
    key: str = "s1",
    level: Callable[[int], float] = lambda _: 1.0,
    errors: Callable[[int], float] = lambda _: 1.0,
) -> list[MetricWindow]:
    """Windows of a scenario; `level` and `errors` are factors of its rate and of its error rate in each window."""
    rates = np.exp(lasting_noise(chance, count, truth.noise, truth.memory))
    scales = np.exp(lasting_noise(chance, count, truth.noise, truth.memory))
    made = []
    for place in range(count):
        requests = chance.poisson(truth.tps * SECONDS * level(place) * rates[place])
        logs = RANGES * LOG_GAMMA - np.log(truth.median * scales[place])
        share = (1 - truth.slow) * ndtr(logs / truth.sigma) + truth.slow * ndtr((logs - np.log(10)) / truth.sigma)
        shares = np.maximum(np.diff(share, prepend=0.0), 0.0)
        counts = chance.multinomial(requests, shares / shares.sum())
        ranges = {int(number): int(counts[at]) for at, number in enumerate(RANGES) if counts[at]}
        times = [range_value(number) for number in ranges]
        histogram = Histogram(ranges, sum(range_value(number) * n for number, n in ranges.items()))
        if times:
            histogram.least, histogram.greatest = min(times), max(times)
        failed = int(chance.binomial(requests, min(1.0, truth.error_rate * errors(place))))
        made.append(MetricWindow(BEGIN + place * SECONDS, key, 1, histogram, failed, iterations=int(requests)))
    return made


def gauges(vus: Sequence[float]) -> list[MetricWindow]:
    """What k6 says of its virtual users: in each window of a run their number at its end, which changes evenly up to then."""
    made = []
    for place, (before, after) in enumerate(pairwise([vus[0], *vus])):
        window = MetricWindow(BEGIN + place * SECONDS, SET_UP, 1)
        for second in range(1, SECONDS + 1):
            window.count_vus(round(before + (after - before) * second / SECONDS))
        made.append(window)
    return made


def after_login(parts: Sequence[MetricWindow], seconds: int) -> list[MetricWindow]:
    """The same windows later: a login takes so many seconds before, of whole windows, and is answered at the end."""
    before = [MetricWindow(BEGIN + at, SET_UP, 1, vus=0) for at in range(0, seconds, SECONDS)]
    before[-1].times.add(seconds * 1000.0)
    return [*before, *(replace(each, start=each.start + seconds) for each in parts)]


def measured(*parts: Sequence[MetricWindow], run: LoadTestRun | None = None) -> MeasuredRun:
    """A run with these windows."""
    found = sorted((each for part in parts for each in part), key=lambda each: (each.start, each.scenario))
    return MeasuredRun(run or load_test_run(), found)


def at_most(hits: int, trials: int, rate: float) -> bool:
    """Whether so many hits are no evidence that they come more often than at that rate."""
    return bool(binom.sf(hits - 1, trials, rate) > 0.001)


def of_kind(conclusion: Conclusion, kind: FindingKind) -> list[Finding]:
    """What was found of that kind."""
    return [each for each in conclusion.findings if each.kind is kind]


def steady(chance: np.random.Generator, truth: Truth = STEADY, number: int = 1, **changes: object) -> MeasuredRun:
    """A run of `COUNT` windows under constant load."""
    return measured(windows(chance, COUNT, truth), run=load_test_run(scenario(constant(300)), number=number, **changes))
