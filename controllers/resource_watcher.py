"""Reads the CPU and memory of what this server's load tests load, at the end of each window.

The reconciler of the runs and this loop share nothing but the database. A window in which it did not run has no reading; who
shows it carries the last one forward and says so.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from domain.errors import Unavailable
from domain.live import Notice, Topic
from domain.load_test_run import LoadTestRun, RunStatus
from domain.resource_usage import PodReader, PodWatch, ResourceUsage
from resolvers.services import Services

log = logging.getLogger(__name__)


class ResourceWatcher:
    """The loop for the runs of one runner of load generators."""

    def __init__(self, services: Services, reader: PodReader, runner_id: str) -> None:
        self._services = services
        self._reader = reader
        self._runner_id = runner_id
        self._watched: dict[int, _Watched] = {}

    async def run(self) -> None:
        """Look at the beginning of every second until cancelled."""
        while True:
            await asyncio.sleep(1 - time.time() % 1)
            await self.run_once(int(time.time()))

    async def run_once(self, now: int) -> None:
        """Read the pods of each run of which a window ends at second `now`; of a run that is new, to begin with."""
        try:
            async with self._services.database.snapshot() as work:
                runs = await work.load_test_runs.claimed_by(self._runner_id)
            under_load = {run.id: run for run in runs if run.status in (RunStatus.RUNNING, RunStatus.STOPPING)}
            self._watched = {id: watched for id, watched in self._watched.items() if id in under_load}
            await asyncio.gather(*(self._look(run, now) for run in under_load.values()))
        except Unavailable as error:
            log.warning("resources can't be stored now: %s", error)
        except Exception:
            log.exception("resources could not be read; the next second tries again")

    async def _look(self, run: LoadTestRun, now: int) -> None:
        watched = self._watched.get(run.id)
        if watched is None:
            watched = self._watched[run.id] = _Watched(self._reader.watch(run.definition.server))
            await watched.watch.read()
        elif now // run.window_seconds > watched.window:
            usages = await watched.usages(now // run.window_seconds * run.window_seconds - run.window_seconds)
            await self._store(run, usages)
        watched.window = now // run.window_seconds

    async def _store(self, run: LoadTestRun, usages: Sequence[ResourceUsage]) -> None:
        if not usages:
            return
        async with self._services.database.transaction() as work:
            await work.resource_usages.add(run.id, usages)
        await self._services.bus.publish([Notice(Topic.LOAD_TEST_RUN, str(run.id), run.version)])


class _Watched:
    """What is known of the pods of one run: how to read them, which there were, and the window that has not ended."""

    def __init__(self, watch: PodWatch) -> None:
        self.watch = watch
        self.window = 0
        self._pods: set[str] = set()

    async def usages(self, start: int) -> list[ResourceUsage]:
        """What is now to be said of the window that began at `start`."""
        readings = await self.watch.read()
        at = datetime.now(UTC)
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
