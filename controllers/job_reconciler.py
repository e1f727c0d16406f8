"""Makes what runs on this runner what the database says should run, one small step at a time.

Every step can be repeated and every crash point is found again by the next round: a claim is stored before anything is started, a
start is named by its attempt, and an attempt is settled only when it has ended and all of its reports were taken in.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta

from domain import commands
from domain.attempt import AttemptKey, Cause, Claim, Ending
from domain.change import Change
from domain.errors import AttemptSuperseded, NotFound, Unavailable
from domain.job import Job
from domain.kit import Kit
from domain.live import Notice, Topic
from domain.ports import Runner
from domain.runner import EndReason, Observation, Presence
from domain.status import Status
from domain.storage import UnitOfWork
from domain.visibility import EVERYTHING
from resolvers.attempt import launch_order
from resolvers.change import change_kit
from resolvers.services import Services

log = logging.getLogger(__name__)
ACTOR = "runner"
LOG_CHUNK = 262_144


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcilerSettings:
    """How often to look, how much to run at once, and when a silent runner counts as lost."""

    interval_seconds: float = 1.0
    capacity: int = 2
    heartbeat_seconds: float = 3.0
    lost_after_seconds: float = 30.0
    cancel_grace_seconds: float = 10.0
    interrupt_grace_seconds: float = 2.0


class JobReconciler:
    """The loop of one runner. `host` is where it runs, for people to read."""

    def __init__(self, services: Services, runner: Runner, kind: str, host: str, settings: ReconcilerSettings) -> None:
        self._services = services
        self._runner = runner
        self._kind = kind
        self._host = host
        self._settings = settings
        self._last_heartbeat = -settings.heartbeat_seconds
        self._is_claiming = True
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
        """One round; a fault of one attempt doesn't keep the others waiting."""
        async with self._round:
            try:
                await self._heartbeat()
                await self._cancel_unclaimed()
                await self._settle_lost_runners()
                present = await self._runner.present()
                claims = await self._claims()
                await self._clear_away(set(present) - {claim.key for claim in claims})
                await self._look_after(claims)
                await self._claim_more(len(claims))
            except Unavailable as error:
                log.warning("the job reconciler has to wait: %s", error)
            except Exception:
                log.exception("a round of the job reconciler failed; the next one begins anew")

    async def interrupt(self, deadline_seconds: float) -> None:
        """End this runner's attempts because the server goes away by a person's wish; they are queued again.

        Nothing is begun any more, rounds go on until all has ended or the deadline has come.
        """
        self._is_claiming = False
        try:
            async with asyncio.timeout(deadline_seconds):
                async with self._round:
                    for claim in await self._claims():
                        await self._runner.end(claim.key, EndReason.INTERRUPTED, self._settings.interrupt_grace_seconds)
                while await self._claims():
                    await self.run_once()
                    await asyncio.sleep(0.1)
        except (TimeoutError, Unavailable) as error:
            log.warning("attempts are left as they are: %s", error or "they did not end in time")

    async def _heartbeat(self) -> None:
        if time.monotonic() - self._last_heartbeat < self._settings.heartbeat_seconds:
            return
        async with self._services.database.transaction() as work:
            await work.attempts.heartbeat(self._runner.id, self._kind, self._host, await work.kits.now())
        self._last_heartbeat = time.monotonic()

    async def _claims(self) -> Sequence[Claim]:
        async with self._services.database.snapshot() as work:
            return await work.attempts.claims_of(self._runner.id)

    async def _cancel_unclaimed(self) -> None:
        async with self._services.database.snapshot() as work:
            found = await work.attempts.cancelled_unclaimed()
        for key, kit_id in found:
            ending = Ending(exit_code=None, reports=0, cause=Cause.CANCELLED)
            await _guarded(key, self._settle(Claim(key, kit_id, self._runner.id), ending))

    async def _settle_lost_runners(self) -> None:
        """Fail the attempts of runners that have fallen silent; any server may do it, the first one does."""
        silence = timedelta(seconds=self._settings.lost_after_seconds)
        async with self._services.database.snapshot() as work:
            claims = await work.attempts.claims_of_lost_runners(silence, await work.kits.now())
        for claim in claims:
            if claim.runner_id != self._runner.id:
                message = f"Runner {claim.runner_id} has not been heard of for {silence.total_seconds():.0f} s."
                ending = Ending(exit_code=None, reports=0, cause=Cause.RUNNER_LOST, message=message)
                await _guarded(claim.key, self._settle(claim, ending))

    async def _look_after(self, claims: Sequence[Claim]) -> None:
        if not claims:
            return
        observations = await self._runner.observe([claim.key for claim in claims])
        async with self._services.database.snapshot() as work:
            kits = await work.kits.get_many(sorted({claim.kit_id for claim in claims}), EVERYTHING)
        for claim in claims:
            await _guarded(claim.key, self._close_gap(claim, kits[claim.kit_id], observations[claim.key]))

    async def _close_gap(self, claim: Claim, kit: Kit, seen: Observation) -> None:
        job = kit.job(claim.key.job_id)
        is_wanted = job is not None and job.attempt.key == claim.key and not job.is_ended
        if seen.presence is not Presence.ABSENT:
            await self._copy_log(claim.key)
        if job is None or not is_wanted:
            await self._abandon(claim)
        elif seen.presence is Presence.ABSENT:
            if job.cancel_requested:
                await self._settle(claim, Ending(exit_code=None, reports=0, cause=Cause.CANCELLED))
            elif self._is_claiming:
                await self._launch(kit, job)
            else:
                await self._settle(claim, Ending(exit_code=None, reports=0, cause=Cause.INTERRUPTED))
        elif seen.presence is Presence.ALIVE:
            if job.status is Status.QUEUED:
                await self._begin(claim)
            if job.cancel_requested:
                await self._runner.end(claim.key, EndReason.CANCELLED, self._settings.cancel_grace_seconds)
        elif seen.ending is not None and job.last_sequence >= seen.ending.reports:
            await self._settle(claim, seen.ending)

    async def _abandon(self, claim: Claim) -> None:
        """The attempt was settled by somebody else: give up the claim, and the next round clears away what is here of it."""
        async with self._services.database.transaction() as work:
            await work.attempts.release([claim.key], await work.kits.now())

    async def _clear_away(self, keys: Collection[AttemptKey]) -> None:
        """End and remove what is here of attempts that this runner has no claim to any more."""
        if not keys:
            return
        for key, seen in (await self._runner.observe(list(keys))).items():
            is_alive = seen.presence is Presence.ALIVE
            await _guarded(key, self._runner.end(key, EndReason.CANCELLED, 0.0) if is_alive else self._runner.forget(key))

    async def _launch(self, kit: Kit, job: Job) -> None:
        try:
            order = launch_order(self._services, kit, job)
        except NotFound as error:
            ending = Ending(exit_code=None, reports=0, cause=Cause.NOT_STARTED, message=error.message)
            await self._settle(Claim(job.attempt.key, kit.id, self._runner.id), ending)
            return
        await self._runner.launch(order)
        await self._begin(Claim(job.attempt.key, kit.id, self._runner.id))

    async def _begin(self, claim: Claim) -> None:
        def decide(change: Change) -> None:
            commands.begin_attempt(change, *claim.key, self._runner.id)

        try:
            await change_kit(self._services, ACTOR, claim.kit_id, decide)
        except AttemptSuperseded as error:
            log.info("attempt %s was closed before it began: %s", claim.key, error)

    async def _settle(self, claim: Claim, ending: Ending) -> None:
        def decide(change: Change) -> None:
            commands.settle_attempt(change, *claim.key, ending)

        async def release(work: UnitOfWork, change: Change) -> None:
            await work.attempts.release([claim.key], change.kit.updated_at)

        try:
            await change_kit(self._services, ACTOR, claim.kit_id, decide, also=release)
        except AttemptSuperseded as error:
            log.info("attempt %s was settled already: %s", claim.key, error)

    async def _claim_more(self, claimed: int) -> None:
        room = self._settings.capacity - claimed
        if room <= 0 or not self._is_claiming:
            return
        async with self._services.database.snapshot() as work:
            candidates = await work.attempts.claimable(room)
        for key, kit_id in candidates:
            async with self._services.database.transaction() as work:
                is_claimed = await work.attempts.claim(key, self._runner.id, await work.kits.now())
            if is_claimed:
                await self._look_after([Claim(key, kit_id, self._runner.id)])

    async def _copy_log(self, key: AttemptKey) -> None:
        """Take what the attempt has written into the database, from where the last copy ended."""
        while True:
            async with self._services.database.snapshot() as work:
                end = await work.logs.end(key)
            chunk = await self._runner.read_log(key, end, LOG_CHUNK)
            if not chunk.data:
                return
            async with self._services.database.transaction() as work:
                await work.logs.add(key, chunk, await work.kits.now())
            await self._services.bus.publish([Notice(Topic.LOG, str(key), chunk.end)])


async def _guarded(key: AttemptKey, step: Awaitable[None]) -> None:
    """Take a step for one attempt; a fault of it is logged, and the next round tries again."""
    try:
        await step
    except Unavailable:
        raise
    except Exception:
        log.exception("attempt %s can't be brought forward now", key)
