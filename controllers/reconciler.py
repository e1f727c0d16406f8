"""What the reconcilers of jobs and of load tests do alike for what runs on their runners."""

import asyncio
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Collection, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Generic, Protocol, TypeVar

from domain.attempt import AttemptKey
from domain.errors import Unavailable
from domain.live import Notice, Topic
from domain.ports import Runner
from domain.runner import EndReason, Observation, Presence
from resolvers.services import Services

log = logging.getLogger(__name__)
ACTOR = "runner"
LOG_CHUNK = 262_144
LOG_CHUNKS_A_ROUND = 8
Steps = Mapping[AttemptKey, Coroutine[None, None, None]]


async def guarded(key: AttemptKey, step: Coroutine[None, None, None]) -> None:
    """Take a step for one attempt; a fault of it is logged, and the next round tries again."""
    try:
        await step
    except Unavailable as error:
        log.warning("attempt %s has to wait: %s", key, error)
    except Exception:
        log.exception("attempt %s can't be brought forward now", key)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcilerSettings:
    """How often to look, how much to run at once, when a silent runner counts as lost, and for how long to go on hoping.

    `patience_seconds` is how long a round waits for what it does for attempts; it has to be well below `lost_after_seconds`.
    What runs may take `interrupt_grace_seconds` to end when a person stops the server. The reports of a cancelled attempt that
    has ended are given up after `reports_patience_seconds` in which none came.
    """

    interval_seconds: float = 1.0
    patience_seconds: float = 1.0
    capacity: int = 1
    heartbeat_seconds: float = 3.0
    lost_after_seconds: float = 30.0
    interrupt_grace_seconds: float = 2.0
    reports_patience_seconds: float = 30.0


@dataclass(slots=True)
class Memory:
    """What this process remembers of an attempt; nothing is wrong where it is lost. Seconds are of the monotonic clock.

    `access_given` is when the attempt was last told the server's address and a token; `launch_failed` when its launch failed
    for the first time; `heard` the last report of it that was seen to arrive, and when.
    """

    access_given: datetime | None = None
    launch_failed: float | None = None
    heard: tuple[int, float] = (-1, 0.0)


class Held(Protocol):
    """What a runner was given to run, by the name of its attempt."""

    @property
    def key(self) -> AttemptKey:
        """The attempt."""
        ...


T = TypeVar("T", bound=Held)
S = TypeVar("S", bound=ReconcilerSettings)


