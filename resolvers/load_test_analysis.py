"""What people do with analyses of runs: make them and look at them."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from time import perf_counter

from domain.actor import Actor, Person
from domain.errors import NotFound, ValidationFailed
from domain.finding import Finding
from domain.load_test_analysis import AnalysisKind, LoadTestAnalysis, analyse
from domain.project import ProjectRole
from domain.query import LoadTestAnalysisQuery, Page, WindowQuery
from domain.resource_peak import resource_columns
from domain.wording import UNASKED, ChatFailed, Wording, WordingStatus, messages, worded
from resolvers.authorisation import membership_of, require_person, require_role
from resolvers.comparison import measured_run
from resolvers.idempotency import Idempotency
from resolvers.services import Services
from resolvers.versioned import Overtaken

log = logging.getLogger(__name__)
MUTATION = "loadTestAnalyze"


async def analyze_run(
    services: Services,
    actor: Actor,
    kind: AnalysisKind,
    run_id: int,
    baseline_run_id: int | None = None,
    idempotency_key: str | None = None,
) -> LoadTestAnalysis:
    """Look at a run that has ended, have a chat model word what was found where there is one, and keep both.

    `ValidationFailed` where nothing could be looked at. Whatever the model does, what was found stands.
    """
    person = require_person(actor)
    given = {"kind": kind, "run": run_id, "baselineRun": baseline_run_id}
    idempotency = Idempotency.of(person.subject, MUTATION, idempotency_key, given)
    while True:
        async with services.database.snapshot() as work:
            is_repeat = idempotency is not None and await idempotency.earlier(work) is not None
        made = None if is_repeat else await _analysis(services, person, kind, run_id, baseline_run_id)
        with suppress(Overtaken):
            return await _kept(services, person, made, idempotency)


async def _kept(
    services: Services, person: Person, made: LoadTestAnalysis | None, idempotency: Idempotency | None
) -> LoadTestAnalysis:
    """What the command made now or, as a repeat, before; `Overtaken` where neither is there."""
    async with services.database.transaction() as work:
        if idempotency is not None and (outcome := await idempotency.replayed(work)) is not None:
            found = await work.load_test_analyses.get_many([outcome["analysis"]], membership_of(person))
            if outcome["analysis"] not in found:
                raise NotFound("analysis", outcome["analysis"])
            return found[outcome["analysis"]]
        if made is None:
            raise Overtaken
        await require_role(work, person, made.project_id, ProjectRole.EDITOR)
        made = await work.load_test_analyses.add(made)
        if idempotency is not None:
            await idempotency.complete(work, {"analysis": made.id})
    told = {"kind": str(made.kind), "subject": made.actor, "wording": str(made.wording.status)}
    log.info(MUTATION, extra={"run": made.run_id, "analysis": made.id, **told})
    return made


async def _analysis(
    services: Services, person: Person, kind: AnalysisKind, run_id: int, baseline_run_id: int | None
) -> LoadTestAnalysis:
    if kind is AnalysisKind.COMPARISON and baseline_run_id is None:
        raise ValidationFailed.of("baselineRunId", "is needed by a COMPARISON")
    if baseline_run_id == run_id:
        raise ValidationFailed.of("baselineRunId", "is the run itself")
    before = perf_counter()
    async with services.database.snapshot() as work:
        membership = membership_of(person)
        measured = await measured_run(work, run_id, membership)
        await require_role(work, person, measured.run.project_id, ProjectRole.EDITOR)
        baseline = None if baseline_run_id is None else await measured_run(work, baseline_run_id, membership)
        (usages,) = await work.resource_usages.find([WindowQuery(run_id=run_id)])
    resources = list(resource_columns(usages, measured.run.window_seconds))
    conclusion = await asyncio.to_thread(analyse, kind, measured, baseline, resources)
    if conclusion.score is None:
        raise ValidationFailed.of("runId", " ".join(("has nothing that this analysis could look at.", *conclusion.remarks)))
    run, wording = measured.run, await _wording(services, conclusion.findings)
    return LoadTestAnalysis(
        id=0,
        project_id=run.project_id,
        load_test_id=run.load_test_id,
        run_id=run.id,
        baseline_run_id=baseline_run_id,
        kind=kind,
        model=services.chat.name if services.chat is not None and wording.claims else None,
        seconds=perf_counter() - before,
        actor=person.subject,
        created_at=run.updated_at,
        conclusion=conclusion,
        wording=wording,
    )


async def _wording(services: Services, findings: Sequence[Finding]) -> Wording:
    """What a chat model says of the findings, as far as it stands; takes as long as the model may take."""
    if services.chat is None:
        return UNASKED
    if not findings:
        return Wording(status=WordingStatus.NOTHING_FOUND)
    try:
        answer = await services.chat.answer(messages(findings))
    except ChatFailed as failure:
        return Wording(status=failure.status)
    return await asyncio.to_thread(worded, findings, answer)


async def find_analyses(services: Services, actor: Actor, ids: list[int]) -> dict[int, LoadTestAnalysis]:
    """The analyses of these ids that exist for the caller."""
    async with services.database.snapshot() as work:
        return await work.load_test_analyses.get_many(ids, membership_of(actor))


async def list_analyses(services: Services, actor: Actor, query: LoadTestAnalysisQuery) -> Page[LoadTestAnalysis]:
    """A page of the analyses in the caller's projects."""
    async with services.database.snapshot() as work:
        return await work.load_test_analyses.page(query, membership_of(actor))


async def count_analyses(services: Services, actor: Actor, query: LoadTestAnalysisQuery) -> int:
    """How many analyses the query has in all."""
    async with services.database.snapshot() as work:
        return await work.load_test_analyses.count(query, membership_of(actor))
