"""What workers report of their tasks."""

from collections.abc import Sequence
from dataclasses import asdict

from domain.actor import Actor
from domain.errors import PermissionDenied, ValidationFailed
from domain.report import Report, ReportResult
from resolvers.authorisation import require_worker
from resolvers.idempotency import Idempotency
from resolvers.services import Services

MAX_REPORTS = 1_000


async def report_tasks(
    services: Services, actor: Actor, reports: Sequence[Report], idempotency_key: str | None = None
) -> list[ReportResult]:
    """Take in reports of the worker's own attempt, each with its own result, in the order given.

    Their numbers make a repeat harmless; `idempotency_key` adds that the same key can't come with other reports.
    """
    worker = require_worker(actor)
    if not 0 < len(reports) <= MAX_REPORTS:
        raise ValidationFailed.of("reports", f"must be 1 to {MAX_REPORTS} reports")
    foreign = next((report for report in reports if report.attempt != worker.attempt), None)
    if foreign is not None:
        raise PermissionDenied(f"This token belongs to attempt {worker.attempt}; it can't report on {foreign.attempt}.")
    given = {"reports": [asdict(report) for report in reports]}
    idempotency = Idempotency.of(str(worker.attempt), "taskReport", idempotency_key, given)
    return await services.reports.submit(worker, reports, idempotency)
