"""Makes the load tests that wait run, one after another, and gives those that have ended their verdict.

As the job reconciler: each step can be repeated, a run is claimed in the database before anything is started, what is started is
named by its run, and a run is judged only when its generator has ended and all that it reported was taken in. A load generator
is never started twice, and a server that stops leaves it running: the next one takes it up again.
"""

import asyncio
import logging
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from controllers.attempts import copy_log, guarded
from domain.attempt import AttemptKey, Ending
from domain.errors import SecretUnavailable, Unavailable, ValidationFailed
from domain.live import Topic
from domain.load_test import check_limits
from domain.load_test_run import VERDICTS, LoadTestRun, RunStatus, verdict
from domain.ports import Runner
from domain.runner import EndReason, LaunchFailed, Observation, Presence
from resolvers.load_generator import STOP_GRACE_SECONDS, TOKEN_LIFETIME, generator_token, launch_order
from resolvers.load_test import refuse_addresses
from resolvers.load_test_run import figures_of_run, tell
from resolvers.secret import values_of_secrets
from resolvers.services import Services

log = logging.getLogger(__name__)
ACTOR = "runner"
STOPPED_BY_HAND = "The server was stopped by hand."


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadTestReconcilerSettings:
    """How often to look, how many runs go on at once here and on one target, and when a silent runner counts as lost.

    The reports of a stopped run are given up after `reports_patience_seconds` in which none came.
    """

    interval_seconds: float = 1.0
    capacity: int = 1
    runs_per_target: int = 1
    heartbeat_seconds: float = 3.0
    lost_after_seconds: float = 30.0
    reports_patience_seconds: float = 30.0


