"""Runs of load tests: from waiting for their turn to the verdict, with what they measured."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

import strawberry
from strawberry.utils.str_converters import to_camel_case

from domain import load_test_run as domain
from domain import metric_series
from domain.artifact import document_id
from domain.query import MAX_PAGE, MAX_SERIES, LoadTestRunQuery, Page, WindowQuery
from gql import ids
from gql.context import Info
from gql.sharing import Volatile
from gql.types.artifact import Artifact
from gql.types.connection import (
    After,
    AfterWindow,
    Connection,
    First,
    FirstWindows,
    checked_first,
    checked_offset,
    checked_text,
    decode_cursor,
    encode_cursor,
    history_query,
    page_parts,
    second_of,
)
from gql.types.enums import RunStatus
from gql.types.job_log import JobLog
from gql.types.load_test import LoadTest, LoadTestDefinition
from gql.types.load_test_run_event import LoadTestRunEventConnection
from gql.types.node import Node
from gql.types.resource_usage import PodSeries
from gql.types.run_wait import RunWait
from resolvers import load_test_run as runs
from resolvers.job_log import LogPlace

MILLISECONDS = "in milliseconds; null in windows without a request."


@strawberry.type(
    description=(
        "What was to hold, and whether it did, by PLOG's figures, without set-up and login; of a run that an older version "
        "judged by k6's."
    )
)
class Threshold:
    scenario: str | None = strawberry.field(description="The scenario that it is about; null: all together.")
    metric: str = strawberry.field(description="The metric, by k6's name: `http_req_duration`, `http_req_failed`, `http_reqs`.")
    condition: str = strawberry.field(description="The condition in k6's words, times in milliseconds.")
    value: float | None = strawberry.field(
        description=(
            "What was measured: the percentile in milliseconds, the share of failed requests (0 to 1), requests a second under "
            "load. Null before the verdict, where no request of what it judges was completed, and where k6 judged it."
        )
    )
    is_met: bool | None = strawberry.field(
        description=(
            "Whether it held; null before the verdict, where no request of what it judges was completed, and where k6 was to "
            "judge it and does not say."
        )
    )


@strawberry.type(
    description=(
        "Windows of a run that follow one another, as columns of the same length. Set-up and login are in none of it; "
        "percentiles are the sample of that rank, at most 1 % off."
    )
)
class MetricSeries:
    scenario: str | None = strawberry.field(description="The scenario; null: all together.")
    window_start: list[datetime] = strawberry.field(description="When each window begins.")
    requests: list[int] = strawberry.field(description="Completed requests.")
    tps: list[float] = strawberry.field(description="Completed requests a second.")
    failed: list[int] = strawberry.field(description="Those of them without an answer, or with an unexpected status.")
    error_rate: list[float | None] = strawberry.field(description="Their share, 0 to 1; null in windows without a request.")
    least: list[float | None] = strawberry.field(description=f"The least response time, {MILLISECONDS}")
    mean: list[float | None] = strawberry.field(description=f"The mean response time, {MILLISECONDS}")
    greatest: list[float | None] = strawberry.field(description=f"The greatest response time, {MILLISECONDS}")
    p50: list[float | None] = strawberry.field(description=f"The median of the response times, {MILLISECONDS}")
    p90: list[float | None] = strawberry.field(description=f"Their 90th percentile, {MILLISECONDS}")
    p95: list[float | None] = strawberry.field(description=f"Their 95th percentile, {MILLISECONDS}")
    p99: list[float | None] = strawberry.field(description=f"Their 99th percentile, {MILLISECONDS}")
    vus: list[int | None] = strawberry.field(
        description=(
            "The most virtual users, which k6 counts once a second; null where it did not, and of single scenarios, of which it "
            "does not count them."
        )
    )

    @classmethod
    def of(cls, series: metric_series.MetricSeries) -> "MetricSeries":
        """The type for a series of the domain."""
        return cls(**{name: _column(value) for name, value in asdict(series).items()})


COUNTED_VUS = ", which k6 counts once a second; null where it did not, and of single scenarios, of which it does not count them."


@strawberry.type(description="The figures of a whole run, of one scenario or all; times in milliseconds, null without a request.")
class RunFigures:
    scenario: str | None = strawberry.field(description="The scenario; null: all together.")
    seconds: float = strawberry.field(description="How long k6 ran the script, set-up and login included.")
    requests: float = strawberry.field(description="Completed requests, a whole number; set-up and login are not counted.")
    failed: float = strawberry.field(description="Those of them without an answer, or with an unexpected status; a whole number.")
    error_rate: float | None = strawberry.field(description="Their share, 0 to 1.")
    error_rate_least: float | None = strawberry.field(description="The least error rate of a window with requests.")
    error_rate_most: float | None = strawberry.field(description="The greatest error rate of a window with requests.")
    tps_least: float | None = strawberry.field(
        description=(
            "The least TPS of a full window: of those between the first and the last with answers for the scenario "
            "(null: of any), which the load's begin and end cut off. Null without others."
        )
    )
    tps_mean: float | None = strawberry.field(description="The completed requests in each of the `seconds`; null without any.")
    tps_most: float | None = strawberry.field(description="The greatest TPS of the windows of `tpsLeast`.")
    least: float | None = strawberry.field(description="The least response time.")
    mean: float | None = strawberry.field(description="The mean response time.")
    greatest: float | None = strawberry.field(description="The greatest response time.")
    p50: float | None = strawberry.field(description="The median of the response times.")
    p90: float | None = strawberry.field(description="Their 90th percentile.")
    p95: float | None = strawberry.field(description="Their 95th percentile.")
    p99: float | None = strawberry.field(description="Their 99th percentile.")
    least_vus: int | None = strawberry.field(description=f"The least virtual users{COUNTED_VUS}")
    mean_vus: float | None = strawberry.field(description=f"The mean number of virtual users{COUNTED_VUS}")
    most_vus: int | None = strawberry.field(description=f"The most virtual users{COUNTED_VUS}")
    iterations: float = strawberry.field(description="Iterations that were completed, a whole number.")
    dropped: float = strawberry.field(
        description="Iterations that never began, as no virtual user was free in their time; a whole number."
    )
    checks_passed: float = strawberry.field(description="Checks that held, a whole number.")
    checks_failed: float = strawberry.field(description="Checks that did not, a whole number.")

    @classmethod
    def of(cls, figures: metric_series.RunFigures) -> "RunFigures":
        """The type for figures of the domain."""
        return cls(**asdict(figures))


def _column(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


@strawberry.type(description="A figure of the whole run beside k6's own, in which set-up and login are counted too.")
class K6Figure:
    figure: str = strawberry.field(description="The figure, as `RunFigures` names it.")
    stored: float | None = strawberry.field(description="What was stored; percentiles are the sample of that rank.")
    k6: float = strawberry.field(description="What k6 says at its end; it interpolates percentiles.")
    difference: float | None = strawberry.field(description="What was stored less what k6 says; null where nothing was stored.")

    @classmethod
    def of(cls, figure: domain.K6Figure) -> "K6Figure":
        """The type for a figure of the domain."""
        difference = None if figure.stored is None else figure.stored - figure.k6
        return cls(figure=to_camel_case(figure.figure), stored=figure.stored, k6=figure.k6, difference=difference)


@strawberry.type(description="One start of a load test, with the definition and script as they then were.")
class LoadTestRun(LoadTestDefinition, Node):
    number: int = strawberry.field(description="The short number that people quote.")
    status: RunStatus = strawberry.field(description="Where it stands, or its verdict.")
    message: str = strawberry.field(
        description="Why it ended as it did, or is stopped; how it stands where its server is away. Else empty."
    )
    load_test_version: int = strawberry.field(description="The version of the load test that it was started with.")
    document_sha256: str = strawberry.field(description="The checksum of the OpenAPI document that the script was made from.")
    window_seconds: int = strawberry.field(description="The length of a window of its figures.")
    label: str | None = strawberry.field(
        description="What was tested, as the person says who started it, such as a git commit or a version; null: not said."
    )
    actor: str = strawberry.field(description="The subject of the person who started it.")
    version: int = strawberry.field(
        description="Grows by one with each change of its status, a warning, a silence of its server, the removal of its windows."
    )
    created_at: datetime = strawberry.field(description="When it was asked for.")
    updated_at: datetime = strawberry.field(description="When its status last changed.")
    started_at: datetime | None = strawberry.field(description="When its turn had come and its load generator was to be started.")
    ended_at: datetime | None = strawberry.field(description="When it was judged.")
    deadline: datetime | None = strawberry.field(
        description="When it is ended, as an `ERROR`, if it still runs; null before it runs."
    )
    warned_at: datetime | None = strawberry.field(
        description="When it was told that the deadline is near, `PLOG_K6__WARNING_SECONDS` before; null: not (yet)."
    )
    unheard_since: datetime | None = strawberry.field(
        description=(
            "When the server that runs it was last heard of, where that is away for `PLOG_RUNNER__LOST_AFTER_SECONDS`; its load "
            "may go on meanwhile, and the run is taken up again when that server is back. Null: it is there, or not needed."
        )
    )
    windows_removed_at: datetime | None = strawberry.field(
        description=(
            "When its windows, resources, log and reports were removed, `PLOG_K6__KEEP_DAYS` after its end; null: not yet."
        )
    )
    k6_version: str | None = strawberry.field(description="The version of k6; null before its end.")
    k6_requests: float | None = strawberry.field(
        description="How many requests k6 counted, set-up included; a whole number, null where it came to no summary."
    )
    k6_cpu_seconds: float | None = strawberry.field(description="The processor time that k6 used; null before its end.")
    k6_cpu_busiest: float | None = strawberry.field(
        description="How much of the processors that it may use k6 used in its busiest ten seconds, 0 to 1; null before its end."
    )
    k6_figures: list[K6Figure] = strawberry.field(description="Its figures beside k6's own; empty before its end.")
    thresholds: list[Threshold] = strawberry.field(description="What has to hold; judged with the verdict.")
    load_test_id: strawberry.Private[int]
    domain_run: strawberry.Private[domain.LoadTestRun]

    @strawberry.field(description="The load test that it is a run of.")
    async def load_test(self, info: Info) -> LoadTest | None:
        load_test = await info.context.loaders.load_test_by_id.load(self.load_test_id)
        return None if load_test is None else LoadTest.of(load_test)

    @strawberry.field(description="The k6 script that it runs.")
    async def script(self, info: Info) -> str:
        return str(await info.context.loaders.of_runs.scripts.load(self.number))

    @strawberry.field(
        description="Its place, from 1, among the runs that wait; null where it does not wait.", directives=[Volatile()]
    )
    async def place_in_queue(self, info: Info) -> int | None:
        wait = await info.context.loaders.of_runs.waits.load(self.number)
        return None if wait is None else wait.place

    @strawberry.field(description="What it waits for; null where it does not wait.", directives=[Volatile()])
    async def waits_for(self, info: Info) -> RunWait | None:
        wait = await info.context.loaders.of_runs.waits.load(self.number)
        if wait is None:
            return None
        behind = await info.context.loaders.run_by_id.load_many(list(wait.behind))
        return RunWait(reason=wait.reason, behind=[LoadTestRun.of(run) for run in behind if run is not None])

    @strawberry.field(
        description=(
            "What it measured, window by window, of all scenarios together, then of each; none before the first is over. Null, "
            "with an error of the code `WINDOWS_REMOVED`, where that was removed."
        ),
        directives=[Volatile()],
    )
    async def metrics(
        self,
        info: Info,
        first: FirstWindows = 100,
        after: AfterWindow = None,
    ) -> list[MetricSeries] | None:
        query = WindowQuery(run_id=self.number, after=second_of(after), first=checked_first(first, MAX_SERIES))
        return [MetricSeries.of(each) for each in await info.context.loaders.of_runs.series.load(query)]

    @strawberry.field(
        description=(
            "CPU and memory of each pod under test, window by window; none where nothing is known of them. Null, with an error "
            "of the code `WINDOWS_REMOVED`, where that was removed."
        ),
        directives=[Volatile()],
    )
    async def resources(
        self,
        info: Info,
        first: FirstWindows = 100,
        after: AfterWindow = None,
    ) -> list[PodSeries] | None:
        query = WindowQuery(run_id=self.number, after=second_of(after), first=checked_first(first, MAX_SERIES))
        found = await info.context.loaders.of_runs.resources.load(query)
        return [PodSeries.of(each) for each in found]

    @strawberry.field(
        description="The figures of the whole, of all scenarios together and then of each; empty before the first window.",
        directives=[Volatile()],
    )
    async def figures(self, info: Info) -> list[RunFigures]:
        is_final, figures = self.domain_run.has_ended, info.context.loaders.of_runs.figures
        return [RunFigures.of(each) for each in (self.domain_run.figures if is_final else await figures.load(self.number))]

    @strawberry.field(description="The reports of it that were written down, the oldest first.", directives=[Volatile()])
    async def reports(self, info: Info) -> list[Artifact]:
        return [Artifact.of(each) for each in await info.context.loaders.of_runs.reports.load(self.number)]

    @strawberry.field(description="The OpenAPI document that the script was made from.")
    async def document(self, info: Info) -> Artifact | None:
        document = document_id(self.domain_run.target_id, self.document_sha256)
        artifact = await info.context.loaders.artifact_by_id.load(document)
        return None if artifact is None else Artifact.of(artifact)

    @strawberry.field(
        description=(
            "The output of k6 from a byte on, for reading it later; `loadTestLog` streams it live. Null where there is none yet, "
            "and, with an error of the code `WINDOWS_REMOVED`, where it was removed."
        ),
        directives=[Volatile()],
    )
    async def log(
        self, info: Info, after: Annotated[int, strawberry.argument(description="The byte to begin at.")] = 0
    ) -> JobLog | None:
        self.domain_run.check_windows()
        place = LogPlace(self.domain_run.key, checked_offset(after), self.domain_run.has_ended)
        frame = await info.context.loaders.log_at.load(place)
        return None if frame is None else JobLog.of(frame)

    @strawberry.field(description="Its history, oldest event first.")
    async def events(self, info: Info, first: First = 50, after: After = None) -> LoadTestRunEventConnection:
        query = history_query("run event", self.number, first, after)
        return LoadTestRunEventConnection.of(await info.context.loaders.histories.runs.load(query), after)

    @classmethod
    def of(cls, run: domain.LoadTestRun) -> "LoadTestRun":
        """The type for a run of the domain."""
        return cls(
            id=strawberry.ID(ids.encode("LoadTestRun", run.id)),
            number=run.id,
            status=run.status,
            message=run.told,
            load_test_version=run.load_test_version,
            **cls.parts(run.definition),
            document_sha256=run.document_sha256,
            window_seconds=run.window_seconds,
            label=run.label,
            actor=run.actor,
            version=run.version,
            created_at=run.created_at,
            updated_at=run.updated_at,
            started_at=run.started_at,
            ended_at=run.ended_at,
            deadline=run.deadline,
            warned_at=run.warned_at,
            unheard_since=run.unheard_since,
            windows_removed_at=run.windows_removed_at,
            k6_version=run.summary.get("k6"),
            k6_requests=run.k6_requests,
            k6_cpu_seconds=run.said("cpuSeconds"),
            k6_cpu_busiest=run.said("cpuBusiest"),
            k6_figures=[K6Figure.of(each) for each in run.k6_figures],
            thresholds=[Threshold(**asdict(each)) for each in run.thresholds],
            load_test_id=run.load_test_id,
            domain_run=run,
        )


@strawberry.input(description="Which runs. What is left out does not restrict.")
class LoadTestRunFilter:
    project_id: strawberry.ID | None = strawberry.field(default=None, description="Of the project with this id.")
    target_id: strawberry.ID | None = strawberry.field(default=None, description="Of the target with this id.")
    load_test_id: strawberry.ID | None = strawberry.field(default=None, description="Of the load test with this id.")
    statuses: list[RunStatus] | None = strawberry.field(default=None, description="With one of these statuses.")
    scenario: str | None = strawberry.field(default=None, description="With a scenario of exactly that name.")
    label: str | None = strawberry.field(default=None, description="With exactly that label.")
    actor: str | None = strawberry.field(default=None, description="Started by the person with that subject.")
    created_from: datetime | None = strawberry.field(default=None, description="Asked for then or later.")
    created_to: datetime | None = strawberry.field(default=None, description="Asked for before then.")


@strawberry.type(description="A page of runs, the newest first.")
class LoadTestRunConnection(Connection[LoadTestRun]):
    query: strawberry.Private[LoadTestRunQuery]

    @strawberry.field(description="How many runs the filter has in all; costs a count.")
    async def total_count(self, info: Info) -> int:
        return await runs.count_runs(info.context.services, info.context.actor, self.query)

    @classmethod
    def of(cls, page: Page[domain.LoadTestRun], query: LoadTestRunQuery, after: str | None) -> "LoadTestRunConnection":
        """The connection for a page of runs."""
        cursors = [encode_cursor("run", each.id) for each in page.items]
        nodes = [LoadTestRun.of(each) for each in page.items]
        return cls(query=query, **page_parts(nodes, cursors, has_more=page.has_more, after=after))


def load_test_run_query(
    chosen: LoadTestRunFilter | None, first: int, after: str | None, most: int = MAX_PAGE
) -> LoadTestRunQuery:
    """The domain's query for a filter as sent, for `most` runs at most; what does not exist has no runs."""
    chosen = chosen or LoadTestRunFilter()
    place = decode_cursor("run", after, int)
    return LoadTestRunQuery(
        project_id=None if chosen.project_id is None else ids.found(ids.project_number, chosen.project_id) or 0,
        target_id=None if chosen.target_id is None else ids.found(ids.target_number, chosen.target_id) or 0,
        load_test_id=None if chosen.load_test_id is None else ids.found(ids.load_test_number, chosen.load_test_id) or 0,
        statuses=frozenset(chosen.statuses or ()),
        scenario=checked_text("filter.scenario", chosen.scenario),
        label=checked_text("filter.label", chosen.label),
        actor=checked_text("filter.actor", chosen.actor),
        created_from=chosen.created_from,
        created_to=chosen.created_to,
        after=None if place is None else (place[0],),
        first=checked_first(first, most),
    )
