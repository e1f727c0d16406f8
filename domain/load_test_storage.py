"""What the use cases of load testing expect of the database: the stores of projects, targets, load tests and their runs."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from domain.endpoint import Endpoint
from domain.load_test import LoadTest, LoadTestDefinition
from domain.load_test_analysis import LoadTestAnalysis
from domain.load_test_run import Counts, LoadTestRun, RunEvent, RunStatus
from domain.load_test_trend import TrendRun
from domain.metric_window import MetricWindow
from domain.project import Project, ProjectDefinition, ProjectRole
from domain.query import (
    EndpointQuery,
    HistoryQuery,
    LoadTestAnalysisQuery,
    LoadTestQuery,
    LoadTestRunQuery,
    Page,
    ProjectQuery,
    TargetQuery,
    WindowQuery,
)
from domain.resource_usage import ResourceUsage
from domain.run_queue import Unfinished
from domain.secret import Sealed, Secret
from domain.target import Target, TargetAnalysis, TargetDefinition
from domain.version import Version
from domain.visibility import Membership


class ProjectStore(Protocol):
    """The projects of one unit of work. Each change is a new version; the earlier ones stay on record with their actors.

    Here and in the stores of what belongs to projects, a caller's membership says what exists for them.
    """

    async def get_many(self, ids: Sequence[int], membership: Membership) -> dict[int, Project]:
        """The projects of these ids that exist for the caller, by id."""
        ...

    async def page(self, query: ProjectQuery, membership: Membership) -> Page[Project]:
        """A page of projects."""
        ...

    async def count(self, query: ProjectQuery, membership: Membership) -> int:
        """How many projects the query has, wherever its page begins."""
        ...

    async def add(self, definition: ProjectDefinition, owner: str) -> Project:
        """Store a new project; `ValidationFailed` of `input.name` where another of that owner, not archived, has that name."""
        ...

    async def change(
        self, project: Project, definition: ProjectDefinition, actor: str, *, is_archived: bool = False
    ) -> Project | None:
        """Store the project's next version; None where it has changed since it was read. Names as in `add`."""
        ...

    async def role_of(self, subject: str, project_id: int) -> ProjectRole | None:
        """What the person is in the project; None for nobody."""
        ...

    async def members_among(self, members: Collection[tuple[str, int]]) -> frozenset[tuple[str, int]]:
        """Those of these subjects, each with the number of a project, who are members of it."""
        ...

    async def versions(self, queries: Sequence[HistoryQuery]) -> list[Page[Version[ProjectDefinition]]]:
        """Pages of what projects were, oldest first; one statement for all that are as long."""
        ...


@dataclass(frozen=True, slots=True)
class WrittenEndpoints:
    """The endpoints of an analysis as a database keeps them, made by `Database.write_out`; nobody else looks into it."""

    rows: Sequence[Mapping[str, Any]]
    tags: Sequence[Mapping[str, Any]]


class TargetStore(Protocol):
    """The targets of one unit of work, with their analyses and endpoints; changes as of projects."""

    async def get_many(self, ids: Sequence[int], membership: Membership) -> dict[int, Target]:
        """The targets of these ids, by id."""
        ...

    async def page(self, query: TargetQuery, membership: Membership) -> Page[Target]:
        """A page of targets."""
        ...

    async def count(self, query: TargetQuery, membership: Membership) -> int:
        """How many targets the query has, wherever its page begins."""
        ...

    async def add(self, project_id: int, definition: TargetDefinition, actor: str) -> Target:
        """Store a new target; `ValidationFailed` of `input.name` where another of the project has that name."""
        ...

    async def change(
        self, target: Target, definition: TargetDefinition, actor: str, *, is_archived: bool = False
    ) -> Target | None:
        """Store the target's next version; None where it has changed since it was read."""
        ...

    async def versions(self, queries: Sequence[HistoryQuery]) -> list[Page[Version[TargetDefinition]]]:
        """Pages of what targets were, oldest first; one statement for all that are as long."""
        ...

    async def analyses(self, queries: Sequence[HistoryQuery]) -> list[Page[TargetAnalysis]]:
        """Pages of the analyses of targets, oldest first; statements as of `versions`."""
        ...

    async def add_analysis(self, target: Target, analysis: TargetAnalysis, endpoints: WrittenEndpoints) -> Target | None:
        """Store an analysis with its endpoints as the target's next version; None where it has changed since it was read.

        The database's clock takes the place of the analysis's time.
        """
        ...

    async def endpoints(self, query: EndpointQuery, membership: Membership) -> Page[tuple[int, Endpoint]]:
        """A page of an analysis's endpoints, each with its place from 1 in the document."""
        ...

    async def endpoints_named(self, analyses: Mapping[int, int], keys: Collection[str]) -> dict[tuple[int, str], Endpoint]:
        """The endpoints with these keys (`GET /pets`) in one analysis of each of some targets, by target and key.

        One statement for all; `analyses` has the numbers by target.
        """
        ...

    async def demands(self, target_id: int, analysis: int) -> list[Endpoint]:
        """All endpoints of an analysis, in the document's order, each with nothing but what a request to it has to be."""
        ...


