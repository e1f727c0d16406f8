"""Reads the CPU and memory of what this server's load tests load, at the end of each window and at the end of the load.

A window in which it did not run, or was busy for longer, has no reading; who shows it carries the last one forward and says so.
"""

import asyncio
import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from domain.errors import Unavailable
from domain.live import Notice, Topic
from domain.load_test_run import LoadTestRun, RunStatus
from domain.ports import Runner
from domain.resource_usage import PodReader, PodReading, PodWatch, ResourceUsage
from domain.runner import Presence
from resolvers.services import Services

log = logging.getLogger(__name__)
LEAST_SECONDS = 0.5  # between two readings: processor time is counted in hundredths


class ResourceWatcher:
    """The loop for the runs of one runner of load generators.

    A run is over once its load has ended: who judges it waits for the last reading, and none is stored after the verdict.
    """

    def __init__(self, services: Services, reader: PodReader, runner: Runner) -> None:
        self._services = services
        self._reader = reader
        self._runner = runner
        self._watched: dict[int, _Watched] = {}
        self._over: set[int] = set()

    async def run(self) -> None:
        """Look at the beginning of every second until cancelled."""
        while True:
            await asyncio.sleep(1 - time.time() % 1)
            await self.run_once(int(time.time()))

    async def run_once(self, now: int) -> None:
        """Read the pods of each run of which a window ends at second `now`; of a run that is new, to begin with.

        Of a run whose generator has ended they are read once more, for the window in which it did.
        """
        with _told():
            async with self._services.database.snapshot() as work:
                runs = await work.load_test_runs.claimed_by(self._runner.id)
            self._over &= {run.id for run in runs}
            running = [run for run in runs if run.status in (RunStatus.RUNNING, RunStatus.STOPPING)]
            seen = await self._runner.observe([run.key for run in running])
            under_load = {run.id: run for run in running if seen[run.key].presence is Presence.ALIVE}
            over = [id for id in self._watched if id not in under_load]
            await asyncio.gather(*(self._look(run, now) for run in under_load.values()), *(self.finish(id) for id in over))

    async def finish(self, run_id: int) -> None:
        """Read the pods of a run a last time, if that was not done; its load has ended. After that nothing is stored of it."""
        self._over.add(run_id)
        watched = self._watched.get(run_id)
        if watched is not None:
            async with watched.turn:
                if run_id in self._watched:
                    with _told():
                        if time.monotonic() - watched.read_at >= LEAST_SECONDS:
                            await self._store(watched.run, await watched.usages(watched.window))
                    del self._watched[run_id]

    async def _look(self, run: LoadTestRun, now: int) -> None:
        if run.id in self._over:
            return
        window = now // run.window_seconds
        watched = self._watched.get(run.id)
        if watched is None:
            watched = self._watched[run.id] = _Watched(run, self._reader.watch(run.definition.server), window)
            async with watched.turn:
                await watched.read()
        else:
            async with watched.turn:
                if window > watched.window and run.id not in self._over:
                    watched.window = window
                    await self._store(run, await watched.usages(window - 1))

    async def _store(self, run: LoadTestRun, usages: Sequence[ResourceUsage]) -> None:
        if not usages:
            return
        async with self._services.database.transaction() as work:
            await work.resource_usages.add(run.id, usages)
        await self._services.bus.publish([Notice(Topic.LOAD_TEST_RUN, str(run.id), run.version)])


@contextmanager
def _told() -> Iterator[None]:
    """What goes wrong is told in the log; the next second tries again."""
    try:
        yield
    except Unavailable as error:
        log.warning("resources can't be stored now: %s", error)
    except Exception:
        log.exception("resources could not be read; the next second tries again")


class _Watched:
    """What is known of the pods of one run: how to read them, which there were, and the window that has not ended.

    They are read by one at a time, who has the `turn`. Windows are numbered since 1970; `read_at` is when they were read last, by
    the clock that never jumps.
    """

    def __init__(self, run: LoadTestRun, watch: PodWatch, window: int) -> None:
        self.run = run
        self.turn = asyncio.Lock()
        self.window = window
        self.read_at = time.monotonic()
        self._watch = watch
        self._pods: set[str] = set()

    async def read(self) -> Sequence[PodReading]:
        """The pods as they are now."""
        self.read_at = time.monotonic()
        return await self._watch.read()

    async def usages(self, window: int) -> list[ResourceUsage]:
        """What is now to be said of a window."""
        readings = await self.read()
        at, start = datetime.now(UTC), window * self.run.window_seconds
        usages = [
            ResourceUsage(
                start=start,
                pod=reading.pod,
                sampled_at=at,
                cpu_millicores=reading.cpu_millicores,
                memory_bytes=reading.memory_bytes,
                specs=reading.specs,
            )
            for reading in readings
        ]
        gone = self._pods - {reading.pod for reading in readings}
        self._pods |= {reading.pod for reading in readings}
        return usages + [ResourceUsage.gone(start, pod, at) for pod in sorted(gone)]
