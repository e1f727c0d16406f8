"""Runs of the daily batch: for a product line, what models predict for the lots that they are assigned to, each result once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import ClassVar

from domain.background_work import BackgroundWork
from domain.kit import ProductLine
from domain.lot_result import LotResult
from domain.model_version import VersionKey

MAX_PREVIEW = 100
MAX_DRY_REFUSALS = 1_000
MAX_MESSAGE = 2_000
# The looks of a part at its rows: at those that the version has left without an answer before (True), or at all others (False).
# They come late, so that nothing waits for them; the looks at others after the first find what was corrected meanwhile. A dry run
# can't tell what has a result from what would have one, and so not what was corrected.
LOOKS = (False, False, True, False)
LOOKS_OF_DRY_RUNS = (False, True)


class DailyBatchRunStatus(StrEnum):
    """Where a run stands."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


class BatchPartStatus(StrEnum):
    """Where a model's part of a run stands; `SUPERSEDED`: another version of the model came in use meanwhile."""

    PENDING = "PENDING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    SUPERSEDED = "SUPERSEDED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many rows of lots were considered, and what became of them.

    `stored`: a result of them was stored (in a dry run: would be), `flagged` of these with inputs out of range. `skipped`: there
    was one already, or the assignment has ended meanwhile. `refused`: the model predicts nothing for them. A row corrected
    after it was stored or refused counts once more.
    """

    considered: int = 0
    stored: int = 0
    skipped: int = 0
    refused: int = 0
    flagged: int = 0

    @property
    def done(self) -> int:
        """How many need nothing more."""
        return self.stored + self.skipped + self.refused

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            considered=self.considered + other.considered,
            stored=self.stored + other.stored,
            skipped=self.skipped + other.skipped,
            refused=self.refused + other.refused,
            flagged=self.flagged + other.flagged,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchPart:
    """One model's part of a run, with the version that was in use.

    It looks at its rows more than once (`DailyBatchRun.looks`): `look` is how many looks have come to their end, `after` the
    number of the last row of the one that is under way.
    """

    run_id: int
    model_version: VersionKey
    status: BatchPartStatus = BatchPartStatus.PENDING
    counts: Counts = Counts()
    look: int = 0
    after: int = 0
    message: str = ""

    def looked(self, looks: int) -> "BatchPart":
        """The part at the end of a look, of so many: the next begins with the first row."""
        looked = replace(self, look=self.look + 1, after=0)
        return looked.ended(BatchPartStatus.SUCCEEDED) if looked.look == looks else looked

    def progressed(self, after: int, more: Counts) -> "BatchPart":
        """The part once everything up to that row was looked at."""
        counts = self.counts + more
        return replace(self, after=after, counts=replace(counts, considered=max(counts.considered, counts.done)))

    def reopened(self, considered: int) -> "BatchPart":
        """The part of a version that came in use again, to go on where it was."""
        counts = replace(self.counts, considered=max(considered, self.counts.done))
        return replace(self, status=BatchPartStatus.PENDING, message="", counts=counts)

    def ended(self, status: BatchPartStatus, message: str = "") -> "BatchPart":
        """The part at its end.

        Rows that fell away meanwhile are skipped; what another version's part comes to this one did not consider.
        """
        counts = self.counts
        if status is BatchPartStatus.SUCCEEDED:
            counts = replace(counts, skipped=counts.skipped + max(0, counts.considered - counts.done))
        if status is BatchPartStatus.SUPERSEDED:
            counts = replace(counts, considered=counts.done)
        return replace(self, status=status, message=message[:MAX_MESSAGE], counts=counts)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRefusal:
    """A row for which a model predicts nothing, and why. `is_unanswered`: it was asked, and broke or took too long."""

    run_id: int
    model_version: VersionKey
    lot_row_id: int
    lot_row_version: int
    reason: str
    is_unanswered: bool = False
    id: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyBatchRun(BackgroundWork):
    """A run for one product line.

    One that time has come for has the `day` (in the zone of the settings) whose it is, and `due_at`; a product line has one of a
    day. One that a person has started has that `actor`, and one that a person wanted to end `cancelled_by`, the first who did. A
    dry run stores no results; `preview` has the first that it would store.
    """

    kind: ClassVar[str] = "Daily batch run"
    transitions: ClassVar[Mapping[str, frozenset[str]]] = {
        "QUEUED": frozenset({"RUNNING", "CANCELLED"}),
        "RUNNING": frozenset({"SUCCEEDED", "FAILED", "CANCELLED"}),
        "SUCCEEDED": frozenset(),
        "FAILED": frozenset(),
        "CANCELLED": frozenset(),
    }

    status: DailyBatchRunStatus
    product_line: ProductLine
    is_dry_run: bool
    day: date | None = None
    due_at: datetime | None = None
    actor: str | None = None
    actor_name: str | None = None
    cancelled_by: str | None = None
    cancelled_by_name: str | None = None
    cancel_requested_at: datetime | None = None
    is_planned: bool = False
    counts: Counts = Counts()
    preview: tuple[LotResult, ...] = ()

    @classmethod
    def queued(
        cls,
        product_line: ProductLine,
        at: datetime,
        *,
        is_dry_run: bool = False,
        day: date | None = None,
        due_at: datetime | None = None,
    ) -> "DailyBatchRun":
        """A new run, which waits for a server; the database gives it its number."""
        return cls(
            id=0,
            status=DailyBatchRunStatus.QUEUED,
            version=1,
            created_at=at,
            updated_at=at,
            product_line=product_line,
            is_dry_run=is_dry_run,
            day=day,
            due_at=due_at,
        )

    @property
    def percent(self) -> float:
        """How much of what it has found to do is done, 0 to 100."""
        if self.counts.considered:
            return round(100 * self.counts.done / self.counts.considered, 2)
        return 0.0 if self.ended_at is None else 100.0

    @property
    def looks(self) -> tuple[bool, ...]:
        """The looks of each part: whether at the rows that its version has left without an answer before, or at all others."""
        return LOOKS_OF_DRY_RUNS if self.is_dry_run else LOOKS

    def cancelled_by_person(self, subject: str, name: str, at: datetime) -> "DailyBatchRun":
        """The run as that person has cancelled it."""
        cancelled = self.cancelled(at)
        if self.is_cancel_requested:
            return cancelled
        return replace(cancelled, cancelled_by=subject, cancelled_by_name=name, cancel_requested_at=at)

    def with_counts(self, counts: Counts, at: datetime) -> "DailyBatchRun":
        """The run once its parts count so much."""
        return replace(self.changed(at), counts=counts)

    def kept(self, refusals: Sequence[BatchRefusal]) -> list[BatchRefusal]:
        """Those of further refusals that are kept: all, but of a dry run the first thousand, and where a model gave no answer."""
        room = max(0, MAX_DRY_REFUSALS - self.counts.refused) if self.is_dry_run else len(refusals)
        return [each for place, each in enumerate(refusals) if place < room or each.is_unanswered]

    def showing(self, results: tuple[LotResult, ...]) -> "DailyBatchRun":
        """The dry run with more of what it would store, as far as that is shown."""
        return replace(self, preview=(self.preview + results)[:MAX_PREVIEW])
