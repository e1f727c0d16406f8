"""Works off runs of the daily batch: what models predict for the rows that they are assigned to is stored, each result once.

A run is queued when its time has come, or by a person. What it has to do is planned first, a part for each model with the version
that is in use; then each model predicts for its rows, some of them in a transaction with how far its part has come. In that
transaction the run's fence is held, the version is kept in use, and it is asked again which of the rows are assigned and lack the
result: so nothing is stored by a server that was overtaken, by a model that was changed, or twice.

A row that breaks the model's process or takes it too long is refused alone, and a new process goes on with the next.
"""

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, replace

from controllers.background_worker import BackgroundWorker, BackgroundWorkerSettings, Taken, WorkStore
from controllers.daily_batch_clock import queue_due_runs
from controllers.judged_row import JudgedRow, Patience, judge_rows
from domain.artifact import model_location
from domain.daily_batch_run import (
    BatchPart,
    BatchPartStatus,
    Counts,
    DailyBatchRun,
    DailyBatchRunStatus,
)
from domain.daily_batch_schedule import DailyBatchSchedule
from domain.errors import NotFound
from domain.kit import ProductLine
from domain.live import Topic
from domain.lot_row import LotRow
from domain.model_version import ModelContent, ModelVersion, VersionKey
from domain.ports import LoadedModel
from domain.prediction import ModelUnusable
from domain.set_up_model import SetUpModel
from domain.storage import UnitOfWork
from domain.visibility import EVERY_MODEL
from resolvers.daily_batch_run import tell
from resolvers.model_assignment import holding_of
from resolvers.services import Services

log = logging.getLogger(__name__)
BATCH_ROWS = 200


class RunCancelled(Exception):
    """Somebody wants the run to end."""


