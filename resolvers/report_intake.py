"""Taking in what workers report: many reports of many kits in one transaction, each with its own answer.

The next batch is formed of what has come in while the last ones were being stored; nothing ever waits for a fixed time. A kit's
state is remembered between batches: if somebody else has changed it, the database refuses the change and it is read again.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import NAMESPACE_OID, uuid5

from domain.actor import Worker
from domain.artifact import Artifact, blob_location, found_after
from domain.attempt import AttemptKey
from domain.change import Change
from domain.errors import NotFound, Unavailable
from domain.event import EventKind
from domain.kit import Kit
from domain.live import Notice, Topic
from domain.ports import ArtifactStore, Bus
from domain.report import Report, ReportResult, ReportState, judge
from domain.storage import Database, UnitOfWork
from domain.visibility import EVERYTHING

log = logging.getLogger(__name__)
MAX_BATCH = 2_000
OPTIMISTIC_ROUNDS = 3
FLUSHERS = 2  # while the database stores one batch, the next one is judged
MAX_KITS_REMEMBERED = 2_000
Judged = dict[tuple[AttemptKey, int], ReportResult]


@dataclass(slots=True, eq=False)
class Submission:
    """The reports of one call.

    `results` fills up while they are judged; `answer` is given when they are stored. `rounds` counts how often another writer of
    the kit was faster.
    """

    worker: Worker
    reports: Sequence[Report]
    answer: asyncio.Future[list[ReportResult]]
    results: list[ReportResult] = field(default_factory=list)
    rounds: int = 0


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
        self._clock_offset: timedelta | None = None

    async def submit(self, worker: Worker, reports: Sequence[Report]) -> list[ReportResult]:
        """The results of these reports of one worker's attempt, in the order given, once they are stored.

        Raises `Unavailable` where the database does not answer; sending the same reports again is safe.
        """
        missing = await self._first_missing_upload(worker, reports)
        submission = Submission(worker, reports[:missing], asyncio.get_running_loop().create_future())
        self._pending.append(submission)
        if worker.kit_id not in self._busy and len(self._flushers) < FLUSHERS:
            self._flushers.add(asyncio.create_task(self._flush_all()))
        results = await submission.answer
        return results + [_not_uploaded(report) for report in reports[missing:]]

    async def close(self) -> None:
        """Store what has come in."""
        await asyncio.gather(*self._flushers)

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
        """The oldest calls whose kits are in nobody's hands; calls of one kit stay in their order."""
        batch: list[Submission] = []
        rest: list[Submission] = []
        size = 0
        for submission in self._pending:
            if size < MAX_BATCH and submission.worker.kit_id not in self._busy:
                batch.append(submission)
                size += len(submission.reports)
            else:
                rest.append(submission)
        self._pending = rest
        return batch

    async def _flush_safely(self, batch: Sequence[Submission]) -> None:
        """Store a batch; whatever goes wrong is the answer to its calls."""
        try:
            await self._flush(batch)
        except Unavailable as error:
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

    async def _flush(self, batch: Sequence[Submission]) -> None:
        """Judge and store a batch.

        Calls whose kit was changed by somebody else meanwhile are judged again in the next batch, on what the database then says;
        so are calls that were turned away on the strength of what was remembered, as no change of theirs met the guard.
        """
        by_kit: dict[int, list[Submission]] = {}
        for submission in batch:
            submission.results.clear()
            by_kit.setdefault(submission.worker.kit_id, []).append(submission)
        remembered = self._kits.keys() & by_kit.keys()
        async with self._database.transaction() as work:
            await self._lock_overtaken(work, by_kit)
            kits = await self._load(work, list(by_kit))
            now = datetime.now(UTC) + (self._clock_offset or timedelta())
            changes = {kit_id: Change.of(kit, "worker") for kit_id, kit in kits.items()}
            judged: Judged = {}
            for kit_id, submissions in by_kit.items():
                for submission in submissions:
                    await self._judge(work, changes.get(kit_id), submission, now, judged)
            doubtful = {kit_id for kit_id in remembered if any(map(_is_turned_away, by_kit[kit_id]))}
            stored = {kit_id: each for kit_id, each in changes.items() if not each.is_empty and kit_id not in doubtful}
            recorded = await work.kits.append(list(stored.values())) if stored else {}
            done = {kit_id: change for kit_id, change in stored.items() if kit_id in recorded}
            for kit_id, change in done.items():
                change.kit = change.recorded_kit(recorded[kit_id])
                await self._store_the_rest(work, change, by_kit[kit_id])
        self._answer(by_kit, changes, doubtful | (stored.keys() - done.keys()))
        await self._bus.publish([Notice(Topic.KIT, str(each.kit.id), each.kit.version) for each in done.values() if each.events])

    async def _lock_overtaken(self, work: UnitOfWork, by_kit: Mapping[int, Sequence[Submission]]) -> None:
        """Take the lock of kits whose calls were overtaken too often, in id order, before reading them: they get through now."""
        for kit_id in sorted(by_kit):
            if any(submission.rounds >= OPTIMISTIC_ROUNDS for submission in by_kit[kit_id]):
                self._kits.pop(kit_id, None)
                await work.kits.lock(kit_id)

    def _answer(
        self,
        by_kit: dict[int, list[Submission]],
        changes: dict[int, Change],
        again: set[int],
    ) -> None:
        for kit_id, submissions in by_kit.items():
            if kit_id in again:
                self._kits.pop(kit_id, None)
                for submission in submissions:
                    submission.rounds += 1
                self._pending[:0] = submissions
                continue
            if kit_id in changes:
                self._remember(changes[kit_id].kit)
            for submission in submissions:
                if not submission.answer.done():
                    submission.answer.set_result(submission.results)

    async def _load(self, work: UnitOfWork, kit_ids: list[int]) -> dict[int, Kit]:
        missing = [kit_id for kit_id in kit_ids if kit_id not in self._kits]
        if missing:
            for kit in (await work.kits.get_many(missing, EVERYTHING)).values():
                self._remember(kit)
        if missing or self._clock_offset is None:
            began = time.monotonic()
            now = await work.kits.now()
            self._clock_offset = now - datetime.now(UTC) + timedelta(seconds=(time.monotonic() - began) / 2)
        return {kit_id: self._kits[kit_id] for kit_id in kit_ids if kit_id in self._kits}

    def _remember(self, kit: Kit) -> None:
        self._kits[kit.id] = kit
        self._kits.move_to_end(kit.id)
        while len(self._kits) > MAX_KITS_REMEMBERED:
            self._kits.popitem(last=False)

    async def _judge(
        self, work: UnitOfWork, change: Change | None, submission: Submission, now: datetime, judged: Judged
    ) -> None:
        """Judge the reports of one call. `judged` has what this batch has used up so far and the database doesn't know yet."""
        for report in submission.reports:
            name = (report.attempt, report.sequence)
            if change is None:
                error = NotFound("attempt", report.attempt)
                result: ReportResult | None = ReportResult.refused(report.sequence, error, consumed=False)
            else:
                result = judge(change, report, now)
            if result is None:
                result = judged.get(name) or await _first_answer(work, submission.worker.kit_id, report)
            elif result.consumed:
                judged[name] = result
            submission.results.append(result)

    async def _store_the_rest(self, work: UnitOfWork, change: Change, submissions: Sequence[Submission]) -> None:
        for submission in submissions:
            key = submission.worker.attempt
            refused = [each for each in submission.results if each.state is ReportState.REFUSED and each.consumed]
            await work.attempts.add_refusals(key, refused)
            versions = {result.sequence: result.version or 0 for result in submission.results}
            reports = [each for each in submission.reports if each.artifact and versions[each.sequence] > change.before.version]
            if reports:
                await work.artifacts.add(await _artifacts(work, change, key, reports))


