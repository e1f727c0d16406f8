"""What people do with runs of load tests, and what load generators report."""

from datetime import datetime
from typing import Annotated

import strawberry
from strawberry.scalars import JSON

from domain import load_test_run as domain
from gql import errors, ids
from gql.context import Info
from gql.mutation import mutation
from gql.mutations.kit import IdempotencyKey
from gql.mutations.load_test import LoadTestId
from gql.mutations.project import ExpectedVersion
from gql.types.enums import LoadTestReportKind
from gql.types.load_test_run import LoadTestRun
from gql.types.report import TaskReportResult
from resolvers import load_generator as generators
from resolvers import load_test_run as runs
from resolvers.quick_start import quick_start

Label = Annotated[
    str | None,
    strawberry.argument(
        description=f"What is tested, such as a git commit or a version: one line of at most {domain.MAX_LABEL} characters."
    ),
]
RunId = Annotated[strawberry.ID, strawberry.argument(description="The run's id.")]


@strawberry.type(description="The run was queued or is being stopped.")
class LoadTestRunPayload:
    run: LoadTestRun = strawberry.field(description="The run as it now is.")


LoadTestRunAnswer = Annotated[
    LoadTestRunPayload
    | errors.ValidationFailed
    | errors.NotFound
    | errors.IllegalTransition
    | errors.VersionConflict
    | errors.SecretUnavailable
    | errors.IdempotencyKeyReused
    | errors.PermissionDenied,
    strawberry.union("LoadTestRunAnswer", description="The run as it now is, or why the command was refused."),
]


@strawberry.input(description="One thing that a load generator says about its run.")
class LoadTestReportInput:
    sequence: int = strawberry.field(description="The report's number: 1, 2, 3 … without gaps. A repeat changes nothing.")
    kind: LoadTestReportKind = strawberry.field(description="What it is.")
    reported_at: datetime | None = strawberry.field(default=None, description="The generator's clock.")
    metadata: JSON | None = strawberry.field(
        default=None, description="What it says: the figures of one scenario in one window so far, the summary, or a note."
    )


@strawberry.type(description="The results of the reports, in the order given.")
class LoadTestReportPayload:
    results: list[TaskReportResult] = strawberry.field(description="One result for each report.")


LoadTestReportAnswer = Annotated[
    LoadTestReportPayload | errors.ValidationFailed | errors.NotFound | errors.IdempotencyKeyReused | errors.PermissionDenied,
    strawberry.union("LoadTestReportAnswer", description="The results, or why none was taken in."),
]


@strawberry.type
class LoadTestRunMutation:
    @mutation(
        description=(
            "Queue a run of the load test as it now is. It begins when its turn has come: what a scheme, host and port lead to "
            "is under one load at a time, unless the server's settings allow more."
        )
    )
    async def load_test_start(
        self,
        info: Info,
        id: LoadTestId,
        label: Label = None,
        expected_version: ExpectedVersion = None,
        idempotency_key: IdempotencyKey = None,
    ) -> LoadTestRunAnswer:
        services, actor = info.context.services, info.context.actor
        run = await runs.start_load_test(services, actor, ids.load_test_number(id), expected_version, idempotency_key, label)
        return LoadTestRunPayload(run=LoadTestRun.of(run))

    @mutation(
        description=(
            "From an address to a running load test: analyse the API there, take up to five endpoints that change nothing and "
            "are open to everybody, and call them gently for a minute or ten windows; none whose path or operation id says that "
            "it ends a session, or removes or stops something, and none with a made up value in its path where there are others: "
            "the load test's `description` says where there are not. Takes as long as `targetAnalyze`. "
            "All of it is kept, in the project `Quick start`, and used again the next time, the load test in a new version where "
            "it was changed."
        )
    )
    async def load_test_quick_start(
        self,
        info: Info,
        url: Annotated[str, strawberry.argument(description="Any http(s) address of the API, as of a target.")],
        server: Annotated[
            str | None,
            strawberry.argument(description="The base address that is called, where the document names one elsewhere."),
        ] = None,
        label: Label = None,
        idempotency_key: IdempotencyKey = None,
    ) -> LoadTestRunAnswer:
        services, actor = info.context.services, info.context.actor
        run = await quick_start(services, actor, url, server, idempotency_key, label)
        return LoadTestRunPayload(run=LoadTestRun.of(run))

    @mutation(description="End a run before its end, within seconds. Its figures so far stay; it is `ABORTED` then.")
    async def load_test_stop(
        self, info: Info, id: RunId, expected_version: ExpectedVersion = None, idempotency_key: IdempotencyKey = None
    ) -> LoadTestRunAnswer:
        services, actor = info.context.services, info.context.actor
        run = await runs.stop_load_test(services, actor, ids.run_number(id), expected_version, idempotency_key)
        return LoadTestRunPayload(run=LoadTestRun.of(run))

    @mutation(description="Report on the generator's own run; needs the generator's token. Safe to repeat as it is.")
    async def load_test_report(
        self,
        info: Info,
        reports: Annotated[list[LoadTestReportInput], strawberry.argument(description="At most 1000 reports, in order.")],
        idempotency_key: IdempotencyKey = None,
    ) -> LoadTestReportAnswer:
        given = [generators.GeneratorReport(sequence=each.sequence, kind=each.kind, document=each.metadata) for each in reports]
        results = await generators.report_load(info.context.services, info.context.actor, given, idempotency_key)
        return LoadTestReportPayload(results=[TaskReportResult.of(result) for result in results])
