"""One transaction with all repositories on it: the only place where anything is committed."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionFree
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.endpoint import Endpoint
from domain.errors import Unavailable
from domain.load_test_storage import WrittenEndpoints
from persistence.repositories.artifact import ArtifactRepository
from persistence.repositories.attempt import AttemptRepository
from persistence.repositories.audit_entry import AuditRepository
from persistence.repositories.daily_batch_run import DailyBatchRunRepository
from persistence.repositories.deck_request import DeckRequestRepository
from persistence.repositories.event import EventRepository
from persistence.repositories.grant import GrantRepository
from persistence.repositories.idempotency_key import IdempotencyKeyRepository
from persistence.repositories.kit import KitRepository
from persistence.repositories.load_test import LoadTestRepository
from persistence.repositories.load_test_analysis import LoadTestAnalysisRepository
from persistence.repositories.load_test_run import LoadTestRunRepository
from persistence.repositories.log import LogRepository
from persistence.repositories.lot_import import LotImportRepository
from persistence.repositories.lot_result import LotResultRepository
from persistence.repositories.lot_row import LotRowRepository
from persistence.repositories.model_access_request import ModelAccessRepository
from persistence.repositories.model_assignment import ModelAssignmentRepository
from persistence.repositories.model_version import ModelVersionRepository
from persistence.repositories.permission_request import PermissionRequestRepository
from persistence.repositories.project import ProjectRepository
from persistence.repositories.resource_usage import ResourceUsageRepository
from persistence.repositories.secret import SecretRepository
from persistence.repositories.session import SessionRepository
from persistence.repositories.set_up_model import SetUpModelRepository
from persistence.repositories.target import TargetRepository, write_out

NO_ANSWER = "The database does not answer. Trying again is safe for reads, and for changes with an idempotency key."


class UnitOfWork:
    """The repositories on one connection; what they do becomes visible to others all at once."""

    def __init__(self, connection: AsyncConnection, name_cache: dict[str, int]) -> None:
        self.connection = connection
        self.kits = KitRepository(connection, name_cache)
        self.events = EventRepository(connection)
        self.attempts = AttemptRepository(connection)
        self.artifacts = ArtifactRepository(connection)
        self.deck_requests = DeckRequestRepository(connection)
        self.idempotency_keys = IdempotencyKeyRepository(connection)
        self.logs = LogRepository(connection)
        self.projects = ProjectRepository(connection)
        self.targets = TargetRepository(connection)
        self.secrets = SecretRepository(connection)
        self.load_tests = LoadTestRepository(connection)
        self.load_test_runs = LoadTestRunRepository(connection)
        self.resource_usages = ResourceUsageRepository(connection)
        self.load_test_analyses = LoadTestAnalysisRepository(connection)
        self.permission_requests = PermissionRequestRepository(connection)
        self.grants = GrantRepository(connection)
        self.audit = AuditRepository(connection)
        self.sessions = SessionRepository(connection)
        self.lot_rows = LotRowRepository(connection)
        self.lot_imports = LotImportRepository(connection)
        self.set_up_models = SetUpModelRepository(connection)
        self.model_versions = ModelVersionRepository(connection)
        self.model_access = ModelAccessRepository(connection)
        self.model_assignments = ModelAssignmentRepository(connection)
        self.lot_results = LotResultRepository(connection)
        self.daily_batch_runs = DailyBatchRunRepository(connection)


class Database:
    """Opens units of work on the two engines."""

    def __init__(self, writer: AsyncEngine, reader: AsyncEngine) -> None:
        self._writer = writer
        self._reader = reader
        self._name_cache: dict[str, int] = {}

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[UnitOfWork]:
        """A unit of work that may write. Leaving it normally commits, an exception rolls back."""
        async with _translated(), self._writer.connect() as connection, connection.begin() as transaction:
            yield UnitOfWork(connection, self._name_cache)
            await transaction.commit()

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[UnitOfWork]:
        """A unit of work that only reads, and reads all from one moment."""
        async with _translated(), self._reader.connect() as connection:
            if connection.dialect.name == "postgresql":
                options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
                connection = await connection.execution_options(**options)
            yield UnitOfWork(connection, self._name_cache)

    def write_out(self, endpoints: Sequence[Endpoint]) -> WrittenEndpoints:
        """Endpoints as they are stored."""
        return write_out(endpoints)

    async def close(self) -> None:
        """Close all connections."""
        await self._writer.dispose()
        await self._reader.dispose()


@asynccontextmanager
async def _translated() -> AsyncIterator[None]:
    """Turn a database that does not answer into `Unavailable`; everything else is a fault and stays what it is."""
    try:
        yield
    except Exception as error:
        if _is_outage(error):
            raise Unavailable(NO_ANSWER) from error
        raise


def _is_outage(error: BaseException | None) -> bool:
    """Whether the database can't be reached or refuses all work now.

    Names that don't resolve, routes and sockets that break are an `OSError`; a pool without a free connection says so itself. Of
    what the database answers: PostgreSQL's classes 08, 53, 57P; SQLite's busy, full, can't open, input/output error.
    """
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or _is_outage(error.orig)
    state = str(getattr(error, "sqlstate", None) or "")
    name = str(getattr(error, "sqlite_errorname", None) or "")
    return (
        isinstance(error, OSError | NoConnectionFree)
        or state.startswith(("08", "53", "57P"))
        or name.startswith(("SQLITE_BUSY", "SQLITE_FULL", "SQLITE_CANTOPEN", "SQLITE_IOERR"))
    )