def _is_turned_away(submission: Submission) -> bool:
    return any(not result.consumed for result in submission.results)


async def _first_answer(work: UnitOfWork, kit_id: int, report: Report) -> ReportResult:
    """The answer that a report got when it came the first time."""
    refusal = await work.attempts.refusal(report.attempt, report.sequence)
    if refusal is not None:
        return refusal
    version = await work.events.version_of_report(kit_id, *report.attempt, report.sequence)
    state = ReportState.COALESCED if version is None else ReportState.RECORDED
    return ReportResult(sequence=report.sequence, state=state, version=version)


async def _artifacts(work: UnitOfWork, change: Change, key: AttemptKey, reports: Sequence[Report]) -> list[Artifact]:
    """The records for uploaded files, with the names of what they were made from turned into ids."""
    earlier = [job for job in change.kit.jobs if job.order < change.job(key.job_id).order]
    left = await work.artifacts.of_jobs([*(job.id for job in earlier), key.job_id])
    own = [artifact for artifact in left if artifact.attempt == key]
    known = {artifact.name: artifact.id for artifact in [*found_after(earlier, left), *own]}
    found = []
    for report in reports:
        if report.artifact is None:
            continue
        given = report.artifact
        artifact = Artifact(
            id=uuid5(NAMESPACE_OID, f"{key}/{given.name}/{given.sha256}"),
            kit_id=change.kit.id,
            attempt=key,
            name=given.name,
            media_type=given.media_type,
            sha256=given.sha256,
            size=given.size,
            inputs=tuple(known[name] for name in given.inputs if name in known),
            created_at=change.kit.updated_at,
        )
        known[artifact.name] = artifact.id
        found.append(artifact)
    return found


def _not_uploaded(report: Report) -> ReportResult:
    return ReportResult(
        sequence=report.sequence,
        state=ReportState.REFUSED,
        code="NOT_UPLOADED",
        message="An artifact's content has to be uploaded before this report.",
        consumed=False,
    )
