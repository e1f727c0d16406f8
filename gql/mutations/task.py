"""What workers report of their tasks."""

from typing import Annotated

import strawberry

from gql import errors
from gql.context import Info
from gql.mutation import mutation
from gql.mutations.kit import IdempotencyKey
from gql.types.report import TaskReportInput, TaskReportResult
from resolvers import task as tasks
from resolvers.authorisation import require_worker


@strawberry.input(description="Reports of one attempt, in order.")
class TaskReportsInput:
    reports: list[TaskReportInput] = strawberry.field(description="At most 1000 reports.")


@strawberry.type(description="The results of the reports, in the order given.")
class TaskReportPayload:
    results: list[TaskReportResult] = strawberry.field(description="One result for each report.")


TaskReportAnswer = Annotated[
    TaskReportPayload | errors.ValidationFailed | errors.IdempotencyKeyReused | errors.PermissionDenied,
    strawberry.union("TaskReportAnswer", description="The results, or why none was taken in."),
]


@strawberry.type
class TaskMutation:
    @mutation(description="Report on the tasks of the worker's own attempt; needs the attempt's token. Safe to repeat as it is.")
    async def task_report(
        self,
        info: Info,
        input: Annotated[TaskReportsInput, strawberry.argument(description="The reports.")],
        idempotency_key: IdempotencyKey = None,
    ) -> TaskReportAnswer:
        context = info.context
        own = require_worker(context.actor).attempt
        reports = [each.as_report(own) for each in input.reports]
        results = await tasks.report_tasks(context.services, context.actor, reports, idempotency_key)
        return TaskReportPayload(results=[TaskReportResult.of(result) for result in results])
