"""Having the report of a run written down."""

from typing import Annotated

import strawberry

from gql import errors, ids
from gql.context import Info
from gql.mutation import mutation
from gql.mutations.kit import IdempotencyKey
from gql.mutations.load_test_run import RunId
from gql.types.artifact import Artifact
from gql.types.enums import ReportFormat
from resolvers import run_report as reports


@strawberry.type(description="The report is there.")
class LoadTestRunReportPayload:
    report: Artifact = strawberry.field(description="The report.")


LoadTestRunReportAnswer = Annotated[
    LoadTestRunReportPayload
    | errors.ValidationFailed
    | errors.NotFound
    | errors.IllegalTransition
    | errors.WindowsRemoved
    | errors.IdempotencyKeyReused
    | errors.PermissionDenied,
    strawberry.union("LoadTestRunReportAnswer", description="The report, or why there is none."),
]


@strawberry.type
class RunReportMutation:
    @mutation(
        description=(
            "Write down the report of a run that has ended, with its latest analysis, and keep it; takes seconds for runs of "
            "many hours. A repeat is the same report, unless the run was analysed since."
        )
    )
    async def load_test_run_report(
        self,
        info: Info,
        run_id: RunId,
        format: Annotated[ReportFormat, strawberry.argument(description="How to write it down.")] = ReportFormat.HTML,
        idempotency_key: IdempotencyKey = None,
    ) -> LoadTestRunReportAnswer:
        services, actor = info.context.services, info.context.actor
        made = await reports.report_run(services, actor, ids.run_number(run_id), format, idempotency_key)
        return LoadTestRunReportPayload(report=Artifact.of(made))
