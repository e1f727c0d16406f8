"""Runs of load tests: one start of a definition as it then was, from waiting for its turn to the verdict."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from domain.attempt import AttemptKey
from domain.errors import IllegalTransition, ValidationFailed, WindowsRemoved
from domain.k6_script import PAUSES, SET_UP_END
from domain.load_test import LoadTestDefinition
from domain.load_test_threshold import Threshold, judged_by_k6, thresholds_of
from domain.metric_series import RunFigures, figures_of
from domain.metric_window import SET_UP, MetricWindow


class RunStatus(StrEnum):
    """Where a run stands; the last five are its verdict."""

    QUEUED = "QUEUED"
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    STOPPING = "STOPPING"
    PASSED = "PASSED"
    FAILED = "FAILED"
    ABORTED = "ABORTED"
    ERROR = "ERROR"
    INVALID = "INVALID"


UNDER_WAY = frozenset({RunStatus.STARTING, RunStatus.RUNNING, RunStatus.STOPPING})


class LoadTestReportKind(StrEnum):
    """What a load generator says about its run."""

    WINDOW = "WINDOW"
    SUMMARY = "SUMMARY"
    NOTE = "NOTE"


VERDICTS = frozenset({RunStatus.PASSED, RunStatus.FAILED, RunStatus.ABORTED, RunStatus.ERROR, RunStatus.INVALID})
TRANSITIONS: Mapping[RunStatus, frozenset[RunStatus]] = {
    RunStatus.QUEUED: frozenset({RunStatus.STARTING, RunStatus.ABORTED}),
    RunStatus.STARTING: frozenset({RunStatus.RUNNING, RunStatus.STOPPING, *VERDICTS}),
    RunStatus.RUNNING: frozenset({RunStatus.STOPPING, *VERDICTS}),
    RunStatus.STOPPING: VERDICTS,
    **dict.fromkeys(VERDICTS, frozenset()),
}
MAX_LABEL = 200
SPARE_SECONDS = 120.0  # beyond the script's own last second: k6's start, its summary
MOST_STRETCH = 4  # times what a run can last lie between its windows, where its clock is set meanwhile
MOST_TELLINGS = 3  # of a window, unless its samples come very late
REFUSED_REPORTS = "refusedReports"  # in a summary: how many reports were refused for what they say
GENERATOR_ATTEMPT = 1  # a run has one generator, which is never started again: its figures would mix with those of the first


@dataclass(frozen=True, slots=True, kw_only=True)
class K6Figure:
    """One figure of a run as it is stored, and as k6 says it in its summary, in which set-up and login are counted too."""

    figure: str
    stored: float | None
    k6: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadTestRun:
    """The current state of one run.

    `definition` and `document_sha256` are frozen at the start, and so are its script, which is read by itself, and `origin`, the
    server that it puts under load, alike for all of that server's addresses (`domain.target.server_origin`). `label` is what
    whoever started it says was tested (`checked_label`). `last_sequence` is the number of the last report of its generator that
    was taken in. `deadline` is when its generator, if it still runs, is ended for having taken too long, `warned_at` when it was
    told that this is near. `unheard_since` is when its server was last heard of, where that is away; its load may go on
    meanwhile. `message` says why it ended as it did. `summary` is what the generator and k6 said at the end, without `metrics`
    before and where k6 came to none, with `REFUSED_REPORTS` where there are any; `figures` are those of the whole and `judged`
    what its thresholds came to, from the verdict on. From `windows_removed_at` on nothing else of what it measured is there.
    """

    id: int
    uuid: UUID
    load_test_id: int
    load_test_version: int
    target_id: int
    project_id: int
    definition: LoadTestDefinition
    origin: str
    document_sha256: str
    window_seconds: int
    actor: str
    status: RunStatus
    version: int
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    deadline: datetime | None = None
    warned_at: datetime | None = None
    unheard_since: datetime | None = None
    windows_removed_at: datetime | None = None
    label: str | None = None
    message: str = ""
    last_sequence: int = 0
    summary: Mapping[str, Any] = field(default_factory=dict)
    figures: tuple[RunFigures, ...] = ()
    judged: tuple[Threshold, ...] = ()

    @property
    def key(self) -> AttemptKey:
        """The name of its generator outside the database: run folder, token, log."""
        return AttemptKey(self.uuid, GENERATOR_ATTEMPT)

    @property
    def heading(self) -> str:
        """What it is called above what is told of it."""
        return " · ".join([f"Run {self.id}", self.definition.title, *([] if self.label is None else [self.label])])

    @property
    def time_limit(self) -> float:
        """How long its generator may run, in seconds."""
        return self.definition.last_second + SPARE_SECONDS

    @property
    def most_windows(self) -> int:
        """How many windows it may come to."""
        return math.ceil(self.time_limit / self.window_seconds) + 1

    @property
    def most_span(self) -> float:
        """How many seconds may lie between the begins of its windows: who reads them looks at each that is missing between."""
        return MOST_STRETCH * self.time_limit

    @property
    def expected_reports(self) -> int:
        """How many reports its generator may well need: each window of each scenario and of the set-up, some of them revised."""
        return MOST_TELLINGS * self.most_windows * (len(self.definition.scenarios) + 1)

    def nears_its_end(self, now: datetime, warning_seconds: float) -> bool:
        """Whether it is to be told that the deadline is near, which is done once."""
        if self.status is not RunStatus.RUNNING or self.deadline is None or self.warned_at is not None:
            return False
        return warning_seconds > 0 and self.deadline - timedelta(seconds=warning_seconds) <= now

    def warned(self, at: datetime) -> "LoadTestRun":
        """The run with that told, one version further."""
        return replace(self, version=self.version + 1, warned_at=at)

    def unheard(self, since: datetime | None) -> "LoadTestRun":
        """The run, one version further, with its server missed since then; None: heard of again."""
        return replace(self, version=self.version + 1, unheard_since=since)

    @property
    def latest_end(self) -> datetime:
        """When its generator ends at the latest, whatever becomes of its server; of a run that was claimed."""
        return self.deadline or (self.started_at or self.updated_at) + timedelta(seconds=self.time_limit)

    @property
    def told(self) -> str:
        """What people are told of it: its message, and how it stands while its server is away."""
        if self.unheard_since is None:
            return self.message
        missed = f"The server that runs it has not been heard of since {self.unheard_since:%Y-%m-%d %H:%M:%S} UTC."
        stop = " The stop reaches its load once that server is back." if self.status is RunStatus.STOPPING else ""
        load = f" Its load may go on, until {self.latest_end:%Y-%m-%d %H:%M:%S} UTC at the latest."
        return f"{self.message} {missed}{stop}{load}".strip()

    def without_windows(self, at: datetime) -> "LoadTestRun":
        """The run, one version further, as it stays when all that it measured window by window is removed."""
        return replace(self, version=self.version + 1, windows_removed_at=at)

    @property
    def removal(self) -> WindowsRemoved | None:
        """What tells that nothing is left to be shown, where that is so."""
        return None if self.windows_removed_at is None else WindowsRemoved(self.id, self.windows_removed_at)

    def check_windows(self) -> None:
        """`WindowsRemoved` where nothing is left to be shown."""
        if self.removal is not None:
            raise self.removal

    @property
    def names(self) -> dict[str, str]:
        """What the scenarios of the script are called."""
        return {f"s{number}": scenario.name for number, scenario in enumerate(self.definition.scenarios, 1)}

    @property
    def has_ended(self) -> bool:
        """Whether there is a verdict."""
        return self.status in VERDICTS

    @property
    def k6_requests(self) -> int | None:
        """How many requests k6 counted in all, set-up included; None where it came to no summary."""
        metrics = self.summary.get("metrics")
        return metrics.get("http_reqs", {}).get("count", 0) if metrics else None

    @property
    def k6_pauses(self) -> int:
        """How many iterations came to their pause."""
        found: int = (self.summary.get("metrics") or {}).get(PAUSES, {}).get("count", 0)
        return found

    @property
    def k6_seconds(self) -> float | None:
        """How long k6 says that it ran the script, set-up included: what it counted, by its rate. None where nothing says so."""
        metrics = self.summary.get("metrics") or {}
        counters = [metrics.get(name, {}) for name in ("http_reqs", "iterations")]
        found = (each["count"] / each["rate"] for each in counters if each.get("rate") and each.get("count"))
        return next((seconds for seconds in found if math.isfinite(seconds)), None)

    @property
    def set_up_seconds(self) -> float | None:
        """How long after its start k6 says that the set-up, with its login, was over; None where it did not say."""
        milliseconds = (self.summary.get("metrics") or {}).get(SET_UP_END, {}).get("value")
        return None if milliseconds is None else milliseconds / 1000

    def said(self, name: str) -> float | None:
        """A number of the load generator's summary; None where it said none."""
        value = self.summary.get(name)
        return value if isinstance(value, int | float) else None

    @property
    def k6_figures(self) -> tuple[K6Figure, ...]:
        """The figures of the whole beside k6's own; nothing where either is missing."""
        metrics = self.summary.get("metrics") or {}
        return tuple(_k6_figures(metrics, self.figures[0])) if self.figures and metrics else ()

    @property
    def is_judged_by_k6(self) -> bool:
        """Whether k6 judged its thresholds, as it did those of older versions' runs, which know no values of them."""
        return self.has_ended and not self.judged and bool(self.summary.get("metrics"))

    @property
    def thresholds(self) -> tuple[Threshold, ...]:
        """What has to hold of it; judged with the verdict."""
        wanted = thresholds_of(self.definition)
        if self.is_judged_by_k6:
            return judged_by_k6(wanted, self.names, self.summary["metrics"])
        return self.judged or wanted

    def measured(self, windows: Sequence[MetricWindow]) -> "LoadTestRun":
        """The run with the figures and judged thresholds of all of its windows, sorted by start."""
        figures = figures_of(windows, self.window_seconds, self.names, self.k6_seconds)
        judged = thresholds_of(self.definition, windows, self._loaded_seconds(windows))
        return replace(self, figures=tuple(figures), judged=judged)

    def _loaded_seconds(self, windows: Sequence[MetricWindow]) -> float | None:
        """How long it was under load: from the end of the set-up and the begin of the first scenario to the end of k6.

        Where k6 came to no summary it is the time of the windows in which it counted its VUs or got answers, from that of the
        set-up's last answer on, less than two windows too long. None where there was no load.
        """
        first = min(each.executor.start_time for each in self.definition.scenarios)
        if self.k6_seconds is not None:
            seconds = self.k6_seconds - (self.set_up_seconds or 0.0) - first
            return seconds if seconds > 0 else None
        loaded = [each.start for each in windows if each.requests and each.scenario != SET_UP]
        if not loaded:
            return None
        seen = [each.start for each in windows if each.requests or each.vus_count]
        set_up = [each.start for each in windows if each.requests and each.scenario == SET_UP and each.start <= min(loaded)]
        return max(seen) - max(set_up, default=min(seen)) + self.window_seconds - min(first, min(loaded) - min(seen))

    def moved(self, status: RunStatus, message: str, at: datetime) -> "LoadTestRun":
        """The run in another status, one version further; `IllegalTransition` where it can't go there from where it stands."""
        if status not in TRANSITIONS[self.status]:
            reason = f"Run {self.id} is {self.status}; it can't become {status}."
            raise IllegalTransition(f"Run {self.id}", self.status, status, reason)
        return replace(
            self,
            status=status,
            version=self.version + 1,
            updated_at=at,
            started_at=self.started_at or (at if status is RunStatus.STARTING else None),
            ended_at=at if status in VERDICTS else None,
            deadline=at + timedelta(seconds=self.time_limit) if status is RunStatus.RUNNING else self.deadline,
            unheard_since=None if status in VERDICTS else self.unheard_since,
            message=message or self.message,
        )


