"""Makes what runs on this runner what the database says should run, one small step at a time.

Every step can be repeated and every crash point is found again by the next round: a claim is stored before anything is started, a
start is named by its attempt, and an attempt is settled only when it has ended and all of its reports and output were taken in.
A round never waits for one attempt: the attempts' steps are taken beside each other, and what takes long goes on without it.
"""

import asyncio
import logging
import time
from collections.abc import Collection, Coroutine, Mapping, Sequence
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
LOG_CHUNKS_A_ROUND = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcilerSettings:
    """How often to look, how much to run at once, and when a silent runner counts as lost.

    `patience_seconds` is how long a round waits for what it does for attempts; it has to be well below `lost_after_seconds`.
    """

    interval_seconds: float = 1.0
    patience_seconds: float = 1.0
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
        self._is_leaving = False
        self._has_more_log = False
        self._under_way: dict[AttemptKey, asyncio.Task[None]] = {}
        self._round = asyncio.Lock()

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

        From now on rounds begin nothing and end what runs; they go on until all has ended or the deadline has come.
        """
        self._is_leaving = True
        try:
            async with asyncio.timeout(deadline_seconds):
                while await self._claims():
                    await self.run_once()
                    await asyncio.sleep(0.0 if self._has_more_log else 0.1)
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
        claims = [claim for claim in claims if claim.key not in self._under_way]
        if not claims:
            return
        observations = await self._runner.observe([claim.key for claim in claims])
        async with self._services.database.snapshot() as work:
            kits = await work.kits.get_many(sorted({claim.kit_id for claim in claims}), EVERYTHING)
        await self._attend({each.key: self._close_gap(each, kits[each.kit_id], observations[each.key]) for each in claims})

    async def _attend(self, steps: Mapping[AttemptKey, Coroutine[None, None, None]]) -> None:
        """Take each attempt's step beside the others', waiting for them for a while.

        What takes longer (a shim that does not come up, a large folder) goes on, and the rounds leave that attempt alone.
        """
        if steps:
            tasks = {key: asyncio.create_task(_guarded(key, step)) for key, step in steps.items()}
            self._under_way |= tasks
            await asyncio.wait(tasks.values(), timeout=self._settings.patience_seconds)
            self._collect()

    def _collect(self) -> None:
        """Let go of the steps that are done."""
        for key in [key for key, task in self._under_way.items() if task.done()]:
            self._under_way.pop(key).result()

    async def _close_gap(self, claim: Claim, kit: Kit, seen: Observation) -> None:
        job = kit.job(claim.key.job_id)
        is_wanted = job is not None and job.attempt.key == claim.key and not job.is_ended
        is_log_whole = seen.presence is Presence.ABSENT or await self._copy_log(claim.key)
        if job is None or not is_wanted:
            if is_log_whole or seen.presence is Presence.ALIVE:
                await self._abandon(claim)
        elif seen.presence is Presence.ABSENT:
            if job.cancel_requested:
                await self._settle(claim, Ending(exit_code=None, reports=0, cause=Cause.CANCELLED))
            elif self._is_leaving:
                await self._settle(claim, Ending(exit_code=None, reports=0, cause=Cause.INTERRUPTED))
            else:
                await self._launch(kit, job)
        elif seen.presence is Presence.ALIVE:
            if job.status is Status.QUEUED:
                await self._begin(claim)
            if self._is_leaving:
                await self._runner.end(claim.key, EndReason.INTERRUPTED, self._settings.interrupt_grace_seconds)
            elif job.cancel_requested:
                await self._runner.end(claim.key, EndReason.CANCELLED, self._settings.cancel_grace_seconds)
        elif seen.ending is not None and is_log_whole and job.last_sequence >= seen.ending.reports:
            await self._settle(claim, seen.ending)

    async def _abandon(self, claim: Claim) -> None:
        """The attempt was settled by somebody else: give up the claim, and the next round clears away what is here of it."""
        async with self._services.database.transaction() as work:
            await work.attempts.release([claim.key], await work.kits.now())

    async def _clear_away(self, keys: Collection[AttemptKey]) -> None:
        """End and remove what is here of attempts that this runner has no claim to any more."""
        left = [key for key in keys if key not in self._under_way]
        if left:
            observations = await self._runner.observe(left)
            await self._attend({key: self._remove(key, seen) for key, seen in observations.items()})

    async def _remove(self, key: AttemptKey, seen: Observation) -> None:
        if seen.presence is Presence.ALIVE:
            await self._runner.end(key, EndReason.CANCELLED, 0.0)
        else:
            await self._runner.forget(key)

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
        if room <= 0 or self._is_leaving:
            return
        async with self._services.database.snapshot() as work:
            candidates = await work.attempts.claimable(room)
        claims = []
        for key, kit_id in candidates:
            async with self._services.database.transaction() as work:
                if await work.attempts.claim(key, self._runner.id, await work.kits.now()):
                    claims.append(Claim(key, kit_id, self._runner.id))
        await self._look_after(claims)

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


async def _guarded(key: AttemptKey, step: Coroutine[None, None, None]) -> None:
    """Take a step for one attempt; a fault of it is logged, and the next round tries again."""
    try:
        await step
    except Unavailable as error:
        log.warning("attempt %s has to wait: %s", key, error)
    except Exception:
        log.exception("attempt %s can't be brought forward now", key)