class SecretStore(Protocol):
    """The secrets of targets in one unit of work; nothing is left of one that was replaced or deleted."""

    async def put(self, secret: Secret, ciphertext: bytes) -> None:
        """Store a secret, in the place of one with its name."""
        ...

    async def delete(self, target_id: int, name: str) -> bool:
        """Remove a secret; False where there is none of that name."""
        ...

    async def of_targets(self, target_ids: Sequence[int]) -> list[Secret]:
        """The secrets of these targets, by target and name."""
        ...

    async def sealed(self, target_id: int, names: Collection[str]) -> dict[str, Sealed]:
        """The values of a target's secrets, as far as there are any of these names."""
        ...


class LoadTestStore(Protocol):
    """The load tests of one unit of work; changes as of projects."""

    async def get_many(self, ids: Sequence[int], membership: Membership) -> dict[int, LoadTest]:
        """The load tests of these ids, by id."""
        ...

    async def page(self, query: LoadTestQuery, membership: Membership) -> Page[LoadTest]:
        """A page of load tests."""
        ...

    async def hold(self, load_test_id: int) -> None:
        """Keep the load test, its target and its project from being changed until this unit of work ends.

        It waits for changes that are under way; what is read afterwards is what they came to.
        """
        ...

    async def versions_on_page(self, query: LoadTestQuery, membership: Membership) -> dict[int, tuple[int, ...]]:
        """The ids of the load tests on that page, in its order, with the versions of all that is shown of each.

        They are its own, its project's, its target's, and the number and version of its last run, 0 before the first.
        """
        ...

    async def count(self, query: LoadTestQuery, membership: Membership) -> int:
        """How many load tests the query has, wherever its page begins."""
        ...

    async def add(self, target: Target, definition: LoadTestDefinition, owner: str) -> LoadTest:
        """Store a new load test; `ValidationFailed` of `input.title` where another of the project has that title."""
        ...

    async def change(
        self, load_test: LoadTest, definition: LoadTestDefinition, actor: str, *, is_archived: bool = False
    ) -> LoadTest | None:
        """Store the load test's next version; None where it has changed since it was read."""
        ...

    async def versions(self, queries: Sequence[HistoryQuery]) -> list[Page[Version[LoadTestDefinition]]]:
        """Pages of what load tests were, oldest first; one statement for all that are as long."""
        ...