def checked_label(label: str | None) -> str | None:
    """What is tested, as said at a run's start; `ValidationFailed` where it is not one line of at most `MAX_LABEL` characters."""
    if label is not None and not (0 < len(label) <= MAX_LABEL and label.isprintable() and not label.isspace()):
        told = f"must be one line of 1 to {MAX_LABEL} printable characters, not only blanks"
        raise ValidationFailed.of("label", told)
    return label


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEvent:
    """What happened to a run: it came from the status `before` (None: it was asked for) to another, or was told something."""

    version: int
    before: RunStatus | None
    status: RunStatus
    actor: str
    recorded_at: datetime
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What was stored of a run, over all its windows.

    By scenario of the script: `iterations` that were completed, and `dropped` ones, which were to begin and did not.
    """

    requests: int = 0
    failed: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    iterations: Mapping[str, int] = field(default_factory=dict)


K6_TIMES = {"least": "min", "mean": "avg", "greatest": "max", "p50": "p(50)", "p90": "p(90)", "p95": "p(95)", "p99": "p(99)"}
K6_NAMES = {
    "requests": ("http_reqs", "count"),
    "tps_mean": ("http_reqs", "rate"),
    "failed": ("http_req_failed", "passes"),
    "error_rate": ("http_req_failed", "value"),
    **{name: ("http_req_duration", theirs) for name, theirs in K6_TIMES.items()},
    "least_vus": ("vus", "min"),
    "most_vus": ("vus", "max"),
}


def _k6_figures(metrics: Mapping[str, Any], whole: RunFigures) -> Iterator[K6Figure]:
    for name, (metric, theirs) in K6_NAMES.items():
        value = metrics.get(metric, {}).get(theirs)
        if isinstance(value, int | float):
            yield K6Figure(figure=name, stored=getattr(whole, name), k6=value)
