"""What people do with runs of the daily batch: start, cancel and find them. `controllers/daily_batch_runner` works them off."""

import logging
from collections.abc import Sequence
from dataclasses import replace

from domain.actor import Actor, Person
from domain.audit_entry import AuditAction, AuditEntry
from domain.batch_query import DailyBatchRunQuery
from domain.daily_batch_run import BatchPart, BatchRefusal, DailyBatchRun
from domain.errors import AlreadyRunning, UserError, ValidationFailed
from domain.kit import ProductLine
from domain.live import Notice, Topic
from domain.permission_kind import PermissionAction, Right, kinds_that_open
from domain.permission_request import optional_reason
from domain.query import HistoryQuery, Page
from domain.storage import UnitOfWork
from resolvers.authorisation import denial, refusal_of, require_person, require_right, visibility_of
from resolvers.idempotency import Idempotency
from resolvers.services import Services
from resolvers.versioned import known

log = logging.getLogger(__name__)


async def start_daily_batch(
    services: Services,
    actor: Actor,
    product_line: ProductLine | None,
    is_dry_run: bool,
    idempotency_key: str | None = None,
) -> DailyBatchRun:
    """Queue a run for a product line (None: the only one in which the person may work), or a dry run, which stores no results.

    `AlreadyRunning` where the product line has one that has not ended; a dry run and another do not mind each other.
    """
    person = require_person(actor)
    line = product_line or _only_line(services, actor)
    require_right(services, actor, line, PermissionAction.GENERAL)
    given = {"productLine": product_line, "dryRun": is_dry_run}
    idempotency = Idempotency.of(person.subject, "dailyBatchRun", idempotency_key, given)
    while True:
        async with services.database.transaction() as work:
            if idempotency is not None and (outcome := await idempotency.replayed(work)) is not None:
                return await _read(work, actor, outcome["dailyBatchRun"])
            queued = DailyBatchRun.queued(line, await work.kits.now(), is_dry_run=is_dry_run)
            run = await work.daily_batch_runs.add(replace(queued, actor=person.subject, actor_name=person.name))
            if run is None:
                other = await work.daily_batch_runs.unended(line, is_dry_run=is_dry_run)
                if other is not None:
                    raise AlreadyRunning(line, other.id)
            elif idempotency is not None:
                await idempotency.complete(work, {"dailyBatchRun": run.id})
        if run is not None:
            await tell(services, run)
            log.info("dailyBatchRun", extra={"daily_batch_run": run.id, "subject": person.subject, "is_dry_run": is_dry_run})
            return run


def _only_line(services: Services, actor: Actor) -> ProductLine:
    lines = sorted({right.product_line for right in require_person(actor).rights if right.action is PermissionAction.GENERAL})
    if len(lines) > 1:
        raise ValidationFailed.of("productLine", f"is required: you may work in {' and '.join(lines)}")
    if not lines:
        raise denial(services, PermissionAction.GENERAL)
    return lines[0]


async def cancel_daily_batch(
    services: Services, actor: Actor, number: int, reason: str | None = None, idempotency_key: str | None = None
) -> DailyBatchRun:
    """End a run; what it has stored stays. One that runs ends within seconds. It is for who started it, and for set-up users.

    Where no permission makes anybody that, as in DRAM, everybody who works in the product line can. The audit has the reason,
    where one is given.
    """
    person = require_person(actor)
    idempotency = Idempotency.of(person.subject, "dailyBatchRunCancel", idempotency_key, {"id": number, "reason": reason})
    async with services.database.transaction() as work:
        is_replay = idempotency is not None and await idempotency.replayed(work) is not None
        run = await work.daily_batch_runs.lock(number, visibility_of(actor))
        run = known({} if run is None else {number: run}, "daily batch run", number)
        if is_replay:
            return run
        _require_ending(services, actor, run)
        why = optional_reason({"reason": reason}) or None
        at = max(run.updated_at, await work.kits.now())
        cancelled = run.cancelled_by_person(person.subject, person.name, at)
        await work.daily_batch_runs.change(cancelled)
        if not run.is_cancel_requested:
            await work.audit.add([_entry(run, person, why)], at)
        if idempotency is not None:
            await idempotency.complete(work, {"dailyBatchRun": number})
    await tell(services, cancelled)
    log.info("dailyBatchRunCancel", extra={"daily_batch_run": number, "subject": person.subject})
    return cancelled


def _entry(run: DailyBatchRun, person: Person, reason: str | None) -> AuditEntry:
    """That the person has cancelled the run, which concerns who has started it."""
    return AuditEntry(
        action=AuditAction.DAILY_BATCH_CANCELLED,
        person=run.actor or person.subject,
        person_name=run.actor_name or person.name,
        actor=person.subject,
        actor_name=person.name,
        reason=reason,
        details={"dailyBatchRunId": run.id},
    )


def _require_ending(services: Services, actor: Actor, run: DailyBatchRun) -> None:
    person = require_person(actor)
    if run.actor == person.subject:
        return
    needed = Right(run.product_line, PermissionAction.SET_UP)
    if kinds_that_open(needed):
        require_right(services, actor, needed.product_line, needed.action)


def why_not_cancel(services: Services, actor: Actor, run: DailyBatchRun) -> UserError | None:
    """What cancelling the run now would be refused with; None where it would not."""

    def decide() -> None:
        _require_ending(services, actor, run)
        run.cancelled(run.updated_at)

    return refusal_of(decide)


async def _read(work: UnitOfWork, actor: Actor, number: int) -> DailyBatchRun:
    return known(await work.daily_batch_runs.get_many([number], visibility_of(actor)), "daily batch run", number)


async def tell(services: Services, run: DailyBatchRun) -> None:
    """Tell that a run has changed."""
    await services.bus.publish([Notice(Topic.DAILY_BATCH_RUN, str(run.id), run.version)])


async def find_daily_batch_runs(services: Services, actor: Actor, ids: list[int]) -> dict[int, DailyBatchRun]:
    """The runs of these ids that exist for the caller."""
    async with services.database.snapshot() as work:
        return await work.daily_batch_runs.get_many(ids, visibility_of(actor))


async def list_daily_batch_runs(services: Services, actor: Actor, query: DailyBatchRunQuery) -> Page[DailyBatchRun]:
    """A page of the runs that exist for the caller."""
    async with services.database.snapshot() as work:
        return await work.daily_batch_runs.page(query, visibility_of(actor))


async def count_daily_batch_runs(services: Services, actor: Actor, query: DailyBatchRunQuery) -> int:
    """How many runs the query has in all."""
    async with services.database.snapshot() as work:
        return await work.daily_batch_runs.count(query, visibility_of(actor))


async def parts_of_runs(services: Services, run_ids: list[int]) -> list[BatchPart]:
    """The parts of runs that the caller was shown, by model and version."""
    async with services.database.snapshot() as work:
        return await work.daily_batch_runs.parts(run_ids)


async def refusals_of_runs(services: Services, queries: Sequence[HistoryQuery]) -> list[Page[BatchRefusal]]:
    """Pages of what runs that the caller was shown have refused."""
    async with services.database.snapshot() as work:
        return await work.daily_batch_runs.refusals(queries)
