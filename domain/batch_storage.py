"""What the daily batch expects of the database: assignments, runs, and results."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from domain.batch_query import DailyBatchRunQuery, LotResultQuery, ModelAssignmentQuery
from domain.daily_batch_run import BatchPart, BatchRefusal, DailyBatchRun
from domain.kit import ProductLine
from domain.lot_result import LotResult
from domain.lot_row import LotRow
from domain.model_assignment import AssignmentOrder, ModelAssignment
from domain.model_version import VersionKey
from domain.query import HistoryQuery, Page
from domain.visibility import Visibility


class ModelAssignmentStore(Protocol):
    """The assignments of models to lots of one unit of work."""

    async def get_many(self, ids: Sequence[int], visibility: Visibility) -> dict[int, ModelAssignment]:
        """The assignments of these ids that exist for the caller, by id."""
        ...

    async def page(self, query: ModelAssignmentQuery, visibility: Visibility) -> Page[ModelAssignment]:
        """A page of assignments."""
        ...

    async def count(self, query: ModelAssignmentQuery, visibility: Visibility) -> int:
        """How many assignments the query has, wherever its page begins."""
        ...

    async def add(
        self, order: AssignmentOrder, product_line: ProductLine, actor: str, actor_name: str, at: datetime
    ) -> ModelAssignment | int:
        """Store a new one; the number of the one that the person has made of that scope, and nothing stored then."""
        ...

    async def change(self, before: ModelAssignment, changed: ModelAssignment) -> bool:
        """Store what `before` became; False where it has changed since it was read."""
        ...

    async def first_at(self, product_line: ProductLine) -> datetime | None:
        """When the first one of a product line was made; None where there is none."""
        ...

    async def models(self, product_line: ProductLine) -> list[int]:
        """The models that have assignments which have not ended."""
        ...

    async def actors_of(self, model_id: int) -> set[str]:
        """The people whose assignments of a model have not ended."""
        ...


class LotResultStore(Protocol):
    """The results of models for lots of one unit of work, and the rows that have none yet. Results only grow."""

    async def get_many(self, ids: Sequence[int], visibility: Visibility) -> dict[int, LotResult]:
        """The results of these ids that exist for the caller, by id."""
        ...

    async def page(self, query: LotResultQuery, visibility: Visibility) -> Page[LotResult]:
        """A page of results."""
        ...

    async def count(self, query: LotResultQuery, visibility: Visibility) -> int:
        """How many results the query has, wherever its page begins."""
        ...

    async def of_rows(self, queries: Sequence[HistoryQuery], visibility: Visibility) -> list[Page[LotResult]]:
        """For each query a page of the results for a lot row, oldest first; `after` is the number of a result."""
        ...

    async def assigned(self, model_version: VersionKey, line: ProductLine, actors: Collection[str]) -> tuple[int, int]:
        """How many rows these people have assigned the model to, and how many of them have its version's result as they are."""
        ...

    async def lacking(
        self,
        model_version: VersionKey,
        line: ProductLine,
        actors: Collection[str],
        *,
        after: int = 0,
        limit: int | None = None,
        among: Collection[int] | None = None,
        was_unanswered: bool | None = None,
        not_refused_in: int | None = None,
    ) -> list[LotRow]:
        """The rows that these people have assigned the model to and that lack its version's result as they now are, by number.

        Those behind the row `after`, the first so many, of these numbers where some are given. As they now are the version has
        left them without an answer before, or has not (`was_unanswered`), and the run `not_refused_in` has not refused them.
        """
        ...

    async def add(self, results: Sequence[LotResult], at: datetime) -> int:
        """Store those of the results that are not there yet; how many that are."""
        ...


class DailyBatchRunStore(Protocol):
    """The runs of the daily batch of one unit of work."""

    async def get_many(self, ids: Sequence[int], visibility: Visibility) -> dict[int, DailyBatchRun]:
        """The runs of these ids that exist for the caller, by id."""
        ...

    async def page(self, query: DailyBatchRunQuery, visibility: Visibility) -> Page[DailyBatchRun]:
        """A page of runs."""
        ...

    async def versions_on_page(self, query: DailyBatchRunQuery, visibility: Visibility) -> dict[int, int]:
        """The ids of the runs on that page, in its order, with the version of each."""
        ...

    async def count(self, query: DailyBatchRunQuery, visibility: Visibility) -> int:
        """How many runs the query has, wherever its page begins."""
        ...

    async def add(self, queued: DailyBatchRun) -> DailyBatchRun | None:
        """Store a new run; the database gives it its number.

        None where its product line has a run (of dry ones: a dry one) that has not ended, or had one for that day.
        """
        ...

    async def unended(self, product_line: ProductLine, *, is_dry_run: bool) -> DailyBatchRun | None:
        """The run of the product line that has not ended."""
        ...

    async def days(self, product_line: ProductLine, since: str) -> set[str]:
        """The days (ISO 8601) from that one on that the product line had a run for."""
        ...

    async def lock(self, number: int, visibility: Visibility) -> DailyBatchRun | None:
        """The run, if it exists for the caller, unchanged by others until the unit of work ends."""
        ...

    async def change(self, changed: DailyBatchRun) -> None:
        """Store what a run that is locked or held has become; once it does not run any more no server has it."""
        ...

    async def claim(self, server: str, working: Collection[int], silence: timedelta) -> DailyBatchRun | None:
        """Take up the oldest run that has not ended and that nobody works on (see `LotImportStore.claim`)."""
        ...

    async def hold(self, claimed: DailyBatchRun) -> DailyBatchRun | None:
        """The run as it is now, unchanged by others until the unit of work ends; None where another has taken it up."""
        ...

    async def heartbeat(self, claimed: DailyBatchRun) -> bool | None:
        """Record that it is being worked on. Whether it is to be cancelled; None where it is not the claimant's any more."""
        ...

    async def release(self, server: str) -> None:
        """Let others take up at once what this server works on."""
        ...

    async def parts(self, run_ids: Sequence[int]) -> list[BatchPart]:
        """The parts of these runs, by run, model and version."""
        ...

    async def add_parts(self, parts: Sequence[BatchPart]) -> None:
        """Store new parts of a run that is held."""
        ...

    async def change_part(self, part: BatchPart) -> None:
        """Store what a part of a run that is held has become."""
        ...

    async def refuse(self, refusals: Sequence[BatchRefusal]) -> None:
        """Keep what was refused."""
        ...

    async def forget_refusals(self, ended_before: datetime, most: int) -> int:
        """Remove so many of what runs that ended before then have refused, or all; how many that were.

        Where a version has left a row without an answer, the last time stays: as long as the row says the same, it comes late.
        """
        ...

    async def refusals(self, queries: Sequence[HistoryQuery]) -> list[Page[BatchRefusal]]:
        """For each query a page of what a run has refused, in its order; `after` is the number of a refusal."""
        ...
