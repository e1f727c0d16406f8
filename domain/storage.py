"""The database as use cases see it: stores by noun, on one unit of work. Implemented in `persistence`."""

from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from domain.artifact import Artifact, AttemptArtifact, RunArtifact
from domain.attempt import Attempt, AttemptKey, Claim
from domain.batch_storage import DailyBatchRunStore, LotResultStore, ModelAssignmentStore
from domain.change import Change
from domain.deck_request import DeckRequest
from domain.endpoint import Endpoint
from domain.event import Event
from domain.idempotency_key import KeyRecord
from domain.job import Job
from domain.kit import Kit, KitIdentity
from domain.load_test_storage import (
    LoadTestAnalysisStore,
    LoadTestRunStore,
    LoadTestStore,
    ProjectStore,
    ResourceUsageStore,
    SecretStore,
    TargetStore,
    WrittenEndpoints,
)
from domain.lot_storage import LotImportStore, LotRowStore
from domain.model_storage import ModelAccessStore, ModelVersionStore, SetUpModelStore
from domain.people_storage import AuditStore, GrantStore, PermissionRequestStore
from domain.query import EventQuery, JobQuery, KitQuery, Page
from domain.report import ReportResult
from domain.runner import LogChunk
from domain.session_storage import SessionStore
from domain.visibility import Membership, ModelReach, Visibility

MOST_BYTES = 2**31 - 1  # as many as a piece of a log can have


class KitStore(Protocol):
    """The kits of one unit of work."""

    async def get_many(self, ids: Sequence[int], visibility: Visibility) -> dict[int, Kit]:
        """The kits of these ids that exist for the caller, by id."""
        ...

    async def get(self, kit_id: int, visibility: Visibility) -> Kit | None:
        """The kit of that id, if it exists for the caller."""
        ...

    async def page(self, query: KitQuery, visibility: Visibility) -> Page[Kit]:
        """A page of kits."""
        ...

    async def versions_on_page(self, query: KitQuery, visibility: Visibility) -> dict[int, int]:
        """The ids of the kits on that page, in its order, with the version of each."""
        ...

    async def job_page(self, query: JobQuery, visibility: Visibility) -> Page[Job]:
        """A page of jobs across kits."""
        ...

    async def count(self, query: KitQuery, visibility: Visibility) -> int:
        """How many kits the query has, wherever its page begins."""
        ...

    async def versions(self, ids: Sequence[int]) -> dict[int, int]:
        """The current version of each of these kits."""
        ...

    async def of_jobs(self, job_ids: Sequence[UUID], visibility: Visibility) -> dict[UUID, int]:
        """The id of the kit that each of these jobs belongs to, of those that exist for the caller."""
        ...

    async def lock(self, kit_id: int) -> Kit | None:
        """The kit, its row locked until the unit of work ends: for a writer that was overtaken too often."""
        ...

    async def identity(self, kit_id: int) -> KitIdentity | None:
        """What of the kit never changes."""
        ...

    async def now(self) -> datetime:
        """The database's clock."""
        ...

    async def add(self, identity: KitIdentity) -> Kit:
        """Store what of a new kit never changes and return it empty, with the number that it was given."""
        ...

    async def append(self, changes: Sequence[Change]) -> dict[int, datetime]:
        """Store changes, one a kit, at most once a unit of work.

        Returns when each was recorded. A kit that is missing in the answer has moved on since the change was decided: nothing of
        that change was stored; read the kit again and decide anew.
        """
        ...

    async def jobs_of(self, kit_ids: Sequence[int]) -> list[Job]:
        """All jobs of these kits with their tasks, in order."""
        ...


