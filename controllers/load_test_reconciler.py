"""Makes the load tests that wait run, one after another, and gives those that have ended their verdict.

As the job reconciler: each step can be repeated, a run is claimed in the database before anything is started, what is started is
named by its run, and a run is judged only when its generator has ended and all that it reported was taken in. A load generator
is never started twice, and a server that stops or dies leaves it running: back, it takes the run up again.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from controllers.reconciler import ACTOR, Reconciler, ReconcilerSettings, Steps, guarded
from controllers.resource_watcher import ResourceWatcher
from domain.attempt import AttemptKey, Cause, Ending
from domain.errors import SecretUnavailable, ValidationFailed
from domain.load_test import check_limits
from domain.load_test_run import VERDICTS, LoadTestRun, RunStatus
from domain.load_test_verdict import verdict
from domain.ports import Runner
from domain.run_queue import busy_origins
from domain.runner import EndReason, LaunchFailed, Observation, Presence
from domain.visibility import EVERY_PROJECT
from resolvers.load_generator import STOP_GRACE_SECONDS, TOKEN_LIFETIME, generator_token, launch_order
from resolvers.load_test import refuse_addresses
from resolvers.load_test_run import tell, with_figures
from resolvers.secret import values_of_secrets
from resolvers.services import Services

log = logging.getLogger(__name__)
STOPPED_BY_HAND = "The server was stopped by hand."


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadTestReconcilerSettings(ReconcilerSettings):
    """As of jobs; a load generator that is interrupted has the time of a stop."""

    interrupt_grace_seconds: float = STOP_GRACE_SECONDS


class LoadTestReconciler(Reconciler[LoadTestRun, LoadTestReconcilerSettings]):
    """The loop of one runner of load generators; of those that are interrupted the figures so far stay."""

    name = "load test reconciler"
    end_reason = EndReason.CANCELLED
    token_lifetime = TOKEN_LIFETIME

    def __init__(
        self,
        services: Services,
        runner: Runner,
        resources: ResourceWatcher,
        kind: str,
        host: str,
        settings: LoadTestReconcilerSettings,
    ) -> None:
        super().__init__(services, runner, kind, host, settings)
        self._resources = resources

    async def _held(self) -> Sequence[LoadTestRun]:
        async with self._services.database.snapshot() as work:
            return await work.load_test_runs.claimed_by(self._runner.id)

    def _token(self, held: LoadTestRun) -> str:
        return generator_token(self._services, held)

    async def _settle_unheld(self) -> None:
        """Miss the runs of other runners that have fallen silent, and judge those whose generators must have ended meanwhile.

        Any server may do it, the first one does. Until then a run is its server's to take up again: its load may go on.
        """
        silence = timedelta(seconds=self._settings.lost_after_seconds)
        async with self._services.database.snapshot() as work:
            now = await work.kits.now()
            silent = await work.load_test_runs.of_silent_runners(silence, now, self._runner.id)
        for run, since in silent:
            if run.latest_end + silence < now:
                missed = f"The server that ran it has not been heard of since {since:%Y-%m-%d %H:%M:%S} UTC."
                await guarded(run.key, self._change(run, RunStatus.ERROR, f"{run.message} {missed}".strip()))
            elif run.unheard_since != since:
                await guarded(run.key, self._miss(run, since))

    async def _miss(self, run: LoadTestRun, since: datetime | None) -> None:
        async with self._services.database.transaction() as work:
            missed = await work.load_test_runs.miss(run, ACTOR, since)
        if missed is not None:
            await tell(self._services, missed)
            log.warning("load test run", extra={"run": run.id, "reason": missed.told or "its server is heard of again"})

    async def _steps(self, held: Sequence[LoadTestRun], seen: Mapping[AttemptKey, Observation]) -> Steps:
        return {run.key: self._close_gap(run, seen[run.key]) for run in held}

    async def _close_gap(self, run: LoadTestRun, seen: Observation) -> None:
        if run.unheard_since is not None:
            await self._miss(run, None)
            return
        if seen.presence is Presence.ABSENT:
            await self._without_generator(run)
            return
        is_log_whole = await self._copy_log(run.key)
        await self._renew_access(run)
        was_interrupted = seen.ending is not None and seen.ending.cause is Cause.CANCELLED  # while the database was away
        if run.status is not RunStatus.STOPPING and (self._is_leaving or was_interrupted):
            await self._change(run, RunStatus.STOPPING, STOPPED_BY_HAND)
        elif seen.presence is Presence.ALIVE:
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
            self._memory(run.key).access_given = datetime.now(UTC)
            await self._change(run, RunStatus.RUNNING)

    def _has_all_reports(self, run: LoadTestRun, ending: Ending) -> bool:
        """Whether nothing is still to come; a run that was stopped is not waited for without end."""
        if run.last_sequence >= ending.reports:
            return True
        return run.status is RunStatus.STOPPING and self._is_overdue(run.key, run.last_sequence)

    async def _judge(self, run: LoadTestRun, ending: Ending) -> None:
        await self._resources.finish(run.id)
        run = await with_figures(self._services, run)
        async with self._services.database.snapshot() as work:
            counts = await work.load_test_runs.counts(run.id)
        status, message = verdict(run, ending, counts)
        if (missing := ending.reports - run.last_sequence) > 0:
            message += f" {missing} reports of its load generator could not be taken in: figures are missing."
        await self._store(run, status, message)

    async def _change(self, run: LoadTestRun, status: RunStatus, message: str = "") -> None:
        """Take the run to a status, with its figures so far where that is a verdict."""
        if status in VERDICTS:
            await self._resources.finish(run.id)
            run = await with_figures(self._services, run)
        await self._store(run, status, message)

    async def _store(self, run: LoadTestRun, status: RunStatus, message: str) -> None:
        """Store the run in that status; where somebody else was faster, the next round sees what is to be done then.

        Counts and figures for a verdict are read before the transaction that writes it, as a long run's windows take seconds and
        one writer at a time may hold SQLite. It is written only while no report was taken in since the run was read.
        """
        async with self._services.database.transaction() as work:
            changed = await work.load_test_runs.change(run, status, ACTOR, message)
        if changed is not None:
            await tell(self._services, changed)
            log.info("load test run", extra={"run": run.id, "status": status.value, "reason": message})

    async def _warn(self, run: LoadTestRun) -> None:
        async with self._services.database.transaction() as work:
            warned = await work.load_test_runs.warn(run, ACTOR)
        if warned is not None:
            await tell(self._services, warned)
            log.warning("load test run nears its deadline", extra={"run": run.id})

    async def _claim_more(self, room: int) -> None:
        """Take the first runs that wait and whose server is not under load already."""
        limit = self._services.runs_per_target
        async with self._services.database.snapshot() as work:
            unfinished = await work.load_test_runs.unfinished()
        busy = busy_origins(unfinished)
        mine: list[LoadTestRun] = []
        for run in unfinished:
            if run.is_queued and len(mine) < room and busy[run.origin] < limit:
                async with self._services.database.transaction() as work:
                    (known,) = (await work.load_test_runs.get_many([run.id], EVERY_PROJECT)).values()
                    claimed = await work.load_test_runs.claim(known, ACTOR, self._runner.id, limit)
                if claimed is None:
                    busy[run.origin] = limit  # those after it can't overtake it
                else:
                    await tell(self._services, claimed)
                    mine.append(claimed)
                    busy[run.origin] += 1
        await self._look_after(mine)