class Reconciler(ABC, Generic[T, S]):
    """The loop of one runner, one small step at a time. `host` is where it runs, for people to read.

    A round never waits for one attempt: the attempts' steps are taken beside each other, and what takes long goes on without it.
    """

    name: ClassVar[str]
    end_reason: ClassVar[EndReason]
    token_lifetime: ClassVar[timedelta]

    def __init__(self, services: Services, runner: Runner, kind: str, host: str, settings: S) -> None:
        self._services = services
        self._runner = runner
        self._kind = kind
        self._host = host
        self._settings = settings
        self._last_heartbeat = -settings.heartbeat_seconds
        self._is_leaving = False
        self._has_more_log = False
        self._under_way: dict[AttemptKey, asyncio.Task[None]] = {}
        self._memories: dict[AttemptKey, Memory] = {}
        self._round = asyncio.Lock()

    @abstractmethod
    async def _held(self) -> Sequence[T]:
        """What this runner was given and has not ended."""

    @abstractmethod
    async def _settle_unheld(self) -> None:
        """Settle what no runner looks after: nobody has it, or whose runner has fallen silent."""

    @abstractmethod
    async def _steps(self, held: Sequence[T], seen: Mapping[AttemptKey, Observation]) -> Steps:
        """What is next to be done for each."""

    @abstractmethod
    async def _claim_more(self, room: int) -> None:
        """Take up to so many that wait."""

    @abstractmethod
    def _token(self, held: T) -> str:
        """A fresh token for the attempt, good for `token_lifetime`."""

    async def run(self) -> None:
        """Look whenever something has changed or there is more output to copy, and at least once an interval, until cancelled."""
        async with self._services.bus.subscribe(Topic.RUNNER) as notices:
            woken = asyncio.ensure_future(anext(notices))
            try:
                while True:
                    await self.run_once()
                    await asyncio.wait({woken}, timeout=0.0 if self._has_more_log else self._settings.interval_seconds)
                    if woken.done():
                        woken.result()
                        woken = asyncio.ensure_future(anext(notices))
            finally:
                woken.cancel()
                for task in self._under_way.values():
                    task.cancel()
                await asyncio.gather(*self._under_way.values(), return_exceptions=True)
                self._under_way.clear()

    async def run_once(self) -> None:
        """One round; neither a fault nor the slowness of one attempt keeps the others waiting."""
        async with self._round:
            self._has_more_log = False
            try:
                await self._heartbeat()
                self._collect()
                await self._settle_unheld()
                present = await self._runner.present()
                held = await self._held()
                self._memories = {each.key: self._memory(each.key) for each in held}
                await self._clear_away(set(present) - {each.key for each in held})
                await self._look_after(held)
                if (room := self._settings.capacity - len(held)) > 0 and not self._is_leaving:
                    await self._claim_more(room)
            except Unavailable as error:
                log.warning("the %s has to wait: %s", self.name, error)
            except Exception:
                log.exception("a round of the %s failed; the next one begins anew", self.name)

    async def interrupt(self, deadline_seconds: float) -> None:
        """End this runner's attempts because the server goes away by a person's wish.

        From now on rounds begin nothing and end what runs; they go on until all has ended or the deadline has come. Attempts are
        asked to end before anything is waited for, be it a round that is under way or the database.
        """
        self._is_leaving = True
        try:
            async with asyncio.timeout(deadline_seconds):
                while True:
                    for key in await self._runner.present():
                        grace = self._settings.interrupt_grace_seconds
                        await guarded(key, self._runner.end(key, self.end_reason, grace))
                    if not await self._held():
                        return
                    await self.run_once()
                    await asyncio.sleep(0.0 if self._has_more_log else 0.1)
        except TimeoutError:
            log.warning("the %s has not settled all within %g s; the next server does the rest", self.name, deadline_seconds)
        except Unavailable as error:
            log.warning("what runs was asked to end, and the %s of the next server settles it: %s", self.name, error)

    async def _heartbeat(self) -> None:
        if time.monotonic() - self._last_heartbeat < self._settings.heartbeat_seconds:
            return
        async with self._services.database.transaction() as work:
            await work.attempts.heartbeat(self._runner.id, self._kind, self._host, await work.kits.now())
        self._last_heartbeat = time.monotonic()

    async def _look_after(self, held: Sequence[T]) -> None:
        held = [each for each in held if each.key not in self._under_way]
        if held:
            seen = await self._runner.observe([each.key for each in held])
            await self._attend(await self._steps(held, seen))

    async def _attend(self, steps: Steps) -> None:
        """Take each attempt's step beside the others', waiting for them for a while.

        What takes longer (a shim that does not come up, a large folder) goes on, and the rounds leave that attempt alone.
        """
        if steps:
            tasks = {key: asyncio.create_task(guarded(key, step)) for key, step in steps.items()}
            self._under_way |= tasks
            await asyncio.wait(tasks.values(), timeout=self._settings.patience_seconds)
            self._collect()

    def _collect(self) -> None:
        """Let go of the steps that are done."""
        for key in [key for key, task in self._under_way.items() if task.done()]:
            self._under_way.pop(key).result()

    def _memory(self, key: AttemptKey) -> Memory:
        return self._memories.setdefault(key, Memory())

    def _is_overdue(self, key: AttemptKey, last_sequence: int) -> bool:
        """Whether the reports after that number, which are still to come, have been waited for long enough."""
        memory, now = self._memory(key), time.monotonic()
        if last_sequence != memory.heard[0]:
            memory.heard = (last_sequence, now)
        return now - memory.heard[1] >= self._settings.reports_patience_seconds

    async def _renew_access(self, held: T) -> None:
        """Tell the attempt where the server is: its address and keys may have changed since the launch, and tokens run out."""
        memory, now = self._memory(held.key), datetime.now(UTC)
        if memory.access_given is None or now - memory.access_given > self.token_lifetime / 2:
            await self._runner.renew_access(held.key, self._services.public_url, self._token(held))
            memory.access_given = now

    async def _clear_away(self, keys: Collection[AttemptKey]) -> None:
        """End and remove what is here of attempts that this runner has no claim to any more."""
        await self._attend({key: self._remove(key) for key in keys if key not in self._under_way})

    async def _remove(self, key: AttemptKey) -> None:
        """Removed before it is looked at, as looking makes the runner send reports that are left, and nobody wants these."""
        await self._runner.forget(key)
        if key in await self._runner.present():
            seen = (await self._runner.observe([key]))[key]
            if seen.presence is Presence.ALIVE:
                await self._runner.end(key, EndReason.CANCELLED, 0.0)

    async def _copy_log(self, key: AttemptKey) -> bool:
        """Take a part of what the attempt has written into the database, from where the last copy ended; whether that was all."""
        for _ in range(LOG_CHUNKS_A_ROUND):
            async with self._services.database.snapshot() as work:
                end = await work.logs.end(key)
            chunk = await self._runner.read_log(key, end, LOG_CHUNK)
            if not chunk.data:
                return True
            async with self._services.database.transaction() as work:
                await work.logs.add(key, chunk, await work.kits.now())
            await self._services.bus.publish([Notice(Topic.LOG, str(key), chunk.end)])
        self._has_more_log = True
        return False
