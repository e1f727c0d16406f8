"""One batch of reports between being read and being answered: repeats, judgements, and the records of artifacts."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import NAMESPACE_OID, uuid5

from domain.actor import Worker
from domain.artifact import AttemptArtifact, found_after
from domain.attempt import Attempt, AttemptKey
from domain.change import Change
from domain.errors import NotFound
from domain.event import RECORDING
from domain.job import Job
from domain.kit import Kit
from domain.report import Report, ReportedArtifact, ReportResult, ReportState, judge, record_progress
from domain.storage import UnitOfWork
from resolvers.idempotency import Idempotency


@dataclass(slots=True, eq=False)
class Submission:
    """The reports of one call.

    `results` are those of the last judgement; `answer` is given when they are stored. `rounds` counts how often another writer of
    the kit was faster.
    """

    worker: Worker
    reports: Sequence[Report]
    answer: asyncio.Future[list[ReportResult]]
    idempotency: Idempotency | None = None
    results: list[ReportResult] = field(default_factory=list)
    rounds: int = 0

    @property
    def is_turned_away(self) -> bool:
        """Whether a report was refused without using up its number: nothing of that meets the guard when it is stored."""
        return any(not result.consumed for result in self.results)


class ReportBatch:
    """The calls of a batch by kit, and the changes of the kits that they cause."""

    def __init__(self, submissions: Iterable[Submission], kits: Mapping[int, Kit]) -> None:
        self.calls: defaultdict[int, list[Submission]] = defaultdict(list)
        for submission in submissions:
            self.calls[submission.worker.kit_id].append(submission)
        self.changes = {kit_id: Change.of(kit, "worker") for kit_id, kit in kits.items()}
        self._answers: dict[tuple[AttemptKey, int], ReportResult] = {}
        self._artifacts: defaultdict[AttemptKey, dict[str, AttemptArtifact]] = defaultdict(dict)
        self._new_artifacts: defaultdict[int, list[AttemptArtifact]] = defaultdict(list)

    async def look_up(self, work: UnitOfWork) -> None:
        """Read what judging needs beside the kits: the first answers to repeats, and artifacts where new ones are reported."""
        repeats: defaultdict[tuple[int, Attempt], set[int]] = defaultdict(set)
        producers: set[int] = set()
        for kit_id, change in self.changes.items():
            for call in self.calls[kit_id]:
                job = change.kit.job(call.worker.attempt.job_id)
                if job is None or job.attempt.key != call.worker.attempt:
                    continue
                repeated = [report.sequence for report in call.reports if report.sequence <= job.last_sequence]
                if repeated:
                    repeats[kit_id, job.attempt].update(repeated)
                if any(report.artifact is not None for report in call.reports):
                    producers.add(kit_id)
        for (kit_id, attempt), sequences in repeats.items():
            await self._look_up_answers(work, kit_id, attempt, sequences)
        if producers:
            job_ids = [job.id for kit_id in sorted(producers) for job in self.changes[kit_id].kit.jobs]
            for artifact in await work.artifacts.of_jobs(job_ids):
                self._artifacts[artifact.attempt][artifact.name] = artifact

    async def _look_up_answers(self, work: UnitOfWork, kit_id: int, attempt: Attempt, sequences: set[int]) -> None:
        refusals = await work.attempts.refusals(attempt.key, sequences)
        versions = await work.events.versions_of_reports(kit_id, attempt, sequences - refusals.keys())
        for sequence in sequences:
            version = versions.get(sequence)
            state = ReportState.COALESCED if version is None else ReportState.RECORDED
            answer = ReportResult(sequence=sequence, state=state, version=version)
            self._answers[attempt.key, sequence] = refusals.get(sequence, answer)

    def judge(self, now: datetime) -> None:
        """Give every call its results and gather what they change; `now` is the database's time."""
        for kit_id, calls in self.calls.items():
            change = self.changes.get(kit_id)
            for call in calls:
                call.results = [self._judge(change, report, now) for report in call.reports]
            if change is not None:
                record_progress(change, now)

    def _judge(self, change: Change | None, report: Report, now: datetime) -> ReportResult:
        if change is None:
            return ReportResult.refused(report.sequence, NotFound("attempt", report.attempt), consumed=False)
        artifacts = self._artifacts[report.attempt]
        result = judge(change, report, now, artifacts)
        if result is None:
            return self._answers[report.attempt, report.sequence]
        if result.consumed:
            self._answers[report.attempt, report.sequence] = result
        if result.state is ReportState.RECORDED and report.artifact is not None:
            artifact = self._artifact(change.kit, change.job(report.attempt.job_id), report.artifact)
            artifacts[artifact.name] = artifact
            self._new_artifacts[change.kit.id].append(artifact)
        return result

    def _artifact(self, kit: Kit, job: Job, given: ReportedArtifact) -> AttemptArtifact:
        """The record of an uploaded file, with the names of what it was made from turned into ids."""
        earlier = kit.jobs[: job.order - 1]
        left = [artifact for each in earlier for artifact in self._artifacts[each.attempt.key].values()]
        known = {artifact.name: artifact for artifact in found_after(earlier, left)} | self._artifacts[job.attempt.key]
        return AttemptArtifact(
            id=uuid5(NAMESPACE_OID, f"{job.attempt.key}/{given.name}/{given.sha256}"),
            kit_id=kit.id,
            attempt=job.attempt.key,
            name=given.name,
            media_type=given.media_type,
            sha256=given.sha256,
            size=given.size,
            inputs=tuple(known[name].id for name in given.inputs if name in known),
            created_at=RECORDING,
        )

    async def store_the_rest(self, work: UnitOfWork, kit_id: int, at: datetime) -> None:
        """Store what belongs to a change that was recorded at that time, beside its events: refusals and artifacts."""
        for call in self.calls[kit_id]:
            refused = [each for each in call.results if each.state is ReportState.REFUSED and each.consumed]
            await work.attempts.add_refusals(call.worker.attempt, refused)
        artifacts = self._new_artifacts[kit_id]
        if artifacts:
            await work.artifacts.add([replace(artifact, created_at=at) for artifact in artifacts])
