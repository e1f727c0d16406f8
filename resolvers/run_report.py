"""What people do with reports of runs: have them made and kept, and fetch them."""

import asyncio
import hashlib
import logging

from domain.actor import Actor
from domain.query import LoadTestAnalysisQuery, ResourceUsageQuery
from domain.run_report import ReportFormat, StoredReport, run_report
from domain.run_report_html import html_report
from domain.run_report_markdown import markdown_report
from resolvers.artifact import signed_url
from resolvers.authorisation import require_person
from resolvers.comparison import measured_run
from resolvers.idempotency import Idempotency
from resolvers.services import Services
from resolvers.upload import keep

log = logging.getLogger(__name__)
MUTATION = "loadTestRunReport"
WRITERS = {ReportFormat.HTML: html_report, ReportFormat.MARKDOWN: markdown_report}


async def report_run(
    services: Services, actor: Actor, run_id: int, form: ReportFormat, idempotency_key: str | None = None
) -> StoredReport:
    """Write down the report of a run that has ended, with its latest analysis, and keep it by its checksum."""
    person = require_person(actor)
    idempotency = Idempotency.of(person.subject, MUTATION, idempotency_key, {"run": run_id, "format": form})
    made = await _made(services, run_id, form)
    if idempotency is not None:
        async with services.database.transaction() as work:
            if (outcome := await idempotency.replayed(work)) is not None:
                return StoredReport(run_id=run_id, format=form, sha256=outcome["sha256"], size=outcome["size"])
            await idempotency.complete(work, {"sha256": made.sha256, "size": made.size})
    log.info(MUTATION, extra={"run": run_id, "format": str(form), "sha256": made.sha256, "subject": person.subject})
    return made


async def _made(services: Services, run_id: int, form: ReportFormat) -> StoredReport:
    async with services.database.snapshot() as work:
        measured = await measured_run(work, run_id)
        usages = await work.resource_usages.find(ResourceUsageQuery(run_id=run_id))
        analyses = await work.load_test_analyses.page(LoadTestAnalysisQuery(run_id=run_id, first=1))
    analysis = next(iter(analyses.items), None)

    def write() -> tuple[bytes, str]:
        content = WRITERS[form](run_report(measured.run, measured.windows, usages, analysis))
        return content, hashlib.sha256(content).hexdigest()

    content, sha256 = await asyncio.to_thread(write)
    report = StoredReport(run_id=run_id, format=form, sha256=sha256, size=len(content))
    await keep(services, report.location, sha256, content)
    return report


def report_url(services: Services, report: StoredReport) -> str:
    """A link to the content of a report that the caller was shown; it needs no sign-in and expires."""
    return signed_url(services, f"/{report.location}", services.download_lifetime)
