"""The loop of a server that works off what waits in the background: imports of lot rows, runs of the daily batch.

Any server may take up work that nobody works on, also what a server that has died has left. Each time it gets a greater number,
its fence, which every transaction of the work holds it to: a server that was slow and has been overtaken writes nothing more.
"""

import asyncio
import logging
import secrets
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Collection, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from domain.background_work import BackgroundWork
from domain.errors import Unavailable
from domain.live import Topic
from domain.storage import UnitOfWork
from resolvers.services import Services

log = logging.getLogger(__name__)
HEARTBEAT_SECONDS = 1.0
TRIES = 6  # the waits between them, each twice as long as the one before, are half a minute together
MOST_WAIT_SECONDS = 60.0
MET_AN_ERROR = "Met an internal error, and is tried again by itself."
Work = TypeVar("Work", bound=BackgroundWork)


class TakenOver(Exception):
    """Another server has taken up the work, or it has ended."""


class WorkStore(Protocol[Work]):
    """What such a loop needs of the database (see `domain.lot_storage.LotImportStore`)."""

    async def claim(self, server: str, working: Collection[int], silence: timedelta) -> Work | None:
        """Take up the oldest that nobody works on."""
        ...

    async def hold(self, claimed: Work) -> Work | None:
        """The work as it is now, unchanged by others until the unit of work ends; None where another has taken it up."""
        ...

    async def change(self, changed: Work) -> None:
        """Store what work that is held has become."""
        ...

    async def heartbeat(self, claimed: Work) -> bool | None:
        """Whether it is to be cancelled; None where it is not the claimant's any more."""
        ...

    async def release(self, server: str) -> None:
        """Let others take up at once what this server works on."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class BackgroundWorkerSettings:
    """How often to look for work if not woken sooner, and the silence after which others take up what a server works on."""

    interval_seconds: float = 1.0
    lost_after_seconds: float = 30.0


class Taken(ABC, Generic[Work]):
    """A piece of work that a server has taken up; `found` is what it was when it was last stored."""

    def __init__(self, services: Services, found: Work) -> None:
        self.services = services
        self.found = found

    @abstractmethod
    def store(self, work: UnitOfWork) -> WorkStore[Work]:
        """Where such work stands."""

    @abstractmethod
    async def run(self) -> None:
        """Bring it to its end, from wherever it stands; `Unavailable` where it has to wait."""

    @abstractmethod
    async def cancel(self) -> None:
        """End it because somebody wants it."""

    @abstractmethod
    async def fail(self, error_id: str) -> bool:
        """End it, or the part of it that is under way, for an error that only the log shows, by that id.

        Whether there is more of it to be done.
        """

    async def hold(self, work: UnitOfWork) -> Work:
        """The work as it is now, unchanged by others until the unit of work ends; `TakenOver` where another has it."""
        held = await self.store(work).hold(self.found)
        if held is None:
            raise TakenOver
        return held

    async def tried(
        self, bring_to_an_end: Callable[[], Awaitable[None]], first_wait: float, tell: Callable[[Work], Awaitable[None]]
    ) -> None:
        """Try again what goes wrong, each time after a longer wait, and let the work say so meanwhile.

        What is `Unavailable` is waited for without end; of other errors it fails once it has come no further in `TRIES` of them.
        """
        faults = outages = 0
        what = self.found.kind.lower()
        while True:
            version = self.found.version
            try:
                return await bring_to_an_end()
            except TakenOver:
                raise
            except Exception as error:
                fault = error
            await self._read_again(first_wait)
            if self.found.version > version:
                faults = outages = 0
            is_outage = isinstance(fault, Unavailable)
            faults, outages = faults + (not is_outage), outages + is_outage
            if faults == TRIES:
                error_id = secrets.token_hex(8)
                facts = {"error_id": error_id, what.replace(" ", "_"): self.found.id}
                log.error("internal error %s in %s %d", error_id, what, self.found.id, exc_info=fault, extra=facts)
                if not await self.fail(error_id):
                    return None
                faults = 0
                continue
            shown = None if is_outage else fault
            log.warning("%s %d can't go on and is tried again: %s", what, self.found.id, fault, exc_info=shown)
            await self._say(f"Waits, and goes on by itself: {fault}" if is_outage else MET_AN_ERROR, tell)
            await asyncio.sleep(wait_before(faults + outages, first_wait))

    async def _read_again(self, first_wait: float) -> None:
        """Read the work as it is stored, as soon as the database answers."""
        tries = 0
        while True:
            with suppress(Unavailable):
                async with self.services.database.transaction() as work:
                    self.found = await self.hold(work)
                return
            tries += 1
            await asyncio.sleep(wait_before(tries, first_wait))

    async def _say(self, message: str, tell: Callable[[Work], Awaitable[None]]) -> None:
        """Let the work say what it waits for, if that can be stored."""
        if self.found.message == message:
            return
        with suppress(Unavailable):
            async with self.services.database.transaction() as work:
                held = await self.hold(work)
                waiting = held.waiting(max(held.updated_at, await work.kits.now()), message)
                await self.store(work).change(waiting)
            self.found = waiting
            await tell(waiting)


def wait_before(again: int, first_wait: float) -> float:
    """The seconds before something is tried again, for the first time, the second and so on."""
    return min(first_wait * 2.0 ** min(again - 1, 20), MOST_WAIT_SECONDS)


class BackgroundWorker(ABC, Generic[Work]):
    """The loop of one server. `server` is its name, the same after a restart: what it was at it takes up again at once."""

    topic: ClassVar[Topic]
    what: ClassVar[str]
    at_once: ClassVar[int]

    def __init__(self, services: Services, server: str, settings: BackgroundWorkerSettings) -> None:
        self._services = services
        self._server = server
        self._settings = settings
        self._working: dict[int, asyncio.Task[None]] = {}

    @abstractmethod
    def store(self, work: UnitOfWork) -> WorkStore[Work]:
        """Where the work stands."""

    @abstractmethod
    async def tell(self, changed: Work) -> None:
        """Tell that a piece of work has changed."""

    @abstractmethod
    def take(self, claimed: Work) -> Taken[Work]:
        """The piece of work that was claimed."""

    async def look(self) -> None:
        """What else there is to do in each round, before anything is taken up."""

    async def run(self) -> None:
        """Look whenever something has changed, and at least once an interval, until cancelled; others go on at once then."""
        async with self._services.bus.subscribe(self.topic) as notices:
            woken = asyncio.ensure_future(anext(notices))
            try:
                while True:
                    await self.run_once()
                    await asyncio.wait({woken}, timeout=self._settings.interval_seconds)
                    if woken.done():
                        woken.result()
                        woken = asyncio.ensure_future(anext(notices))
            finally:
                woken.cancel()
                await self._leave()

    async def run_once(self) -> None:
        """Take up what nobody works on, as far as there is room."""
        try:
            await self.look()
            while len(self._working) < self.at_once:
                silence = timedelta(seconds=self._settings.lost_after_seconds)
                async with self._services.database.transaction() as work:
                    claimed = await self.store(work).claim(self._server, self._working, silence)
                if claimed is None:
                    return
                await self.tell(claimed)
                task = self._working[claimed.id] = asyncio.create_task(self._work(claimed))
                task.add_done_callback(partial(self._forget, claimed.id))
        except Unavailable as error:
            log.warning("looking for %ss has to wait: %s", self.what, error)
        except Exception:
            log.exception("looking for %ss failed; the next round begins anew", self.what)

    def _forget(self, number: int, _: "asyncio.Task[None]") -> None:
        del self._working[number]

    async def _leave(self) -> None:
        tasks = list(self._working.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if tasks:
            with suppress(Unavailable):
                async with self._services.database.transaction() as work:
                    await self.store(work).release(self._server)

    async def _work(self, claimed: Work) -> None:
        """Bring work to its end, unless it is overtaken or something does not answer: then it is taken up again."""
        taken, first_wait = self.take(claimed), self._settings.interval_seconds
        try:
            if not await self._beating(claimed, taken.tried(taken.run, first_wait, self.tell), may_be_cancelled=True):
                await self._beating(claimed, taken.tried(taken.cancel, first_wait, self.tell), may_be_cancelled=False)
        except TakenOver:
            log.info("another server has taken up %s %d, or it has ended", self.what, claimed.id)
        except Unavailable as error:
            log.warning("%s %d has to wait: %s", self.what, claimed.id, error)
            await asyncio.sleep(self._settings.interval_seconds)
        except Exception:
            log.exception("%s %d can't be brought to an end now", self.what, claimed.id)
            await asyncio.sleep(self._settings.interval_seconds)

    async def _beating(self, claimed: Work, doing: Coroutine[Any, Any, None], *, may_be_cancelled: bool) -> bool:
        """Do something of the work, and record meanwhile that it is worked on; False where it is to be cancelled instead."""
        working = asyncio.create_task(doing)
        beating = asyncio.create_task(self._beat(claimed, may_be_cancelled))
        try:
            await asyncio.wait({working, beating}, return_when=asyncio.FIRST_COMPLETED)
            await (working if working.done() else beating)
            return working.done()
        finally:
            await _stopped(working)
            await _stopped(beating)

    async def _beat(self, claimed: Work, may_be_cancelled: bool) -> None:
        """Record that it is being worked on, until it is to be cancelled, if it may be; `TakenOver` where another has it."""
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            with suppress(Unavailable):
                async with self._services.database.transaction() as work:
                    is_to_be_cancelled = await self.store(work).heartbeat(claimed)
                if is_to_be_cancelled is None:
                    raise TakenOver
                if is_to_be_cancelled and may_be_cancelled:
                    return


async def _stopped(task: "asyncio.Task[Any]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
