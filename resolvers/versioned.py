"""Commands on what is kept as one row with all its versions beside it: projects, targets, load tests."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from domain.actor import Actor, Person
from domain.errors import IllegalTransition, InUse, NotFound, ValidationFailed, VersionConflict
from domain.load_test import LoadTest
from domain.project import Project, ProjectRole
from domain.set_up_model import SetUpModel
from domain.storage import UnitOfWork
from domain.target import Target
from domain.visibility import Membership
from resolvers.authorisation import membership_of, require_person, require_role
from resolvers.idempotency import Idempotency
from resolvers.services import Services

log = logging.getLogger(__name__)
Thing = TypeVar("Thing", Project, Target, LoadTest)
Found = TypeVar("Found")
Read = Callable[[UnitOfWork, int, Membership], Awaitable[Thing]]
Write = Callable[[UnitOfWork, Thing, str], Awaitable[Thing | None]]
MOST_NAMED = 100  # runs in one refusal


@dataclass(frozen=True, slots=True)
class Command:
    """A mutation as sent, about the thing of that kind (`project`) and number; `given` is what else came with it.

    `role` is what one has to be in the thing's project to give it, where it belongs to one.
    """

    mutation: str
    kind: str
    number: int
    expected_version: int | None
    idempotency_key: str | None
    given: Mapping[str, Any] = field(default_factory=dict)
    role: ProjectRole = ProjectRole.EDITOR

    @property
    def thing(self) -> str:
        """What the command is about, for people."""
        return f"{self.kind.capitalize().replace('_', ' ')} {self.number}"

    def idempotency(self, person: str) -> Idempotency | None:
        """Its key with its scope and all that it was sent with."""
        given = {self.kind: self.number, "expectedVersion": self.expected_version, **self.given}
        return Idempotency.of(person, self.mutation, self.idempotency_key, given)

    def check(self, thing: Project | Target | LoadTest | SetUpModel) -> None:
        """Refuse what is archived, or was changed since the version that the caller has seen."""
        if thing.archived_at is not None:
            raise IllegalTransition(
                self.thing, "ARCHIVED", self.mutation, f"{self.thing} is archived; nothing can be done with it."
            )
        self.check_version(thing.version)

    def check_version(self, version: int) -> None:
        """Refuse what was changed since the version that the caller has seen; `version` is that of now."""
        expected = self.expected_version
        if expected is None or expected == version:
            return
        if not 1 <= expected < version:
            raise ValidationFailed.of("expectedVersion", f"{expected} is none of its versions, 1 to {version}")
        raise VersionConflict(self.thing, expected, version)


async def run(services: Services, actor: Actor, command: Command, read: Read[Thing], write: Write[Thing]) -> Thing:
    """Let `write` store the thing's next version, again on a fresh read where another writer was faster; return it then.

    A repeat of a command with its key returns the thing as it is now.
    """
    while True:
        changed = await _try(services, require_person(actor), command, read, write)
        if changed is not None:
            return changed


async def run_prepared(
    services: Services, actor: Actor, command: Command, read: Read[Thing], prepare: Callable[[Thing], Awaitable[Write[Thing]]]
) -> Thing:
    """As `run`, of a command that does much before it writes: `prepare` does it for the thing as it is, in no transaction.

    Where what it gave does not store anything, as what it saw was changed meanwhile, it is called again.
    """
    person = require_person(actor)
    idempotency = command.idempotency(person.subject)
    while True:
        async with services.database.snapshot() as work:
            is_replay = idempotency is not None and await idempotency.earlier(work) is not None
            thing = await read(work, command.number, membership_of(person))
            await require_role(work, person, project_of(thing), command.role)
        if is_replay:
            return thing
        command.check(thing)
        changed = await _try(services, person, command, read, await prepare(thing))
        if changed is not None:
            return changed


async def _try(services: Services, person: Person, command: Command, read: Read[Thing], write: Write[Thing]) -> Thing | None:
    """What `write` stored, or the thing as it is where the command is a repeat; None where another writer was faster."""
    idempotency = command.idempotency(person.subject)
    try:
        async with services.database.transaction() as work:
            is_replay = idempotency is not None and await idempotency.replayed(work) is not None
            thing = await read(work, command.number, membership_of(person))
            await require_role(work, person, project_of(thing), command.role)
            if is_replay:
                return thing
            command.check(thing)
            changed = await write(work, thing, person.subject)
            if changed is None:
                raise Overtaken  # which undoes the claim of the key
            if idempotency is not None:
                await idempotency.complete(work, {command.kind: command.number})
    except Overtaken:
        return None
    log.info("%s", command.mutation, extra={command.kind: command.number, "version": changed.version})
    return changed


async def archived(work: UnitOfWork, kind: str, thing: Thing | None) -> Thing | None:
    """The thing of that kind as it was just archived in this unit of work; `InUse`, which undoes that, where a run needs it.

    A start holds what it needs (`LoadTestStore.hold`) until its run is stored. To archive is to wait for it, and to look
    afterwards is to see that run.
    """
    if thing is not None and (runs := await work.load_test_runs.unended(kind, thing.id, MOST_NAMED)):
        raise InUse(f"{kind.capitalize().replace('_', ' ')} {thing.id}", runs)
    return thing


class Overtaken(Exception):
    """Another writer was faster: raised out of a transaction, so that nothing of it is stored, the command's key neither."""


def project_of(thing: Project | Target | LoadTest) -> int:
    """The id of the project that the thing belongs to, or is."""
    return thing.id if isinstance(thing, Project) else thing.project_id


def known(found: Mapping[int, Found], kind: str, number: int) -> Found:
    """The thing of that number; `NotFound` where it does not exist."""
    if number not in found:
        raise NotFound(kind, number)
    return found[number]