class EventStore(Protocol):
    """The events of one unit of work. They are written with the changes of kits (`KitRepository.append`)."""

    async def pages(self, queries: Sequence[EventQuery]) -> list[Page[Event]]:
        """Pages of kits' events, each oldest first, in the order of the queries: one statement for those that are alike."""
        ...

    async def versions_of_reports(self, kit_id: int, attempt: Attempt, sequences: Collection[int]) -> dict[int, int]:
        """The versions of the events that these reports of an attempt caused, by number; without those that caused none.

        Costs what lies between the lowest number and now, not the kit's whole history.
        """
        ...

    async def prepare_partitions(self, now: datetime) -> bool:
        """Make sure that events can be stored in the coming months; False where that has to be tried again, as a lock was taken.

        Wants a unit of work of its own: the locks that it takes last until that ends.
        """
        ...

    async def identities(self, after: int, limit: int) -> list[KitIdentity]:
        """Kits in the order of their numbers, for going through all of them."""
        ...

    def stream(self, kit_id: int, until: datetime | None = None) -> AsyncGenerator[Event, None]:
        """The events of a kit in version order, those up to and including the time `until`, a few in memory at a time."""
        ...


class AttemptStore(Protocol):
    """The attempts of one unit of work."""

    async def of_jobs(self, job_ids: Sequence[UUID]) -> list[Attempt]:
        """All attempts of these jobs, oldest first."""
        ...

    async def heartbeat(self, runner_id: str, kind: str, host: str, at: datetime) -> None:
        """Record that a runner is there."""
        ...

    async def claimable(self, limit: int) -> list[tuple[AttemptKey, int]]:
        """Queued attempts that no runner has claimed, with their kits, oldest kit first."""
        ...

    async def claim(self, key: AttemptKey, runner_id: str, at: datetime) -> bool:
        """Claim a queued attempt for a runner; False where another was first or the attempt isn't to run any more.

        The job's row is locked, so that a claim and a cancellation see each other.
        """
        ...

    async def release(self, keys: Sequence[AttemptKey], at: datetime) -> None:
        """Record that the runners are done with these attempts."""
        ...

    async def claims_of(self, runner_id: str) -> list[Claim]:
        """The attempts that a runner has claimed and not released."""
        ...

    async def claims_of_lost_runners(self, silence: timedelta, now: datetime) -> list[Claim]:
        """The open claims of runners that were not heard of for `silence`."""
        ...

    async def cancelled_unclaimed(self) -> list[tuple[AttemptKey, int]]:
        """Queued attempts that are to be cancelled and that no runner has, with their kits."""
        ...

    async def add_refusals(self, key: AttemptKey, results: Sequence[ReportResult]) -> None:
        """Keep the answers to reports that were refused and used up their number."""
        ...

    async def refusals(self, key: AttemptKey, sequences: Collection[int]) -> dict[int, ReportResult]:
        """The answers to those of these reports that were refused, by number."""
        ...


class ArtifactRecords(Protocol):
    """The artifacts of one unit of work."""

    async def add(self, artifacts: Sequence[Artifact]) -> None:
        """Store records; IntegrityError where a name is taken in its attempt."""
        ...

    async def get_many(
        self, ids: Sequence[UUID], visibility: Visibility, membership: Membership, reach: ModelReach
    ) -> dict[UUID, Artifact]:
        """The artifacts of these ids that exist for the caller, by id; those of imports of lot rows for who started them."""
        ...

    async def add_once(self, artifact: Artifact) -> Artifact:
        """Store a record unless there is one with its id; returns the one that is stored."""
        ...

    async def of_jobs(self, job_ids: Sequence[UUID]) -> list[AttemptArtifact]:
        """All artifacts of all attempts of these jobs, by job, attempt and name."""
        ...

    async def of_runs(self, run_ids: Sequence[int]) -> list[RunArtifact]:
        """The reports of these runs, by run, the oldest first."""
        ...

    async def remove_of_run(self, run_id: int) -> None:
        """Remove the records of a run's reports."""
        ...


class DeckRequestStore(Protocol):
    """The deck requests of one unit of work."""

    async def add(self, kit_id: int, job_id: UUID, deck: Mapping[str, Any], at: datetime) -> None:
        """Store a request; the database gives it its number."""
        ...

    async def get_many(self, ids: Sequence[int], visibility: Visibility) -> dict[int, DeckRequest]:
        """The requests of these numbers that exist for the caller, by number."""
        ...

    async def of_jobs(self, job_ids: Sequence[UUID]) -> list[DeckRequest]:
        """The requests that these jobs carry out."""
        ...


