"""What stands behind a port in tests where the outside itself is not what is tested."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime

from adapters.bus.memory import MemoryBus
from adapters.documents.finder import DocumentFinder
from adapters.models.model_inspector import ProcessModelInspector
from adapters.models.model_predictor import ProcessModelPredictor
from adapters.samples.embedded import EmbeddedSamples
from adapters.secret_cipher import AesSecretCipher
from domain.actor import Generator, Worker
from domain.attempt import AttemptKey, Cause, Ending
from domain.endpoint import Endpoint
from domain.errors import Unavailable
from domain.executor import LoadLimits
from domain.load_test_storage import WrittenEndpoints
from domain.ports import ArtifactStore
from domain.runner import EndReason, LaunchFailed, LaunchOrder, LogChunk, Observation, Presence
from domain.step_template import builtin_template
from domain.storage import Database, UnitOfWork
from outbound.guarded_http import ResolvingGuard
from outbound.names import NameLookup
from resolvers.report_intake import ReportIntake
from resolvers.services import Services, StepSettings


class Crash(BaseException):
    """The process dies here: nobody catches it, nothing is tidied up."""


class Fuse:
    """Lets the process die at the step of that number, counted over everything that shares the fuse; None: never."""

    def __init__(self, steps: int | None = None) -> None:
        self.steps = steps
        self.names: list[str] = []

    def burn(self, name: str) -> None:
        """One step further."""
        self.names.append(name)
        if self.steps is not None and len(self.names) > self.steps:
            self.steps = None
            raise Crash(name)


@dataclass(slots=True)
class FakeAttempt:
    """An attempt on a `FakeRunner`: `ending` is None while it is alive; one that floods writes faster than anybody copies."""

    order: LaunchOrder
    ending: Ending | None = None
    log: bytes = b""
    is_flooding: bool = False
    ended_for: list[EndReason] = field(default_factory=list)
    access: list[tuple[str, str]] = field(default_factory=list)


class FakeRunner:
    """A machine that does what the port says and nothing by itself; it lives on when the reconciler dies.

    Attempts end when the test says so (`finish`), or at once when asked where `is_obedient`. The fuse burns after each thing
    that was done. A launch takes as long as `may_launch` is not set; `launching` tells that one has begun. What is
    `unlaunchable` fails each time.
    """

    def __init__(self, runner_id: str = "runner-1", *, is_obedient: bool = True) -> None:
        self._id = runner_id
        self.is_obedient = is_obedient
        self.fuse = Fuse()
        self.attempts: dict[AttemptKey, FakeAttempt] = {}
        self.launches: list[AttemptKey] = []
        self.errors: dict[str, Exception] = {}
        self.unlaunchable: set[AttemptKey] = set()
        self.launching = asyncio.Event()
        self.may_launch = asyncio.Event()
        self.may_launch.set()

    @property
    def id(self) -> str:
        """See `domain.ports.Runner.id`."""
        return self._id

    async def launch(self, order: LaunchOrder) -> None:
        """See `domain.ports.Runner.launch`."""
        if order.key not in self.attempts:
            self._fail("launch")
            if order.key in self.unlaunchable:
                raise LaunchFailed("No shim can be started: out of everything")
            self.launching.set()
            await self.may_launch.wait()
            self.attempts[order.key] = FakeAttempt(order)
            self.launches.append(order.key)
        self.fuse.burn("launch")

    async def renew_access(self, key: AttemptKey, server_url: str, token: str) -> None:
        """See `domain.ports.Runner.renew_access`."""
        self.attempts[key].access.append((server_url, token))
        self.fuse.burn("renew access")

    async def observe(self, keys: Sequence[AttemptKey]) -> Mapping[AttemptKey, Observation]:
        """See `domain.ports.Runner.observe`."""
        self.fuse.burn("observe")
        return {key: self._observation(key) for key in keys}

    async def present(self) -> Sequence[AttemptKey]:
        """See `domain.ports.Runner.present`."""
        return list(self.attempts)

    async def end(self, key: AttemptKey, reason: EndReason, grace_seconds: float) -> None:
        """See `domain.ports.Runner.end`."""
        attempt = self.attempts.get(key)
        if attempt is not None and attempt.ending is None:
            attempt.ended_for.append(reason)
            if self.is_obedient:
                attempt.ending = Ending(exit_code=None, reports=0, cause=Cause(reason.value))
        self.fuse.burn("end")

    async def read_log(self, key: AttemptKey, offset: int, limit: int) -> LogChunk:
        """See `domain.ports.Runner.read_log`."""
        attempt = self.attempts[key]
        if attempt.is_flooding:
            attempt.log += b"x" * limit
        return LogChunk(offset, attempt.log[offset : offset + limit])

    async def forget(self, key: AttemptKey) -> None:
        """See `domain.ports.Runner.forget`."""
        self._fail("forget")
        if self.attempts[key].ending is not None:
            del self.attempts[key]
        self.fuse.burn("forget")

    def finish(self, key: AttemptKey, *, exit_code: int = 0, reports: int = 0, cause: Cause | None = None) -> None:
        """The attempt's program ends."""
        self.attempts[key].ending = Ending(exit_code=exit_code, reports=reports, cause=cause)

    def _observation(self, key: AttemptKey) -> Observation:
        attempt = self.attempts.get(key)
        if attempt is None:
            return Observation(key=key, presence=Presence.ABSENT)
        presence = Presence.ALIVE if attempt.ending is None else Presence.ENDED
        return Observation(key=key, presence=presence, ending=attempt.ending)

    def _fail(self, where: str) -> None:
        if where in self.errors:
            raise self.errors[where]


