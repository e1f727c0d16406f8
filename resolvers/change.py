"""The one way in which a kit is changed: decide on what was read, store if nothing came in between, else decide again."""

from collections.abc import Awaitable, Callable
from itertools import count
from uuid import UUID

from domain.change import Change
from domain.errors import NotFound, ValidationFailed, VersionConflict
from domain.kit import Kit
from domain.live import Notice, Topic
from domain.status import Status
from domain.storage import UnitOfWork
from domain.visibility import EVERYTHING, Visibility
from resolvers.idempotency import Idempotency
from resolvers.services import Services

OPTIMISTIC_ROUNDS = 3

Decide = Callable[[Change], None]
Also = Callable[[UnitOfWork, Change], Awaitable[None]]


class _Overtaken(Exception):
    """Another writer was faster; nothing was stored."""


async def change_kit(
    services: Services,
    actor: str,
    kit_id: int,
    decide: Decide,
    *,
    visibility: Visibility = EVERYTHING,
    idempotency: Idempotency | None = None,
    also: Also | None = None,
) -> Kit:
    """Let `decide` add events to a change of the kit, store them, and return the kit as it then is.

    Writers don't wait for each other while they decide. One that was overtaken a few times takes the kit's lock first, so that
    everybody gets through. `also` writes more in the same transaction. Raises `NotFound` and whatever `decide` raises.
    """
    for attempt in count():
        try:
            kit = await _try(services, actor, kit_id, decide, visibility, idempotency, also, attempt >= OPTIMISTIC_ROUNDS)
        except _Overtaken:
            continue
        await publish(services, kit)
        return kit
    raise AssertionError("unreachable")


async def publish(services: Services, kit: Kit) -> None:
    """Tell that a kit has changed, and the runners where it has something for them to do."""
    notices = [Notice(Topic.KIT, str(kit.id), kit.version)]
    if any(job.status is Status.QUEUED or job.cancel_requested for job in kit.jobs):
        notices.append(Notice(Topic.RUNNER, str(kit.id), kit.version))
    await services.bus.publish(notices)


async def _try(
    services: Services,
    actor: str,
    kit_id: int,
    decide: Decide,
    visibility: Visibility,
    idempotency: Idempotency | None,
    also: Also | None,
    is_locking: bool,
) -> Kit:
    async with services.database.transaction() as work:
        is_replay = idempotency is not None and await idempotency.replayed(work) is not None
        if is_locking:
            await work.kits.lock(kit_id)
        kit = await work.kits.get(kit_id, visibility)
        if kit is None:
            raise NotFound("kit", kit_id)
        if is_replay:
            return kit
        change = Change.of(kit, actor)
        decide(change)
        recorded = {} if change.is_empty else await work.kits.append([change])
        if not change.is_empty and kit_id not in recorded:
            raise _Overtaken
        if kit_id in recorded:
            change = change.recorded(recorded[kit_id])
        if also is not None:
            await also(work, change)
        if idempotency is not None:
            await idempotency.complete(work, {"kit": kit_id})
    return change.kit


async def kit_of_job(services: Services, job_id: UUID, visibility: Visibility) -> int:
    """The id of the job's kit; NotFound where the job doesn't exist for the caller."""
    async with services.database.snapshot() as work:
        kit_id = (await work.kits.of_jobs([job_id], visibility)).get(job_id)
    if kit_id is None:
        raise NotFound("job", job_id)
    return kit_id


def check_expected(thing: str, expected: int | None, status_version: int, version: int) -> None:
    """Raise `VersionConflict` if the thing's status has changed since the version that the caller had seen.

    `ValidationFailed` for a number that was never a version of the kit.
    """
    if expected is None:
        return
    if expected < 1:
        raise ValidationFailed.of("expectedVersion", f"{expected} is no version; versions begin at 1")
    if expected > version:
        raise ValidationFailed.of("expectedVersion", f"{expected} has not been reached; the kit is at version {version}")
    if expected < status_version:
        raise VersionConflict(thing, expected, status_version)