class IdempotencyKeyStore(Protocol):
    """The idempotency keys of one unit of work, scoped to person and mutation."""

    async def claim(self, person: str, mutation: str, key: str, input_hash: str, at: datetime) -> KeyRecord | None:
        """Take the key; None if it was free, else what its first use left.

        A twin that is under way is waited for: if it rolls back, the key is free.
        """
        ...

    async def find(self, person: str, mutation: str, key: str) -> KeyRecord | None:
        """What the key's first use left; None where there was none."""
        ...

    async def complete(self, person: str, mutation: str, key: str, outcome: Mapping[str, Any]) -> None:
        """Record what the mutation changed."""
        ...

    async def forget(self, before: datetime) -> int:
        """Drop the keys first used before that time; returns how many."""
        ...


class LogStore(Protocol):
    """The logs of one unit of work. Chunks of an attempt follow one another without gaps; `start` is a byte offset."""

    async def end(self, key: AttemptKey) -> int:
        """The offset up to which the attempt's output was copied."""
        ...

    async def add(self, key: AttemptKey, chunk: LogChunk, at: datetime) -> None:
        """Store the next piece; IntegrityError where that offset was stored already."""
        ...

    async def remove(self, key: AttemptKey) -> None:
        """Remove the output of an attempt."""
        ...

    async def read_many(
        self, places: Sequence[tuple[AttemptKey, int]], limit: int, most_bytes: int = MOST_BYTES
    ) -> list[Sequence[LogChunk]]:
        """For each attempt and byte offset up to `limit` chunks that hold anything from there on, the first cut to begin there.

        One statement for all, in their order. Of each chunk no more than its first `most_bytes` are read, and nothing follows it
        without a hole then.
        """
        ...


class UnitOfWork(Protocol):
    """All stores on one transaction: what they do becomes visible to others all at once."""

    @property
    def kits(self) -> KitStore: ...
    @property
    def events(self) -> EventStore: ...
    @property
    def attempts(self) -> AttemptStore: ...
    @property
    def artifacts(self) -> ArtifactRecords: ...
    @property
    def deck_requests(self) -> DeckRequestStore: ...
    @property
    def idempotency_keys(self) -> IdempotencyKeyStore: ...
    @property
    def logs(self) -> LogStore: ...
    @property
    def projects(self) -> ProjectStore: ...
    @property
    def targets(self) -> TargetStore: ...
    @property
    def secrets(self) -> SecretStore: ...
    @property
    def load_tests(self) -> LoadTestStore: ...
    @property
    def load_test_runs(self) -> LoadTestRunStore: ...
    @property
    def resource_usages(self) -> ResourceUsageStore: ...
    @property
    def load_test_analyses(self) -> LoadTestAnalysisStore: ...
    @property
    def permission_requests(self) -> PermissionRequestStore: ...
    @property
    def grants(self) -> GrantStore: ...
    @property
    def audit(self) -> AuditStore: ...
    @property
    def sessions(self) -> SessionStore: ...
    @property
    def lot_rows(self) -> LotRowStore: ...
    @property
    def lot_imports(self) -> LotImportStore: ...
    @property
    def set_up_models(self) -> SetUpModelStore: ...
    @property
    def model_versions(self) -> ModelVersionStore: ...
    @property
    def model_access(self) -> ModelAccessStore: ...
    @property
    def model_assignments(self) -> ModelAssignmentStore: ...
    @property
    def lot_results(self) -> LotResultStore: ...
    @property
    def daily_batch_runs(self) -> DailyBatchRunStore: ...


class Database(Protocol):
    """Opens units of work. Both raise `Unavailable` when the database does not answer."""

    def transaction(self) -> AbstractAsyncContextManager[UnitOfWork]:
        """A unit of work that may write. Leaving it normally commits, an exception rolls back."""
        ...

    def snapshot(self) -> AbstractAsyncContextManager[UnitOfWork]:
        """A unit of work that only reads, and reads all from one moment."""
        ...

    def write_out(self, endpoints: Sequence[Endpoint]) -> WrittenEndpoints:
        """Endpoints as they are stored; `ValidationFailed` of `url` where they take too many bytes.

        It takes the processor for seconds where there are many: to be done in a thread, before a unit of work is opened.
        """
        ...
