"""Taking in what workers report: many reports of many kits in one transaction, each with its own answer.

The next batch is formed of what has come in while the last ones were being stored; nothing ever waits for a fixed time. A kit's
state is remembered between batches: if somebody else has changed it, the database refuses the change and it is read again.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta

from domain.actor import Worker
from domain.artifact import blob_location
from domain.errors import UserError
from domain.event import EventKind
from domain.kit import Kit
from domain.live import Notice, Topic
from domain.ports import ArtifactStore, Bus
from domain.report import PROGRESS_INTERVAL, Report, ReportResult, ReportState
from domain.storage import Database, UnitOfWork
from domain.visibility import EVERYTHING
from resolvers.idempotency import Idempotency
from resolvers.report_batch import ReportBatch, Submission

log = logging.getLogger(__name__)
MAX_BATCH = 256  # one batch of all that waits would leave the other flusher idle, and this one while the database works
OPTIMISTIC_ROUNDS = 3
FLUSHERS = 2  # while the database stores one batch, the next one is judged
MAX_KITS_REMEMBERED = 2_000


class _Overtaken(Exception):
    """Another writer was faster; nothing was stored."""


class ReportIntake:
    """Judges and stores reports in batches; one instance a process."""

    def __init__(self, database: Database, bus: Bus, artifacts: ArtifactStore) -> None:
        self._database = database
        self._bus = bus
        self._artifacts = artifacts
        self._pending: list[Submission] = []
        self._busy: set[int] = set()
        self._flushers: set[asyncio.Task[None]] = set()
        self._kits: OrderedDict[int, Kit] = OrderedDict()
        self._dues: dict[int, asyncio.TimerHandle] = {}
        self._clock_zero: datetime | None = None  # the database's time when this process's steady clock was 0

    async def submit(
        self, worker: Worker, reports: Sequence[Report], idempotency: Idempotency | None = None
    ) -> list[ReportResult]:
        """The results of these reports of one worker's attempt, in the order given, once they are stored.

        The key of `idempotency` is taken in the transaction that stores them; `IdempotencyKeyReused` where others came with it.
        Raises `Unavailable` where the database does not answer; sending the same reports again is safe.
        """
        missing = await self._first_missing_upload(worker, reports)
        results = await self._take_in(worker, reports[:missing], idempotency)
        return results + [_not_uploaded(report) for report in reports[missing:]]

    def _take_in(
        self, worker: Worker, reports: Sequence[Report], idempotency: Idempotency | None = None
    ) -> asyncio.Future[list[ReportResult]]:
        submission = Submission(worker, reports, asyncio.get_running_loop().create_future(), idempotency)
        self._pending.append(submission)
        if worker.kit_id not in self._busy and len(self._flushers) < FLUSHERS:
            self._flushers.add(asyncio.create_task(self._flush_all()))
        return submission.answer

    async def close(self) -> None:
        """Store what has come in."""
        await asyncio.gather(*self._flushers)
        for due in self._dues.values():
            due.cancel()

    async def _first_missing_upload(self, worker: Worker, reports: Sequence[Report]) -> int:
        """The place of the first artifact report whose content is not in the store; all from there on have to wait for it."""
        for place, report in enumerate(reports):
            if report.kind is EventKind.ARTIFACT and report.artifact is not None and report.artifact.has_checksum:
                location = blob_location(worker.attempt, report.artifact.sha256)
                if await self._artifacts.size(location) != report.artifact.size:
                    return place
        return len(reports)

    async def _flush_all(self) -> None:
        """Store batch after batch until nothing is left that another flusher doesn't have in hand."""
        while batch := self._take_batch():
            kits = {submission.worker.kit_id for submission in batch}
            self._busy |= kits
            try:
                await self._flush_safely(batch)
            finally:
                self._busy -= kits
        self._flushers = {each for each in self._flushers if each is not asyncio.current_task()}

    def _take_batch(self) -> list[Submission]:
        """The oldest calls whose kits are in nobody's hands; calls of one kit stay in their order.

        A call with an idempotency key is a batch by itself: where it stores nothing, it must not take the key.
        """
        batch: list[Submission] = []
        rest: list[Submission] = []
        held = set(self._busy)
        size = 0
        for submission in self._pending:
            is_alone = submission.idempotency is not None
            if size < MAX_BATCH and submission.worker.kit_id not in held and not (is_alone and batch):
                batch.append(submission)
                size += MAX_BATCH if is_alone else len(submission.reports)
            else:
                rest.append(submission)
                held.add(submission.worker.kit_id)
        self._pending = rest
        return batch

    async def _flush_safely(self, batch: Sequence[Submission]) -> None:
        """Store a batch; whatever goes wrong is the answer to its calls."""
        try:
            await self._flush(batch)
        except _Overtaken:
            self._judge_again(batch)
        except UserError as error:
            self._fail(batch, error)
        except Exception as error:
            self._forget(batch)
            if len(batch) == 1:
                log.exception("reports of attempt %s can't be stored", batch[0].worker.attempt)
                self._fail(batch, error)
            else:
                await self._flush_singly(batch)

    async def _flush_singly(self, batch: Sequence[Submission]) -> None:
        """Store each call by itself, so that one that can't be stored does not take the others with it."""
        for submission in batch:
            try:
                await self._flush([submission])
            except Exception as error:
                log.exception("reports of attempt %s can't be stored", submission.worker.attempt)
                self._fail([submission], error)

    def _forget(self, batch: Iterable[Submission]) -> None:
        for submission in batch:
            self._kits.pop(submission.worker.kit_id, None)

    def _fail(self, batch: Sequence[Submission], error: Exception) -> None:
        self._forget(batch)
        for submission in batch:
            if not submission.answer.done():
                submission.answer.set_exception(error)

    async def _flush(self, submissions: Sequence[Submission]) -> None:
        """Judge and store a batch.

        Calls whose kit was changed by somebody else meanwhile are judged again in the next batch, on what the database then says;
        so are calls that were turned away on the strength of what was remembered, as no change of theirs met the guard.
        """
        kit_ids = {submission.worker.kit_id for submission in submissions}
        remembered = self._kits.keys() & kit_ids
        recorded: dict[int, datetime] = {}
        async with self._database.transaction() as work:
            for submission in submissions:
                if submission.idempotency is not None:
                    await submission.idempotency.replayed(work)
            await self._lock_overtaken(work, submissions)
            kits, now = await self._load(work, kit_ids)
            batch = ReportBatch(submissions, kits)
            await batch.look_up(work)
            batch.judge(now)
            again = {kit_id for kit_id in remembered if any(call.is_turned_away for call in batch.calls[kit_id])}
            changes = {kit_id: each for kit_id, each in batch.changes.items() if not each.is_empty and kit_id not in again}
            recorded = await work.kits.append(list(changes.values())) if changes else {}
            for kit_id, at in recorded.items():
                changes[kit_id].kit = changes[kit_id].recorded_kit(at)
                await batch.store_the_rest(work, kit_id, at)
            again |= changes.keys() - recorded.keys()
            if again and submissions[0].idempotency is not None:
                raise _Overtaken
        self._answer(batch, again)
        done = [changes[kit_id] for kit_id in recorded]
        await self._bus.publish([Notice(Topic.KIT, str(each.kit.id), each.kit.version) for each in done if each.events])

    async def _lock_overtaken(self, work: UnitOfWork, submissions: Sequence[Submission]) -> None:
        """Take the lock of kits whose calls were overtaken too often, in id order, before reading them: they get through now."""
        for kit_id in sorted({each.worker.kit_id for each in submissions if each.rounds >= OPTIMISTIC_ROUNDS}):
            self._kits.pop(kit_id, None)
            await work.kits.lock(kit_id)

    def _answer(self, batch: ReportBatch, again: Collection[int]) -> None:
        for kit_id, calls in batch.calls.items():
            if kit_id in again:
                self._judge_again(calls)
                continue
            if kit_id in batch.changes:
                self._remember(batch.changes[kit_id].kit)
                self._return_for_progress(batch.changes[kit_id].kit, calls[0].worker)
            for call in calls:
                if not call.answer.done():
                    call.answer.set_result(call.results)

    def _return_for_progress(self, kit: Kit, worker: Worker) -> None:
        """Record progress that came too soon when its second is over, also if nothing else comes in by then.

        Should this server be gone then, it is recorded with the task's next event.
        """

        def is_due() -> None:
            del self._dues[kit.id]
            self._take_in(worker, ()).add_done_callback(asyncio.Future.exception)

        is_kept = any(task.coalesced_progress is not None for job in kit.jobs for task in job.tasks)
        if is_kept and kit.id not in self._dues:
            self._dues[kit.id] = asyncio.get_running_loop().call_later(PROGRESS_INTERVAL.total_seconds(), is_due)

    def _judge_again(self, submissions: Sequence[Submission]) -> None:
        """Put calls that others were faster than before all that wait; they are judged on a fresh read."""
        self._forget(submissions)
        for submission in submissions:
            submission.rounds += 1
        self._pending[:0] = submissions

    async def _load(self, work: UnitOfWork, kit_ids: Collection[int]) -> tuple[dict[int, Kit], datetime]:
        """The kits, remembered or read, and the database's time by a clock that nobody sets."""
        missing = sorted(kit_id for kit_id in kit_ids if kit_id not in self._kits)
        if missing:
            for kit in (await work.kits.get_many(missing, EVERYTHING)).values():
                self._remember(kit)
        zero = self._clock_zero
        if missing or zero is None:
            began = time.monotonic()
            now = await work.kits.now()
            zero = self._clock_zero = now - timedelta(seconds=(began + time.monotonic()) / 2)
        kits = {kit_id: self._kits[kit_id] for kit_id in kit_ids if kit_id in self._kits}
        return kits, zero + timedelta(seconds=time.monotonic())

    def _remember(self, kit: Kit) -> None:
        self._kits[kit.id] = kit
        self._kits.move_to_end(kit.id)
        while len(self._kits) > MAX_KITS_REMEMBERED:
            self._kits.popitem(last=False)


def _not_uploaded(report: Report) -> ReportResult:
    return ReportResult(
        sequence=report.sequence,
        state=ReportState.REFUSED,
        code="NOT_UPLOADED",
        message="An artifact's content has to be uploaded before this report.",
        consumed=False,
    )
