"""Makes what runs on this runner what the database says should run, one small step at a time.

Every step can be repeated and every crash point is found again by the next round: a claim is stored before anything is started, a
start is named by its attempt, and an attempt is settled only when it has ended and all of its reports and output were taken in.
A round never waits for one attempt: the attempts' steps are taken beside each other, and what takes long goes on without it.
"""

import asyncio
import logging
import time
from collections.abc import Collection, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from controllers.attempts import copy_log, guarded
from domain import commands
from domain.attempt import AttemptKey, Cause, Claim, Ending
from domain.change import Change
from domain.errors import AttemptSuperseded, NotFound, Unavailable
from domain.job import Job
from domain.kit import Kit
from domain.live import Topic
from domain.ports import Runner
from domain.runner import EndReason, LaunchFailed, Observation, Presence
from domain.status import Status
from domain.storage import UnitOfWork
from domain.visibility import EVERYTHING
from resolvers.attempt import TOKEN_LIFETIME, attempt_token, launch_order
from resolvers.change import change_kit
from resolvers.services import Services

log = logging.getLogger(__name__)
ACTOR = "runner"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcilerSettings:
    """How often to look, how much to run at once, when a silent runner counts as lost, and for how long to go on hoping.

    `patience_seconds` is how long a round waits for what it does for attempts; it has to be well below `lost_after_seconds`.
    A launch that fails is tried again for `launch_patience_seconds`. The reports of a cancelled attempt that has ended are
    given up after `reports_patience_seconds` in which none came.
    """

    interval_seconds: float = 1.0
    patience_seconds: float = 1.0
    capacity: int = 2
    heartbeat_seconds: float = 3.0
    lost_after_seconds: float = 30.0
    cancel_grace_seconds: float = 10.0
    interrupt_grace_seconds: float = 2.0
    launch_patience_seconds: float = 60.0
    reports_patience_seconds: float = 30.0


@dataclass(slots=True)
class _Memory:
    """What this process remembers of an attempt; nothing is wrong where it is lost. Seconds are of the monotonic clock.

    `access_given` is when the attempt was last told the server's address and a token; `launch_failed` when its launch failed
    for the first time; `heard` the last report of it that was seen to arrive, and when.
    """

    access_given: datetime | None = None
    launch_failed: float | None = None
    heard: tuple[int, float] = (-1, 0.0)


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
        self._memories: dict[AttemptKey, _Memory] = {}
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
                self._memories = {claim.key: self._memories.get(claim.key, _Memory()) for claim in claims}
                await self._clear_away(set(present) - {claim.key for claim in claims})
                await self._look_after(claims)
                await self._claim_more(len(claims))
            except Unavailable as error:
                log.warning("the job reconciler has to wait: %s", error)
            except Exception:
                log.exception("a round of the job reconciler failed; the next one begins anew")

    async def interrupt(self, deadline_seconds: float) -> None:
        """End this runner's attempts because the server goes away by a person's wish; they are queued again.

        From now on rounds begin nothing and end what runs; they go on until all has ended or the deadline has come. Attempts are
        asked to end before anything is waited for, be it a round that is under way or the database.
        """
        self._is_leaving = True
        try:
            async with asyncio.timeout(deadline_seconds):
                while True:
                    for key in await self._runner.present():
                        grace = self._settings.interrupt_grace_seconds
                        await guarded(key, self._runner.end(key, EndReason.INTERRUPTED, grace))
                    if not await self._claims():
                        return
                    await self.run_once()
                    await asyncio.sleep(0.0 if self._has_more_log else 0.1)
        except TimeoutError:
            log.warning("not all attempts were settled within %g s; the next server does the rest", deadline_seconds)
        except Unavailable as error:
            log.warning("attempts were asked to end, and the next server settles them: %s", error)

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
            tasks = {key: asyncio.create_task(guarded(key, step)) for key, step in steps.items()}
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
        elif job.cancel_requested:
            memory, now = self._memory(claim.key), time.monotonic()
            if job.last_sequence != memory.heard[0]:
                memory.heard = (job.last_sequence, now)
            if now - memory.heard[1] >= self._settings.reports_patience_seconds:
                message = f"Cancelled; {ending.reports - job.last_sequence} of its {ending.reports} reports never arrived."
                await self._settle(claim, replace(ending, cause=Cause.CANCELLED, message=message))

    async def _renew_access(self, claim: Claim) -> None:
        """Tell the attempt where the server is: its address and keys may have changed since the launch, and tokens run out."""
        memory, now = self._memory(claim.key), datetime.now(UTC)
        if memory.access_given is None or now - memory.access_given > TOKEN_LIFETIME / 2:
            token = attempt_token(self._services, claim.key, claim.kit_id)
            await self._runner.renew_access(claim.key, self._services.public_url, token)
            memory.access_given = now

    def _memory(self, key: AttemptKey) -> _Memory:
        return self._memories.setdefault(key, _Memory())

    async def _abandon(self, claim: Claim) -> None:
        """The attempt was settled by somebody else: give up the claim, and the next round clears away what is here of it."""
        async with self._services.database.transaction() as work:
            await work.attempts.release([claim.key], await work.kits.now())

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
        is_whole = await copy_log(self._services, self._runner, key)
        self._has_more_log = self._has_more_log or not is_whole
        return is_whole