class LoadTestReconciler:
    """The loop of one runner of load generators. `host` is where it runs, for people to read."""

    def __init__(self, services: Services, runner: Runner, kind: str, host: str, settings: LoadTestReconcilerSettings) -> None:
        self._services = services
        self._runner = runner
        self._kind = kind
        self._host = host
        self._settings = settings
        self._last_heartbeat = -settings.heartbeat_seconds
        self._access_given: dict[int, datetime] = {}
        self._heard: dict[int, tuple[int, float]] = {}
        self._is_leaving = False
        self._round = asyncio.Lock()

    async def run(self) -> None:
        """Look whenever something has changed, and at least once an interval, until cancelled."""
        async with self._services.bus.subscribe(Topic.RUNNER) as notices:
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

    async def run_once(self) -> None:
        """One round; the fault of one run keeps no other waiting."""
        async with self._round:
            try:
                await self._heartbeat()
                await self._judge_lost()
                runs = await self._claimed()
                await self._look_after(runs)
                await self._clear_away({run.key for run in runs})
                if not self._is_leaving:
                    await self._claim_more(len(runs))
            except Unavailable as error:
                log.warning("the load test reconciler has to wait: %s", error)
            except Exception:
                log.exception("a round of the load test reconciler failed; the next one begins anew")

    async def interrupt(self, deadline_seconds: float) -> None:
        """End this runner's load tests because the server goes away by a person's wish; their figures so far stay."""
        self._is_leaving = True
        try:
            async with asyncio.timeout(deadline_seconds):
                while runs := await self._claimed():
                    for run in runs:
                        await guarded(run.key, self._stop(run))
                    await self.run_once()
                    await asyncio.sleep(0.1)
        except TimeoutError:
            log.warning("not all load tests were judged within %g s; the next server does the rest", deadline_seconds)
        except Unavailable as error:
            log.warning("load tests were asked to end, and the next server judges them: %s", error)

    async def _stop(self, run: LoadTestRun) -> None:
        if run.status in (RunStatus.STARTING, RunStatus.RUNNING):
            await self._change(run, RunStatus.STOPPING, STOPPED_BY_HAND)
        await self._runner.end(run.key, EndReason.CANCELLED, STOP_GRACE_SECONDS)

    async def _heartbeat(self) -> None:
        if time.monotonic() - self._last_heartbeat < self._settings.heartbeat_seconds:
            return
        async with self._services.database.transaction() as work:
            await work.attempts.heartbeat(self._runner.id, self._kind, self._host, await work.kits.now())
        self._last_heartbeat = time.monotonic()

    async def _claimed(self) -> Sequence[LoadTestRun]:
        async with self._services.database.snapshot() as work:
            return await work.load_test_runs.claimed_by(self._runner.id)

    async def _judge_lost(self) -> None:
        """Judge the runs of runners that have fallen silent; any server may do it, the first one does."""
        silence = timedelta(seconds=self._settings.lost_after_seconds)
        async with self._services.database.snapshot() as work:
            lost = await work.load_test_runs.of_lost_runners(silence, await work.kits.now())
        for run in lost:
            message = f"The server that ran it has not been heard of for {silence.total_seconds():.0f} s."
            await guarded(run.key, self._change(run, RunStatus.ERROR, message))

    async def _look_after(self, runs: Sequence[LoadTestRun]) -> None:
        if not runs:
            return
        seen = await self._runner.observe([run.key for run in runs])
        await asyncio.gather(*(guarded(run.key, self._close_gap(run, seen[run.key])) for run in runs))

    async def _close_gap(self, run: LoadTestRun, seen: Observation) -> None:
        if seen.presence is Presence.ABSENT:
            await self._without_generator(run)
            return
        is_log_whole = await copy_log(self._services, self._runner, run.key)
        await self._renew_access(run)
        if seen.presence is Presence.ALIVE:
            if run.status is RunStatus.STARTING:
                await self._change(run, RunStatus.RUNNING)
            elif run.status is RunStatus.STOPPING:
                await self._runner.end(run.key, EndReason.CANCELLED, STOP_GRACE_SECONDS)
            elif run.nears_its_end(datetime.now(UTC), self._services.warning_seconds):
                await self._warn(run)
        elif seen.ending is not None and is_log_whole and self._has_all_reports(run, seen.ending):
            await self._judge(run, seen.ending)

    async def _without_generator(self, run: LoadTestRun) -> None:
        """What is claimed and has no generator was claimed a moment ago, or has lost it."""
        if run.status is RunStatus.STOPPING:
            await self._change(run, RunStatus.ABORTED, run.message or "Stopped before it began.")
        elif run.status is RunStatus.RUNNING:
            await self._change(run, RunStatus.ERROR, "It ran, and nothing of its load generator is left on its machine.")
        elif self._is_leaving:
            await self._change(run, RunStatus.ABORTED, STOPPED_BY_HAND)
        else:
            await self._launch(run)

    async def _launch(self, run: LoadTestRun) -> None:
        try:
            check_limits(run.definition, self._services.load_limits)
            await refuse_addresses(self._services, run.definition)
            await values_of_secrets(self._services, run.target_id, run.definition)
            await self._runner.launch(launch_order(self._services, run))
        except (SecretUnavailable, ValidationFailed) as error:
            await self._change(run, RunStatus.ERROR, str(error))
        except LaunchFailed as error:
            await self._change(run, RunStatus.ERROR, f"The load generator could not be started: {error}")
        else:
            self._access_given[run.id] = datetime.now(UTC)
            await self._change(run, RunStatus.RUNNING)

    def _has_all_reports(self, run: LoadTestRun, ending: Ending) -> bool:
        """Whether nothing is still to come; a run that was stopped is not waited for without end."""
        if run.last_sequence >= ending.reports:
            return True
        before, at = self._heard.get(run.id, (-1, 0.0))
        if run.last_sequence != before:
            before, at = self._heard[run.id] = (run.last_sequence, time.monotonic())
        is_overdue = time.monotonic() - at >= self._settings.reports_patience_seconds
        return run.status is RunStatus.STOPPING and is_overdue

    async def _judge(self, run: LoadTestRun, ending: Ending) -> None:
        async with self._services.database.snapshot() as work:
            counts = await work.load_test_runs.counts(run.id)
        await self._change(run, *verdict(run, ending, counts))

    async def _change(self, run: LoadTestRun, status: RunStatus, message: str = "") -> None:
        """Take the run to a status; where somebody else was faster, the next round sees what is to be done then."""
        figures = await figures_of_run(self._services, run) if status in VERDICTS else ()
        async with self._services.database.transaction() as work:
            changed = await work.load_test_runs.change(run, status, ACTOR, message, figures)
        if changed is not None:
            await tell(self._services, changed)
            log.info("load test run", extra={"run": run.id, "status": status.value, "reason": message})

    async def _warn(self, run: LoadTestRun) -> None:
        async with self._services.database.transaction() as work:
            warned = await work.load_test_runs.warn(run, ACTOR)
        if warned is not None:
            await tell(self._services, warned)
            log.warning("load test run nears its deadline", extra={"run": run.id})

    async def _renew_access(self, run: LoadTestRun) -> None:
        """Tell the generator where the server is: its address and keys may have changed since the launch, and tokens run out."""
        now, given = datetime.now(UTC), self._access_given.get(run.id)
        if given is None or now - given > TOKEN_LIFETIME / 2:
            await self._runner.renew_access(run.key, self._services.public_url, generator_token(self._services, run))
            self._access_given[run.id] = now

    async def _clear_away(self, wanted: Collection[AttemptKey]) -> None:
        """Remove what is here of runs that have their verdict."""
        for key in set(await self._runner.present()) - set(wanted):
            await guarded(key, self._remove(key))

    async def _remove(self, key: AttemptKey) -> None:
        await self._runner.forget(key)
        if key in await self._runner.present() and (await self._runner.observe([key]))[key].presence is Presence.ALIVE:
            await self._runner.end(key, EndReason.CANCELLED, 0.0)

    async def _claim_more(self, claimed: int) -> None:
        """Take the first runs that wait and whose target is not under load already."""
        async with self._services.database.snapshot() as work:
            busy = await work.load_test_runs.busy_targets()
            waiting = await work.load_test_runs.waiting()
        for run in waiting:
            if claimed >= self._settings.capacity:
                return
            if busy.count(run.target_id) >= self._settings.runs_per_target:
                continue
            async with self._services.database.transaction() as work:
                mine = await work.load_test_runs.claim(run, ACTOR, self._runner.id, self._settings.runs_per_target)
            if mine is not None:
                await tell(self._services, mine)
                await guarded(mine.key, self._launch(mine))
                busy.append(run.target_id)
                claimed += 1
