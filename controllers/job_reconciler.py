"""Makes what runs on this runner what the database says should run, one small step at a time.

Every step can be repeated and every crash point is found again by the next round: a claim is stored before anything is started, a
start is named by its attempt, and an attempt is settled only when it has ended and all of its reports and output were taken in.
A round never waits for one attempt: the attempts' steps are taken beside each other, and what takes long goes on without it.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from controllers.reconciler import ACTOR, Reconciler, ReconcilerSettings, Steps, guarded
from domain import commands
from domain.attempt import AttemptKey, Cause, Claim, Ending
from domain.change import Change
from domain.errors import AttemptSuperseded, NotFound
from domain.job import Job
from domain.kit import Kit
from domain.runner import EndReason, LaunchFailed, Observation, Presence
from domain.status import Status
from domain.storage import UnitOfWork
from domain.visibility import EVERYTHING
from resolvers.attempt import TOKEN_LIFETIME, attempt_token, launch_order
from resolvers.change import change_kit

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobReconcilerSettings(ReconcilerSettings):
    """How long a cancelled attempt may take to end, and for how long a launch that fails is tried again."""

    cancel_grace_seconds: float = 10.0
    launch_patience_seconds: float = 60.0


class JobReconciler(Reconciler[Claim, JobReconcilerSettings]):
    """The loop of one runner of attempts; those that are interrupted are queued again."""

    name = "job reconciler"
    end_reason = EndReason.INTERRUPTED
    token_lifetime = TOKEN_LIFETIME

    async def _held(self) -> Sequence[Claim]:
        async with self._services.database.snapshot() as work:
            return await work.attempts.claims_of(self._runner.id)

    def _token(self, held: Claim) -> str:
        return attempt_token(self._services, held.key, held.kit_id)

    async def _settle_unheld(self) -> None:
        await self._cancel_unclaimed()
        await self._settle_lost_runners()

    async def _cancel_unclaimed(self) -> None:
        async with self._services.database.snapshot() as work:
            found = await work.attempts.cancelled_unclaimed()
        for key, kit_id in found:
            ending = Ending(exit_code=None, reports=0, cause=Cause.CANCELLED)
            await guarded(key, self._settle(Claim(key, kit_id, self._runner.id), ending))

    async def _settle_lost_runners(self) -> None:
        """Fail the attempts of runners that have fallen silent; any server may do it, the first one does."""
        silence = timedelta(seconds=self._settings.lost_after_seconds)
        async with self._services.database.snapshot() as work:
            claims = await work.attempts.claims_of_lost_runners(silence, await work.kits.now())
        for claim in claims:
            if claim.runner_id != self._runner.id:
                message = f"Runner {claim.runner_id} has not been heard of for {silence.total_seconds():.0f} s."
                ending = Ending(exit_code=None, reports=0, cause=Cause.RUNNER_LOST, message=message)
                await guarded(claim.key, self._settle(claim, ending))

    async def _steps(self, held: Sequence[Claim], seen: Mapping[AttemptKey, Observation]) -> Steps:
        async with self._services.database.snapshot() as work:
            kits = await work.kits.get_many(sorted({claim.kit_id for claim in held}), EVERYTHING)
        return {each.key: self._close_gap(each, kits[each.kit_id], seen[each.key]) for each in held}

    async def _close_gap(self, claim: Claim, kit: Kit, seen: Observation) -> None:
        job = kit.job(claim.key.job_id)
        is_wanted = job is not None and job.attempt.key == claim.key and not job.is_ended
        is_log_whole = seen.presence is Presence.ABSENT or await self._copy_log(claim.key)
        if seen.presence is not Presence.ABSENT:
            await self._renew_access(claim)
        if job is None or not is_wanted:
            if is_log_whole or seen.presence is Presence.ALIVE:
                await self._abandon(claim)
        elif seen.presence is Presence.ABSENT:
            if job.cancel_requested:
                await self._settle(claim, Ending(exit_code=None, reports=0, cause=Cause.CANCELLED))
            elif job.status is Status.RUNNING:
                message = "The attempt ran, and nothing of it is left on its runner."
                await self._settle(claim, Ending(exit_code=None, reports=0, cause=Cause.RUNNER_LOST, message=message))
            elif self._is_leaving:
                await self._settle(claim, Ending(exit_code=None, reports=0, cause=Cause.INTERRUPTED))
            else:
                await self._launch(claim, kit, job)
        elif seen.presence is Presence.ALIVE:
            if job.status is Status.QUEUED:
                await self._begin(claim)
            if self._is_leaving:
                await self._runner.end(claim.key, EndReason.INTERRUPTED, self._settings.interrupt_grace_seconds)
            elif job.cancel_requested:
                await self._runner.end(claim.key, EndReason.CANCELLED, self._settings.cancel_grace_seconds)
        elif seen.ending is not None and is_log_whole:
            await self._settle_ended(claim, job, seen.ending)

    async def _settle_ended(self, claim: Claim, job: Job, ending: Ending) -> None:
        """Settle an attempt once all of its reports are there, or somebody has cancelled it and they don't come."""
        if job.last_sequence >= ending.reports:
            await self._settle(claim, ending)
        elif job.cancel_requested and self._is_overdue(claim.key, job.last_sequence):
            message = f"Cancelled; {ending.reports - job.last_sequence} of its {ending.reports} reports never arrived."
            await self._settle(claim, replace(ending, cause=Cause.CANCELLED, message=message))

    async def _abandon(self, claim: Claim) -> None:
        """The attempt was settled by somebody else: give up the claim, and the next round clears away what is here of it."""
        async with self._services.database.transaction() as work:
            await work.attempts.release([claim.key], await work.kits.now())

    async def _launch(self, claim: Claim, kit: Kit, job: Job) -> None:
        memory = self._memory(claim.key)
        try:
            order = launch_order(self._services, kit, job)
            await self._runner.launch(order)
        except NotFound as error:
            ending = Ending(exit_code=None, reports=0, cause=Cause.NOT_STARTED, message=error.message)
            await self._settle(claim, ending)
        except LaunchFailed as error:
            log.warning("attempt %s can't be launched now: %s", claim.key, error)
            memory.launch_failed = memory.launch_failed or time.monotonic()
            if time.monotonic() - memory.launch_failed >= self._settings.launch_patience_seconds:
                await self._settle(claim, Ending(exit_code=None, reports=0, cause=Cause.NOT_STARTED, message=str(error)))
        else:
            memory.access_given = datetime.now(UTC)
            await self._begin(claim)

    async def _begin(self, claim: Claim) -> None:
        def decide(change: Change) -> None:
            commands.begin_attempt(change, *claim.key, self._runner.id)

        try:
            await change_kit(self._services, ACTOR, claim.kit_id, decide)
        except AttemptSuperseded as error:
            log.info("attempt %s was closed before it began: %s", claim.key, error)
        else:
            log.info("attempt started", extra={"kit": claim.kit_id, "attempt": str(claim.key)})

    async def _settle(self, claim: Claim, ending: Ending) -> None:
        def decide(change: Change) -> None:
            commands.settle_attempt(change, *claim.key, ending)

        async def release(work: UnitOfWork, change: Change) -> None:
            await work.attempts.release([claim.key], change.kit.updated_at)

        try:
            await change_kit(self._services, ACTOR, claim.kit_id, decide, also=release)
        except AttemptSuperseded as error:
            log.info("attempt %s was settled already: %s", claim.key, error)
        else:
            facts = {"kit": claim.kit_id, "attempt": str(claim.key), "cause": ending.cause, "exit_code": ending.exit_code}
            log.info("attempt settled", extra=facts)

    async def _claim_more(self, room: int) -> None:
        async with self._services.database.snapshot() as work:
            candidates = await work.attempts.claimable(room)
        claims = []
        for key, kit_id in candidates:
            async with self._services.database.transaction() as work:
                if await work.attempts.claim(key, self._runner.id, await work.kits.now()):
                    claims.append(Claim(key, kit_id, self._runner.id))
        await self._look_after(claims)