class Superseded(Exception):
    """The version of a model that a part is about is not in use any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyBatchRunnerSettings(BackgroundWorkerSettings):
    """When runs are due; None: only when people start them."""

    schedule: DailyBatchSchedule | None = None


class DailyBatchRunner(BackgroundWorker[DailyBatchRun]):
    """The loop of one server, which also queues the runs that are due."""

    topic = Topic.DAILY_BATCH_RUN
    what = "daily batch run"
    at_once = 2 * len(ProductLine)  # what is under way in one product line keeps neither the other nor a dry run waiting

    def __init__(self, services: Services, server: str, settings: DailyBatchRunnerSettings) -> None:
        super().__init__(services, server, settings)
        self._schedule = settings.schedule

    def store(self, work: UnitOfWork) -> WorkStore[DailyBatchRun]:
        """See `BackgroundWorker.store`."""
        return work.daily_batch_runs

    async def tell(self, changed: DailyBatchRun) -> None:
        """See `BackgroundWorker.tell`."""
        await tell(self._services, changed)

    async def look(self) -> None:
        """Queue the runs that are due."""
        if self._schedule is not None:
            async with self._services.database.snapshot() as work:
                now = await work.kits.now()
            await queue_due_runs(self._services, self._schedule, now)

    def take(self, claimed: DailyBatchRun) -> Taken[DailyBatchRun]:
        """See `BackgroundWorker.take`."""
        return _Run(self._services, claimed)


NOT_ASKED = "The model gave no answer for this row before, nor for too many others in this run: it was not asked again."
_CANCELLED = "Cancelled; the results that it had stored stay."


class _Run(Taken[DailyBatchRun]):
    """A run that this server has taken up."""

    def store(self, work: UnitOfWork) -> WorkStore[DailyBatchRun]:
        """See `Taken.store`."""
        return work.daily_batch_runs

    async def run(self) -> None:
        """See `Taken.run`: plan if that was not done, then let the parts look at their rows until all are at their end."""
        try:
            if not self.found.is_planned:
                await self._plan()
            while (part := await self._next_part()) is not None:
                await self._do(part)
        except RunCancelled:
            await self._end(DailyBatchRunStatus.CANCELLED, _CANCELLED)
            return
        failed = [part for part in await self._parts() if part.status is BatchPartStatus.FAILED]
        if failed:
            models = ", ".join(str(part.model_version.model_id) for part in failed[:20])
            message = f"These set-up models could not be asked: {models}. See `parts`. The next run does what is left."
            await self._end(DailyBatchRunStatus.FAILED, message)
        else:
            await self._end(DailyBatchRunStatus.SUCCEEDED)

    async def cancel(self) -> None:
        """See `Taken.cancel`; what it has stored stays."""
        await self._end(DailyBatchRunStatus.CANCELLED, _CANCELLED)

    async def fail(self, error_id: str) -> bool:
        """See `Taken.fail`: a model's part fails alone, and the others are still to come."""
        message = (
            f"Internal error, id {error_id}. Those who run PLOG find it in the log by that id; the next run does what is left."
        )
        part = await self._next_part() if self.found.is_planned else None
        if part is None:
            await self._end(DailyBatchRunStatus.FAILED, message)
            return False
        await self._end_part(part, BatchPartStatus.FAILED, message)
        return True

    async def _end(self, status: DailyBatchRunStatus, message: str = "") -> None:
        """Let the run end, with what it has not come to."""
        async with self.services.database.transaction() as work:
            held = await self.hold(work)
            for part in await self._parts(work):
                if part.status is BatchPartStatus.PENDING:
                    await work.daily_batch_runs.change_part(part.ended(BatchPartStatus.CANCELLED))
            ended = held.became(status, max(held.updated_at, await work.kits.now()), message)
            await work.daily_batch_runs.change(ended)
        await tell(self.services, ended)
        counts = {"stored": ended.counts.stored, "refused": ended.counts.refused}
        log.info("daily batch run ended", extra={"daily_batch_run": ended.id, "status": str(status), **counts})

    async def _plan(self) -> None:
        """Say what there is to do: a part for each model that is assigned to something, with the version that is in use.

        The rows are counted before the transaction, which on SQLite lets nobody else write.
        """
        async with self.services.database.snapshot() as work:
            numbers = await work.model_assignments.models(self.found.product_line)
            models = await work.set_up_models.get_many(numbers, EVERY_MODEL)
            parts = [await self._planned(work, models[number]) for number in sorted(models) if _is_used(models[number])]
        async with self.services.database.transaction() as work:
            held = await self.hold(work)
            await work.daily_batch_runs.add_parts(parts)
            await self._count(work, replace(held, is_planned=True))
        await tell(self.services, self.found)

    async def _planned(self, work: UnitOfWork, model: SetUpModel) -> BatchPart:
        key = VersionKey(model.id, model.active_version)
        holding = await _holding(work, model.id)
        considered, having = await work.lot_results.assigned(key, model.product_line, holding)
        counts = Counts(considered=considered, skipped=having)
        return BatchPart(run_id=self.found.id, model_version=key, counts=counts)

    async def _do(self, part: BatchPart) -> None:
        """Bring a look of a model's part to its end; where another version comes in use, another part has to."""
        try:
            await self._look(part)
            await self._change_part(part, lambda now: now.looked(len(self.found.looks)))
        except Superseded:
            await self._supersede(part)
        except ModelUnusable as error:
            await self._end_part(part, BatchPartStatus.FAILED, str(error))
        except NotFound:
            await self._end_part(part, BatchPartStatus.FAILED, "The model's file is not there any more.")

    async def _look(self, part: BatchPart) -> None:
        """Let the model predict for the rows of a look, in a new process where it gave no answer for one.

        Where it gives none for too many, the part can't go on (`ModelUnusable`); but of rows that it gave none for before, only
        the rest are not asked for again.
        """
        patience = Patience(again=self.found.looks[part.look])
        async with AsyncExitStack() as process:
            model: LoadedModel | None = None
            while (found := await self._next_rows(part)) is not None:
                version, rows = found
                if patience.is_lost:
                    judged = [JudgedRow(row=row, refusal=NOT_ASKED) for row in rows]
                else:
                    if model is None:
                        model = await process.enter_async_context(self._load(version.content))
                    judged = await judge_rows(model, version, rows)
                    patience.hear(judged)
                part = await self._store(part, version, judged)
                if judged[-1].is_unanswered:
                    await process.aclose()
                    model = None
                if patience.is_lost and not patience.again:
                    count = f"{patience.in_all} rows, the last {patience.in_a_row} of them in a row"
                    message = f"The model gave no answer for {count}; see `refusals`. The next run asks for all others first."
                    raise ModelUnusable(message)

    def _load(self, content: ModelContent) -> AbstractAsyncContextManager[LoadedModel]:
        file = self.services.artifacts.read(model_location(content.sha256), 0, content.size)
        return self.services.model_predictor.load(file, content)

    async def _next_rows(self, part: BatchPart) -> tuple[ModelVersion, list[LotRow]] | None:
        """The part's version, which is in use, or `Superseded`, and the next rows of its look; None at the end of it."""
        key = part.model_version
        async with self.services.database.snapshot() as work:
            await _check_in_use(work, key)
            rows = await work.lot_results.lacking(
                key,
                self.found.product_line,
                await _holding(work, key.model_id),
                after=part.after,
                limit=BATCH_ROWS,
                was_unanswered=self.found.looks[part.look],
                not_refused_in=self.found.id,
            )
            return ((await work.model_versions.get_many([key]))[key], rows) if rows else None

    async def _store(self, part: BatchPart, version: ModelVersion, judged: Sequence[JudgedRow]) -> BatchPart:
        """Store what the model said of rows, and that they were looked at, or nothing."""
        key, line = part.model_version, self.found.product_line
        async with self.services.database.transaction() as work:
            held = await self.hold(work)
            if held.is_cancel_requested:
                raise RunCancelled
            await _check_in_use(work, key, is_locked=True)
            holding = await _holding(work, key.model_id)
            numbers = [each.row.id for each in judged]
            lacking = {(row.id, row.version) for row in await work.lot_results.lacking(key, line, holding, among=numbers)}
            wanted = [each for each in judged if (each.row.id, each.row.version) in lacking]
            results = [each.result(version, held) for each in wanted if each.refusal is None]
            refusals = [each.refused(version, held) for each in wanted if each.refusal is not None]
            at = max(held.updated_at, await work.kits.now())
            stored = len(results) if held.is_dry_run else await work.lot_results.add(results, at)
            await work.daily_batch_runs.refuse(held.kept(refusals))
            flagged = sum(bool(result.out_of_range) for result in results)
            more = Counts(stored=stored, refused=len(refusals), flagged=flagged)
            part = part.progressed(judged[-1].row.id, more)
            await work.daily_batch_runs.change_part(part)
            await self._count(work, held.showing(tuple(results)) if held.is_dry_run else held)
        await tell(self.services, self.found)
        return part

    async def _supersede(self, part: BatchPart) -> None:
        """End the part of a version that is not in use any more, and add one for the version that is."""
        number = part.model_version.model_id
        async with self.services.database.snapshot() as work:
            model = (await work.set_up_models.get_many([number], EVERY_MODEL))[number]
            planned = await self._planned(work, model) if _is_used(model) else None
        async with self.services.database.transaction() as work:
            held = await self.hold(work)
            parts = {each.model_version: each for each in await self._parts(work)}
            ended = parts[part.model_version].ended(
                BatchPartStatus.SUPERSEDED, "This version of the model is not in use any more."
            )
            parts[ended.model_version] = ended
            await work.daily_batch_runs.change_part(ended)
            if planned is not None:
                earlier = parts.get(planned.model_version)
                if earlier is None:
                    await work.daily_batch_runs.add_parts([planned])
                else:
                    await work.daily_batch_runs.change_part(earlier.reopened(planned.counts.considered))
            await self._count(work, held)
        await tell(self.services, self.found)

    async def _end_part(self, part: BatchPart, status: BatchPartStatus, message: str = "") -> None:
        await self._change_part(part, lambda now: now.ended(status, message))

    async def _change_part(self, part: BatchPart, change: Callable[[BatchPart], BatchPart]) -> None:
        """Change the part from what it now is."""
        async with self.services.database.transaction() as work:
            held = await self.hold(work)
            now = next(each for each in await self._parts(work) if each.model_version == part.model_version)
            await work.daily_batch_runs.change_part(change(now))
            await self._count(work, held)
        await tell(self.services, self.found)

    async def _count(self, work: UnitOfWork, held: DailyBatchRun) -> None:
        """Let the run count what its parts do."""
        total = sum((part.counts for part in await self._parts(work)), Counts())
        self.found = held.with_counts(total, max(held.updated_at, await work.kits.now()))
        await work.daily_batch_runs.change(self.found)

    async def _next_part(self) -> BatchPart | None:
        """That of the parts not at their end whose look is earliest: late ones keep no row of another model waiting."""
        pending = [part for part in await self._parts() if part.status is BatchPartStatus.PENDING]
        return min(pending, key=lambda part: part.look, default=None)

    async def _parts(self, work: UnitOfWork | None = None) -> list[BatchPart]:
        if work is not None:
            return await work.daily_batch_runs.parts([self.found.id])
        async with self.services.database.snapshot() as fresh:
            return await fresh.daily_batch_runs.parts([self.found.id])


def _is_used(model: SetUpModel) -> bool:
    return model.archived_at is None


async def _check_in_use(work: UnitOfWork, key: VersionKey, *, is_locked: bool = False) -> None:
    """`Superseded` unless the version is the one in use of its model; locked, it stays that until the unit of work ends."""
    if is_locked:
        await work.set_up_models.lock(key.model_id)
    model = (await work.set_up_models.get_many([key.model_id], EVERY_MODEL))[key.model_id]
    if model.active_version != key.number or not _is_used(model):
        raise Superseded


async def _holding(work: UnitOfWork, model_id: int) -> set[str]:
    """Those of the people who have assigned the model whose assignments hold."""
    actors = await work.model_assignments.actors_of(model_id)
    return {subject for _, subject in await holding_of(work, {(model_id, subject) for subject in actors})}