class FakeArtifacts(ArtifactStore):
    """Knows what was uploaded by its size alone; content never passes."""

    def __init__(self) -> None:
        self.sizes: dict[str, int] = {}

    async def size(self, location: str) -> int | None:
        return self.sizes.get(location)

    async def upload_offset(self, location: str) -> int:
        raise NotImplementedError

    async def append(self, location: str, offset: int, chunks: AsyncIterator[bytes]) -> int:
        raise NotImplementedError

    async def complete(self, location: str, *, sha256: str, size: int) -> None:
        raise NotImplementedError

    async def arrived_since(self, folder: str, moment: datetime) -> int:
        raise NotImplementedError

    def read(self, location: str, start: int, end: int) -> AsyncIterator[bytes]:
        raise NotImplementedError

    async def remove(self, folder: str) -> None:
        self.sizes = {each: size for each, size in self.sizes.items() if not each.startswith(f"{folder}/")}


class FakeSigner:
    """Signs tokens and links with nothing."""

    def issue(self, worker: Worker | Generator) -> str:
        """See `domain.ports.AttemptTokens.issue`."""
        return f"token of {worker.attempt}"

    def sign(self, method: str, path: str, expires_at: datetime) -> str:
        """See `domain.ports.UrlSigner.sign`."""
        return f"signed={method}"


class FailingDatabase(Database):
    """A database that goes away: `before_commit` transactions are rolled back, `after_commit` ones stored but not answered.

    An `outage` is what reads and writes raise. `transactions` and `reads` count. The fuse burns before and after each commit.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.fuse = Fuse()
        self.before_commit = 0
        self.after_commit = 0
        self.transactions = 0
        self.reads = 0
        self.outage: Exception | None = None

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[UnitOfWork]:
        """See `domain.storage.Database.transaction`."""
        self.transactions += 1
        if self.outage is not None:
            raise self.outage
        async with self._database.transaction() as work:
            yield work
            self.fuse.burn("before commit")
            if self.before_commit:
                self.before_commit -= 1
                raise Unavailable("the database went away before the commit")
        self.fuse.burn("after commit")
        if self.after_commit:
            self.after_commit -= 1
            raise Unavailable("the database went away after the commit")

    def write_out(self, endpoints: Sequence[Endpoint]) -> WrittenEndpoints:
        """See `domain.storage.Database.write_out`."""
        return self._database.write_out(endpoints)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[UnitOfWork]:
        """See `domain.storage.Database.snapshot`."""
        self.reads += 1
        if self.outage is not None:
            raise self.outage
        async with self._database.snapshot() as work:
            yield work


def fake_services(database: Database, **values: object) -> Services:
    """Services on a database, everything else of them in memory."""
    bus, artifacts, signer = MemoryBus(), FakeArtifacts(), FakeSigner()
    steps = StepSettings(
        templates={"builtin": builtin_template("python")}, folders=(), functions={}, allow_private_addresses=False
    )
    services = Services(
        database=database,
        bus=bus,
        artifacts=artifacts,
        documents=DocumentFinder(NameLookup(), allows_private=True, max_seconds=10),
        address_guard=ResolvingGuard(NameLookup(), allows_private=True),
        samples=EmbeddedSamples(),
        attempt_tokens=signer,
        url_signer=signer,
        secrets=AesSecretCipher({"test": b"k" * 64}),
        model_inspector=ProcessModelInspector(("false",), {}),
        model_predictor=ProcessModelPredictor(("false",), {}),
        reports=ReportIntake(database, bus, artifacts),
        steps=steps,
        load_limits=LoadLimits(),
        load_generator=("python", "-P", "-m", "steps.load_generator"),
        public_url="http://plog.test",
        issuer="http://issuer.test",
    )
    return replace(services, **values)  # type: ignore[arg-type]
