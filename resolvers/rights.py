"""What people may do now, read from the database each time: nothing that was revoked or has expired is remembered."""

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from domain.actor import Actor, Person
from domain.grant import Grant
from domain.permission_kind import Right, opened_by
from domain.storage import UnitOfWork
from resolvers.open_streams import Confirmed
from resolvers.services import Services


async def with_rights(services: Services, actor: Actor) -> Actor:
    """The actor, a person with what their permissions open at this moment."""
    if not isinstance(actor, Person):
        return actor
    found = await rights_of(services, [actor.subject])
    return replace(actor, rights=found.get(actor.subject, frozenset()))


async def with_present_rights(work: UnitOfWork, person: Person) -> Person:
    """The person with what their permissions open in this unit of work: for what is written long after it was asked for."""
    return replace(person, rights=rights_in((await work.grants.active([person.subject])).get(person.subject, ())))


async def rights_of(services: Services, subjects: Collection[str]) -> dict[str, frozenset[Right]]:
    """What the permissions of these people open, in one statement; nothing of who has none."""
    async with services.database.snapshot() as work:
        held = await work.grants.active(subjects)
    return {subject: rights_in(grants) for subject, grants in held.items()}


async def confirmed(
    services: Services,
    subjects: Collection[str],
    sessions: Collection[UUID],
    access: Collection[int],
    members: Collection[tuple[str, int]] = (),
) -> Confirmed:
    """What these people may do, and which of these sessions, accesses to models and memberships go on, from one moment."""
    async with services.database.snapshot() as work:
        held = await work.grants.active(subjects) if subjects else {}
        alive = await work.sessions.alive(sorted(sessions), services.issuer, datetime.now(UTC)) if sessions else set()
        still_open = await work.model_access.still_open(sorted(access)) if access else frozenset()
        still_members = await work.projects.members_among(members) if members else frozenset()
    return Confirmed({subject: rights_in(grants) for subject, grants in held.items()}, alive, still_open, still_members)


def rights_in(grants: Iterable[Grant]) -> frozenset[Right]:
    """What active grants open."""
    return opened_by(grant.kind for grant in grants)