class LoadTestRunStore(Protocol):
    """The runs of one unit of work, with what they measured. Each status of a run is a version of it; all stay on record."""

    async def get_many(self, ids: Sequence[int], membership: Membership) -> dict[int, LoadTestRun]:
        """The runs of these ids, by id."""
        ...

    async def of_uuid(self, uuid: UUID) -> LoadTestRun | None:
        """The run with that UUID."""
        ...

    async def page(self, query: LoadTestRunQuery, membership: Membership) -> Page[LoadTestRun]:
        """A page of runs, the newest first."""
        ...

    async def trend(self, query: LoadTestRunQuery, membership: Membership) -> list[TrendRun]:
        """What a trend shows of a page of runs that have ended, the newest first; nothing else of them is read."""
        ...

    async def count(self, query: LoadTestRunQuery, membership: Membership) -> int:
        """How many runs the query has, wherever its page begins."""
        ...

    async def last_of(self, load_test_ids: Sequence[int]) -> dict[int, LoadTestRun]:
        """The last run of each of these load tests that has one."""
        ...

    async def scripts(self, ids: Sequence[int]) -> dict[int, str]:
        """The k6 scripts of these runs, by id."""
        ...

    async def add(self, run: LoadTestRun, script: str) -> LoadTestRun:
        """Store a new run with its script; its number and times are given here."""
        ...

    async def claim(self, run: LoadTestRun, actor: str, runner_id: str, runs_per_target: int) -> LoadTestRun | None:
        """Give a run that waits to a runner, as `STARTING`.

        None where it waits no more, or its server is under load by so many already.
        """
        ...

    async def change(self, run: LoadTestRun, status: RunStatus, actor: str, message: str = "") -> LoadTestRun | None:
        """Take a run to a status, with its figures and judged thresholds; None where it has changed since it was read.

        A verdict is also refused where reports were taken in since: it, and the figures, would be of less than is stored.
        """
        ...

    async def warn(self, run: LoadTestRun, actor: str) -> LoadTestRun | None:
        """Record that the run was warned of its deadline; None where it has changed since it was read."""
        ...

    async def miss(self, run: LoadTestRun, actor: str, since: datetime | None) -> LoadTestRun | None:
        """Record since when the run's server is missed, None: not any more; None where it has changed since it was read."""
        ...

    async def to_clear(self, ended_before: datetime, limit: int, after: LoadTestRun | None = None) -> list[LoadTestRun]:
        """Runs that ended before then and still have something of what they measured, the first to end first.

        They are those behind `after` in this order, a run that was listed here earlier.
        """
        ...

    async def remove_windows(self, run: LoadTestRun, actor: str) -> LoadTestRun | None:
        """Say of a run that all it measured window by window is gone, before it goes; None where it has changed since."""
        ...

    async def clear(self, run_id: int, most: int) -> bool:
        """Remove the first so many windows and usages of a run; False where none is left."""
        ...

    async def cleared(self, run_id: int) -> None:
        """Record that nothing is left to be removed."""
        ...

    async def unended(self, kind: str, number: int, limit: int) -> list[int]:
        """The first runs without a verdict of a `project`, `target` or `load_test`, by number."""
        ...

    async def unfinished(self) -> list[Unfinished]:
        """The runs without a verdict, in the order in which they have their turn."""
        ...

    async def claimed_by(self, runner_id: str) -> list[LoadTestRun]:
        """The runs without a verdict that this runner looks after."""
        ...

    async def of_silent_runners(self, silence: timedelta, now: datetime, but: str) -> list[tuple[LoadTestRun, datetime]]:
        """The runs without a verdict whose runner, another than `but`, was last heard of before that, each with when that was."""
        ...

    async def take_in(
        self, run: LoadTestRun, last_sequence: int, windows: Sequence[MetricWindow], summary: Mapping[str, Any] | None
    ) -> bool:
        """Store what the reports up to that number say; a window replaces one of a lower revision.

        False, and nothing stored, where others were taken in since the run was read, or it has ended.
        """
        ...

    async def events(self, queries: Sequence[HistoryQuery]) -> list[Page[RunEvent]]:
        """Pages of the events of runs, oldest first; one statement for all that are as long."""
        ...

    async def span(self, run_id: int) -> tuple[int, int] | None:
        """When the first and the last window of a run begin; None where it has none."""
        ...

    async def counts(self, run_id: int) -> Counts:
        """Sums over all windows of a run."""
        ...

    async def windows(self, queries: Sequence[WindowQuery]) -> list[list[MetricWindow]]:
        """For each query the windows of its run, by start and scenario; those that begin at one time are never parted.

        One statement for all queries that are as long.
        """
        ...


class ResourceUsageStore(Protocol):
    """What was measured of the pods under test, in one unit of work."""

    async def add(self, run_id: int, usages: Sequence[ResourceUsage]) -> None:
        """Store measurements; one of the same pod and window that is there already stays."""
        ...

    async def find(self, queries: Sequence[WindowQuery]) -> list[list[ResourceUsage]]:
        """For each query the measurements of its run, by start and pod; one statement for all queries that are as long."""
        ...


class LoadTestAnalysisStore(Protocol):
    """The analyses of one unit of work. What was stored is never changed."""

    async def get_many(self, ids: Sequence[int], membership: Membership) -> dict[int, LoadTestAnalysis]:
        """The analyses of these ids, by id."""
        ...

    async def page(self, query: LoadTestAnalysisQuery, membership: Membership) -> Page[LoadTestAnalysis]:
        """A page of analyses."""
        ...

    async def count(self, query: LoadTestAnalysisQuery, membership: Membership) -> int:
        """How many analyses the query has, wherever its page begins."""
        ...

    async def add(self, analysis: LoadTestAnalysis) -> LoadTestAnalysis:
        """Store a new analysis, which has a score; its number and time are given here."""
        ...
