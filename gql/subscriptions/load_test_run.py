"""Watching runs of load tests live."""

from collections.abc import AsyncGenerator
from typing import Annotated

import strawberry

from domain.run_frame import RunFrame
from gql import ids
from gql.context import Info
from gql.types.connection import AfterWindow, checked_offset, second_of
from gql.types.enums import MetricsInclude
from gql.types.job_log import JobLog
from gql.types.load_test_run import LoadTestRun, MetricSeries
from gql.types.resource_usage import PodSeries
from resolvers import live_load_test as live
from resolvers.job_log import watch_run_log


@strawberry.type(
    description=(
        "What is new of a run: windows that follow one another, of all scenarios together and then of each, and of each pod "
        "under test. Windows in which nothing arrived are sent too."
    )
)
class LoadTestMetricsFrame:
    run: LoadTestRun = strawberry.field(description="The run as it now is.")
    series: list[MetricSeries] = strawberry.field(
        description="What k6 measured in the windows; none where only the run itself has changed, or `include` leaves it out."
    )
    pods: list[PodSeries] = strawberry.field(
        description="What the pods under test used in the same windows; none where nothing is known of them, or left out."
    )
    is_snapshot: bool = strawberry.field(
        description="Whether it is the first frame, with all windows so far, or those that begin after `after`."
    )
    is_revision: bool = strawberry.field(
        description=(
            "Whether its windows were sent before, or begin no later than `after`, and something of them came late: it takes the "
            "place of what was sent. Either `series` or `pods` is revised; the other is empty and stays as it was."
        )
    )
    is_end: bool = strawberry.field(description="Whether the run has its verdict and nothing follows.")

    @classmethod
    def of(cls, frame: RunFrame) -> "LoadTestMetricsFrame":
        """The type for a frame of the use case."""
        return cls(
            run=LoadTestRun.of(frame.run),
            series=[MetricSeries.of(each) for each in frame.series],
            pods=[PodSeries.of(each) for each in frame.pods],
            is_snapshot=frame.is_snapshot,
            is_revision=frame.is_revision,
            is_end=frame.is_end,
        )


@strawberry.type
class LoadTestRunSubscription:
    @strawberry.subscription(
        description=(
            "What a run measures: the windows so far, then each as it ends, revisions of earlier ones, the verdict. With `after` "
            "the windows up to it count as sent; what came late of them before the subscription is not sent again."
        )
    )
    async def load_test_metrics(
        self,
        info: Info,
        run_id: Annotated[strawberry.ID, strawberry.argument(description="The run's id.")],
        include: Annotated[
            MetricsInclude, strawberry.argument(description="What to send: all, what k6 measures, or the pods' resources.")
        ] = MetricsInclude.ALL,
        after: AfterWindow = None,
    ) -> AsyncGenerator[LoadTestMetricsFrame, None]:
        services, actor = info.context.services, info.context.actor
        async for frame in live.watch_run(services, actor, ids.run_number(run_id), include, second_of(after)):
            yield LoadTestMetricsFrame.of(frame)

    @strawberry.subscription(
        description=(
            "The output of a run's k6 as it is written, from byte `after` on, until the run has its verdict; an error with the "
            "code `WINDOWS_REMOVED` where it was removed."
        )
    )
    async def load_test_log(
        self,
        info: Info,
        run_id: Annotated[strawberry.ID, strawberry.argument(description="The run's id.")],
        after: Annotated[int, strawberry.argument(description="The byte to go on from: `end` of the last piece seen.")] = 0,
    ) -> AsyncGenerator[JobLog, None]:
        services, actor = info.context.services, info.context.actor
        async for frame in watch_run_log(services, actor, ids.run_number(run_id), checked_offset(after)):
            yield JobLog.of(frame)
