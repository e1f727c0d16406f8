"""What people do with reports of runs: have them made and kept. What is kept is removed with the run's other figures."""

import asyncio
import hashlib
import logging
from dataclasses import replace

from domain.actor import Actor, Person
from domain.artifact import Artifact, RunArtifact, report_id, reports_folder
from domain.errors import NotFound
from domain.project import ProjectRole
from domain.query import LoadTestAnalysisQuery, WindowQuery
from domain.run_report import ReportFormat, run_report
from domain.run_report_html import html_report
from domain.run_report_markdown import markdown_report
from domain.visibility import EVERYTHING
from resolvers.authorisation import membership_of, reach_of, require_person, require_role
from resolvers.comparison import measured_run
from resolvers.idempotency import Idempotency
from resolvers.services import Services
from resolvers.upload import keep

log = logging.getLogger(__name__)
MUTATION = "loadTestRunReport"
WRITERS = {ReportFormat.HTML: html_report, ReportFormat.MARKDOWN: markdown_report}


async def report_run(
    services: Services, actor: Actor, run_id: int, form: ReportFormat, idempotency_key: str | None = None
) -> Artifact:
    """Write down the report of a run that has ended, with its latest analysis; one with the same content is kept already.

    The content is in the artifact store before the database names it.
    """
    person = require_person(actor)
    idempotency = Idempotency.of(person.subject, MUTATION, idempotency_key, {"run": run_id, "format": form})
    made, content = await _made(services, person, run_id, form)
    await keep(services, made.location, made.sha256, content)
    async with services.database.transaction() as work:
        if idempotency is not None and (outcome := await idempotency.replayed(work)) is not None:
            first = report_id(run_id, outcome["sha256"])
            found = await work.artifacts.get_many([first], EVERYTHING, membership_of(person), reach_of(person))
            if first not in found:
                raise NotFound("report", first)
            return found[first]
        stored = await work.artifacts.add_once(replace(made, created_at=await work.kits.now()))
        if idempotency is not None:
            await idempotency.complete(work, {"sha256": made.sha256})
    log.info(MUTATION, extra={"run": run_id, "format": str(form), "sha256": made.sha256, "subject": person.subject})
    return stored


async def _made(services: Services, person: Person, run_id: int, form: ReportFormat) -> tuple[RunArtifact, bytes]:
    async with services.database.snapshot() as work:
        measured = await measured_run(work, run_id, membership_of(person))
        await require_role(work, person, measured.run.project_id, ProjectRole.EDITOR)
        (usages,) = await work.resource_usages.find([WindowQuery(run_id=run_id)])
        analyses = await work.load_test_analyses.page(LoadTestAnalysisQuery(run_id=run_id, first=1), membership_of(person))
    analysis = next(iter(analyses.items), None)

    def write() -> tuple[bytes, str]:
        content = WRITERS[form](run_report(measured.run, measured.windows, usages, analysis))
        return content, hashlib.sha256(content).hexdigest()

    content, sha256 = await asyncio.to_thread(write)
    report = RunArtifact(
        id=report_id(run_id, sha256),
        name=f"run-{run_id}.{form.suffix}",
        media_type=form.media_type,
        sha256=sha256,
        size=len(content),
        created_at=measured.run.updated_at,
        run_id=run_id,
        actor=person.subject,
        analysis_id=None if analysis is None else analysis.id,
    )
    return report, content


async def remove_reports(services: Services, run_id: int) -> None:
    """Remove the reports of a run, content and records; one that broke off is finished by the next.

    Content goes first: were the records gone, nothing would lead to it any more.
    """
    await services.artifacts.remove(reports_folder(run_id))
    async with services.database.transaction() as work:
        await work.artifacts.remove_of_run(run_id)
