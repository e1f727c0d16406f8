"""Watching permissions: the applications that wait for a decision of the viewer, and what the viewer has and applied for."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from domain.actor import Actor, Person
from domain.errors import Unavailable
from domain.grant import Grant
from domain.live import Topic
from domain.permission_kind import Right
from domain.permission_request import PermissionRequest, PermissionRequestStatus
from domain.query import MAX_PAGE, PermissionRequestQuery
from domain.storage import UnitOfWork
from domain.visibility import Involvement
from resolvers.authorisation import involvement_of, require_person
from resolvers.live_list import POLL_SECONDS, ListFrame, LiveList, Versions, watch_list, woken_by
from resolvers.rights import rights_in
from resolvers.services import Services


class LivePermissionRequests(LiveList[PermissionRequestQuery, Involvement, PermissionRequest]):
    """The watchers of lists of applications."""

    topic = Topic.PERMISSION

    async def read_versions(self, work: UnitOfWork, query: PermissionRequestQuery, scope: Involvement) -> Mapping[int, Versions]:
        """See `LiveList.read_versions`."""
        found = await work.permission_requests.versions_on_page(query, scope)
        return {number: (version,) for number, version in found.items()}

    async def read_bodies(self, work: UnitOfWork, ids: Sequence[int], scope: Involvement) -> Mapping[int, PermissionRequest]:
        """See `LiveList.read_bodies`."""
        return await work.permission_requests.get_many(ids, scope)


def watch_inbox(
    services: Services, live: LivePermissionRequests, actor: Actor, first: int
) -> AsyncIterator[ListFrame[PermissionRequest]]:
    """The applications that the viewer may decide on, the oldest first: now, then whenever that has changed."""
    pending = frozenset({PermissionRequestStatus.PENDING})
    query = PermissionRequestQuery(statuses=pending, is_decidable=True, is_descending=False, first=first)
    return watch_list(live, query, involvement_of(services, actor))


@dataclass(frozen=True, slots=True)
class HeldPermissions:
    """What a person has and has applied for, by kind."""

    grants: Mapping[str, Grant]
    pending: Mapping[str, PermissionRequest]

    @property
    def rights(self) -> frozenset[Right]:
        """What it opens."""
        return rights_in(self.grants.values())

    @property
    def versions(self) -> frozenset[tuple[type, int, int]]:
        """Tells whether anything of it has changed."""
        held: list[Grant | PermissionRequest] = [*self.grants.values(), *self.pending.values()]
        return frozenset((type(each), each.id, each.version) for each in held)


async def held_permissions(services: Services, actor: Actor) -> HeldPermissions:
    """What the person has now, and what nobody has decided yet."""
    person = require_person(actor)
    pending = PermissionRequestQuery(
        subject=person.subject, statuses=frozenset({PermissionRequestStatus.PENDING}), first=MAX_PAGE
    )
    async with services.database.snapshot() as work:
        grants = (await work.grants.active([person.subject])).get(person.subject, [])
        requests = (await work.permission_requests.page(pending, Involvement(person.subject))).items
    return HeldPermissions({grant.kind: grant for grant in grants}, {request.kind: request for request in requests})


async def watch_viewer(services: Services, actor: Actor) -> AsyncIterator[Person]:
    """The person, then again whenever something of what they have or applied for has changed."""
    person = require_person(actor)
    async with woken_by(services.bus, Topic.PERMISSION, person.subject) as watcher:
        held = await held_permissions(services, actor)
        yield replace(person, rights=held.rights)
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await watcher.news()
            known = held.versions
            with suppress(Unavailable):
                held = await held_permissions(services, actor)
            if held.versions != known:
                yield replace(person, rights=held.rights)
