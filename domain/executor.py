"""How a scenario makes its load: the six executors of k6 with their options, checked before k6 sees them.

Source: k6's documentation of executors (version 1.1). Times are in seconds; a rate is in iterations each `time_unit`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Any

from domain.validation import Problems

DEFAULT_GRACE = 30.0
DEFAULT_MAX_DURATION = 600.0
SHORTEST = 1.0
SHORTEST_TIME_UNIT = 0.001
MAX_STAGES = 100
MAX_ITERATIONS = 1_000_000_000


class ExecutorKind(StrEnum):
    """The executors, by k6's names in capitals."""

    CONSTANT_VUS = "CONSTANT_VUS"
    RAMPING_VUS = "RAMPING_VUS"
    CONSTANT_ARRIVAL_RATE = "CONSTANT_ARRIVAL_RATE"
    RAMPING_ARRIVAL_RATE = "RAMPING_ARRIVAL_RATE"
    SHARED_ITERATIONS = "SHARED_ITERATIONS"
    PER_VU_ITERATIONS = "PER_VU_ITERATIONS"

    @property
    def k6_name(self) -> str:
        """The name in a script."""
        return self.value.lower().replace("_", "-")


RAMPING = frozenset({ExecutorKind.RAMPING_VUS, ExecutorKind.RAMPING_ARRIVAL_RATE})
ITERATIONS = frozenset({ExecutorKind.SHARED_ITERATIONS, ExecutorKind.PER_VU_ITERATIONS})
ARRIVAL_RATE = frozenset({ExecutorKind.CONSTANT_ARRIVAL_RATE, ExecutorKind.RAMPING_ARRIVAL_RATE})
OPTIONS: Mapping[ExecutorKind, tuple[str, ...]] = {
    ExecutorKind.CONSTANT_VUS: ("vus", "duration"),
    ExecutorKind.RAMPING_VUS: ("startVUs", "stages", "gracefulRampDown"),
    ExecutorKind.CONSTANT_ARRIVAL_RATE: ("rate", "timeUnit", "duration", "preAllocatedVUs", "maxVUs"),
    ExecutorKind.RAMPING_ARRIVAL_RATE: ("startRate", "timeUnit", "stages", "preAllocatedVUs", "maxVUs"),
    ExecutorKind.SHARED_ITERATIONS: ("vus", "iterations", "maxDuration"),
    ExecutorKind.PER_VU_ITERATIONS: ("vus", "iterations", "maxDuration"),
}
COMMON = ("kind", "startTime", "gracefulStop")
TIMES = frozenset({"duration", "gracefulRampDown", "timeUnit", "maxDuration", "startTime", "gracefulStop"})


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadLimits:
    """How much load a test may make at a time: virtual users, iterations a second; seconds from its first to its last moment."""

    vus: int = 1000
    rate: float = 10_000.0
    seconds: float = 14_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Go from where the last stage ended to `target` (VUs or iterations each time unit) within `duration` seconds; 0: at once."""

    duration: float
    target: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Executor:
    """One executor with its options filled in; those that its kind does not have keep their defaults here and are never written.

    `vus` of the arrival-rate kinds are allocated before the start, `max_vus` at most. `start` is where ramping begins.
    """

    kind: ExecutorKind
    vus: int = 1
    max_vus: int = 1
    duration: float = 0.0
    stages: tuple[Stage, ...] = ()
    start: int = 0
    rate: int = 0
    time_unit: float = 1.0
    iterations: int = 1
    start_time: float = 0.0
    graceful_stop: float = DEFAULT_GRACE
    graceful_ramp_down: float = DEFAULT_GRACE

    @property
    def seconds(self) -> float:
        """From its own start to when it starts no more iterations, at most."""
        return sum(stage.duration for stage in self.stages) if self.kind in RAMPING else self.duration

    @property
    def last_second(self) -> float:
        """When, after the start of the test, nothing of it can run any more."""
        return self.start_time + self.seconds + self.graceful_stop

    @property
    def most_vus(self) -> int:
        """The most virtual users there can be at a time."""
        if self.kind is ExecutorKind.RAMPING_VUS:
            return max(self.start, *(stage.target for stage in self.stages))
        return max(self.vus, self.max_vus) if self.kind in ARRIVAL_RATE else self.vus

    @property
    def most_rate(self) -> float:
        """The most iterations a second that it starts at a time; 0 where that is up to its virtual users."""
        return max(level for _, level in self.profile()) if self.kind in ARRIVAL_RATE else 0.0

    @property
    def planned_iterations(self) -> int | None:
        """How many iterations it starts if the API keeps up; None where that depends on how fast the API answers.

        One at a constant rate begins at once. Where a rate ramps k6 can end up one off for each stage.
        """
        match self.kind:
            case ExecutorKind.SHARED_ITERATIONS:
                return self.iterations
            case ExecutorKind.PER_VU_ITERATIONS:
                return self.iterations * self.vus
            case ExecutorKind.CONSTANT_VUS | ExecutorKind.RAMPING_VUS:
                return None
        points = self.profile()
        areas = ((at - before) * (level + last) / 2 for (before, last), (at, level) in pairwise(points))
        return int(sum(areas) + 1e-6) + (self.kind is ExecutorKind.CONSTANT_ARRIVAL_RATE)

    @property
    def idling_iterations(self) -> float:
        """When so many are completed one of its virtual users may have no more to make; infinite where time alone ends them."""
        match self.kind:
            case ExecutorKind.SHARED_ITERATIONS:
                return self.iterations - self.vus + 1
            case ExecutorKind.PER_VU_ITERATIONS:
                return self.iterations
        return math.inf

    def profile(self) -> list[tuple[float, float]]:
        """The load as points to draw with straight lines: (seconds after the test's start, VUs or iterations a second)."""
        at = self.start_time
        if self.kind not in RAMPING:
            level = self.rate / self.time_unit if self.kind in ARRIVAL_RATE else float(self.vus)
            return [(at, level), (at + self.duration, level)]
        unit = self.time_unit if self.kind in ARRIVAL_RATE else 1.0
        points = [(at, self.start / unit)]
        for stage in self.stages:
            at += stage.duration
            points.append((at, stage.target / unit))
        return points

    def as_json(self) -> dict[str, Any]:
        """The input document that says the same, with all defaults filled in."""
        values: dict[str, Any] = {
            "vus": self.vus,
            "duration": self.duration,
            "startVUs": self.start,
            "startRate": self.start,
            "stages": [{"duration": stage.duration, "target": stage.target} for stage in self.stages],
            "gracefulRampDown": self.graceful_ramp_down,
            "rate": self.rate,
            "timeUnit": self.time_unit,
            "preAllocatedVUs": self.vus,
            "maxVUs": self.max_vus,
            "iterations": self.iterations,
            "maxDuration": self.duration,
        }
        common = {"kind": str(self.kind), "startTime": self.start_time, "gracefulStop": self.graceful_stop}
        return common | {name: values[name] for name in OPTIONS[self.kind]}

    def k6_options(self) -> dict[str, Any]:
        """What a script says of it, as JSON: the same options, with times as k6 reads them."""
        given = self.as_json()
        options = {name: _k6_time(value) if name in TIMES else value for name, value in given.items() if name != "kind"}
        if self.stages:
            options["stages"] = [{"duration": _k6_time(each.duration), "target": each.target} for each in self.stages]
        return {"executor": self.kind.k6_name, **options}


def read_executor(problems: Problems, raw: Mapping[str, Any], limits: LoadLimits) -> Executor:
    """The executor that an input document says; everything wrong with it goes to `problems`."""
    kind = problems.choice(raw, "kind", ExecutorKind)
    problems.no_others(raw, (*COMMON, *OPTIONS[kind]))
    start_time = problems.number(raw, "startTime", 0.0, 0.0, limits.seconds)
    graceful_stop = problems.number(raw, "gracefulStop", DEFAULT_GRACE, 0.0, limits.seconds)
    read: dict[str, Any] = {"kind": kind, "start_time": start_time, "graceful_stop": graceful_stop}
    if kind in (ExecutorKind.CONSTANT_VUS, ExecutorKind.CONSTANT_ARRIVAL_RATE):
        read["duration"] = problems.number(raw, "duration", None, SHORTEST, limits.seconds)
    if kind in ITERATIONS:
        read["iterations"] = problems.integer(raw, "iterations", 1, 1, MAX_ITERATIONS)
        read["duration"] = problems.number(
            raw, "maxDuration", min(DEFAULT_MAX_DURATION, limits.seconds), SHORTEST, limits.seconds
        )
    if kind in ARRIVAL_RATE:
        read |= _arrival_rate(problems, raw, kind, limits)
    elif kind is not ExecutorKind.RAMPING_VUS:
        read["vus"] = problems.integer(raw, "vus", 1, 1, limits.vus)
    if kind is ExecutorKind.RAMPING_VUS:
        read["start"] = problems.integer(raw, "startVUs", 1, 0, limits.vus)
        read["graceful_ramp_down"] = problems.number(raw, "gracefulRampDown", DEFAULT_GRACE, 0.0, limits.seconds)
        read["stages"] = _stages(problems, raw, limits.vus, limits)
    if (
        kind is ExecutorKind.RAMPING_VUS
        and problems.is_clean
        and not max(read["start"], *(each.target for each in read["stages"]))
    ):
        problems.add("stages", "must reach at least one VU")
    if kind is ExecutorKind.SHARED_ITERATIONS and problems.is_clean and read["iterations"] < read["vus"]:
        problems.add("iterations", f"must be at least the {read['vus']} VUs that share them")
    executor = Executor(**read)
    if problems.is_clean and executor.last_second > limits.seconds:
        problems.add("startTime", f"the scenario can last {executor.last_second:g} s; {limits.seconds:g} s are allowed")
    return executor


def _arrival_rate(problems: Problems, raw: Mapping[str, Any], kind: ExecutorKind, limits: LoadLimits) -> dict[str, Any]:
    # k6 is told milliseconds: the limit is held against the rate that it will make.
    time_unit = round(problems.number(raw, "timeUnit", 1.0, SHORTEST_TIME_UNIT, 86_400.0), 3)
    most = int(limits.rate * time_unit)
    if most < 1:
        problems.add("timeUnit", f"is so short that a rate of 1 is more than {limits.rate:g} a second")
        most = 1
    vus = problems.integer(raw, "preAllocatedVUs", None, 1, limits.vus)
    max_vus = problems.integer(raw, "maxVUs", vus, 1, limits.vus)
    if max_vus < vus and problems.is_clean:
        problems.add("maxVUs", "must be at least preAllocatedVUs")
    read: dict[str, Any] = {"time_unit": time_unit, "vus": vus, "max_vus": max_vus}
    if kind is ExecutorKind.CONSTANT_ARRIVAL_RATE:
        return read | {"rate": problems.integer(raw, "rate", None, 1, most)}
    return read | {"start": problems.integer(raw, "startRate", 0, 0, most), "stages": _stages(problems, raw, most, limits)}


def _stages(problems: Problems, raw: Mapping[str, Any], most: int, limits: LoadLimits) -> tuple[Stage, ...]:
    given = problems.items(raw, "stages", most=MAX_STAGES)
    if not given and problems.is_clean:
        problems.add("stages", "must have at least one stage")
    nested = problems.at("stages")
    found = []
    for number, each in enumerate(given):
        stage = nested.mapping({str(number): each}, str(number))
        inner = nested.at(number)
        inner.no_others(stage, ("duration", "target"))
        duration = inner.number(stage, "duration", None, 0.0, limits.seconds)
        found.append(Stage(duration=duration, target=inner.integer(stage, "target", None, 0, most)))
    if found and problems.is_clean and not sum(stage.duration for stage in found):
        problems.add("stages", "must last some time")
    return tuple(found)


def _k6_time(seconds: float) -> str:
    """The time as k6 reads it, to the millisecond."""
    return f"{round(seconds * 1000)}ms"
