"""Deciding on what people apply for and were given: stored with its audit entries, once, whoever is quickest."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Protocol, TypeVar

from domain.actor import Person
from domain.audit_entry import AuditEntry
from domain.grant import Grant
from domain.model_access_request import ModelAccessRequest
from domain.permission_request import PermissionRequest
from domain.storage import UnitOfWork
from domain.visibility import Involvement, ModelReach
from resolvers.services import Services
from resolvers.versioned import Command, Overtaken, known

log = logging.getLogger(__name__)
Thing = TypeVar("Thing", PermissionRequest, Grant, ModelAccessRequest)
Scope = TypeVar("Scope", Involvement, ModelReach, contravariant=True)


class _Store(Protocol[Thing, Scope]):
    async def get_many(self, ids: Sequence[int], scope: Scope, /) -> dict[int, Thing]: ...

    async def change(self, before: Thing, changed: Thing) -> bool: ...


Decide = Callable[[UnitOfWork, Thing, datetime], Awaitable[tuple[Thing, list[AuditEntry]]]]


async def run_decision(
    services: Services,
    person: Person,
    command: Command,
    scope: Scope,
    store_of: Callable[[UnitOfWork], _Store[Thing, Scope]],
    decide: Decide[Thing],
    tell: Callable[[Thing], Awaitable[None]],
) -> Thing:
    """Store what `decide` makes of the command's thing and its audit, again on a fresh read where another writer was faster.

    The thing has to exist in the scope, which is the person's. A repeat of a command with its key returns it as it is now.
    """
    idempotency = command.idempotency(person.subject)
    while True:
        try:
            async with services.database.transaction() as work:
                store = store_of(work)
                is_replay = idempotency is not None and await idempotency.replayed(work) is not None
                thing = known(await store.get_many([command.number], scope), command.kind.replace("_", " "), command.number)
                if is_replay:
                    return thing
                command.check_version(thing.version)
                at = max(thing.updated_at, await work.kits.now())
                changed, entries = await decide(work, thing, at)
                if not await store.change(thing, changed):
                    raise Overtaken
                await work.audit.add(entries, at)
                if idempotency is not None:
                    await idempotency.complete(work, {command.kind: command.number})
        except Overtaken:
            continue
        await tell(changed)
        log.info("%s", command.mutation, extra={command.kind: command.number, "subject": person.subject})
        return changed
