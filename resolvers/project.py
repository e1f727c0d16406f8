"""What people do with projects of load tests."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from domain.actor import Actor
from domain.project import Project, ProjectDefinition, ProjectMember, ProjectRole, project_definition
from domain.query import HistoryQuery, Page, ProjectQuery
from domain.storage import UnitOfWork
from domain.version import Version
from domain.visibility import Membership
from resolvers.authorisation import membership_of, require_person
from resolvers.idempotency import Idempotency
from resolvers.services import Services
from resolvers.versioned import Command, archived, known, run

log = logging.getLogger(__name__)


async def create_project(
    services: Services, actor: Actor, document: Mapping[str, Any], idempotency_key: str | None = None
) -> Project:
    """Record a new project; its creator is an owner, whoever else the document names."""
    person = require_person(actor)
    creator = ProjectMember(person.subject, ProjectRole.OWNER)
    others = [each for each in document.get("members") or () if each.get("subject") != person.subject]
    definition = project_definition({**document, "members": [asdict(creator), *others]}, ())
    idempotency = Idempotency.of(person.subject, "projectCreate", idempotency_key, document)
    async with services.database.transaction() as work:
        if idempotency is not None and (outcome := await idempotency.replayed(work)) is not None:
            return await read_project(work, outcome["project"], membership_of(person))
        project = await work.projects.add(definition, person.subject)
        if idempotency is not None:
            await idempotency.complete(work, {"project": project.id})
    log.info("projectCreate", extra={"project": project.id, "subject": person.subject})
    return project


async def update_project(
    services: Services,
    actor: Actor,
    project_id: int,
    document: Mapping[str, Any],
    expected_version: int | None = None,
    idempotency_key: str | None = None,
) -> Project:
    """Give the project another definition, as its next version; without `members` these stay."""
    project_definition(document, ())

    async def update(work: UnitOfWork, project: Project, subject: str) -> Project | None:
        return await work.projects.change(project, project_definition(document, project.definition.members), subject)

    given = {"input": document}
    command = Command("projectUpdate", "project", project_id, expected_version, idempotency_key, given, ProjectRole.OWNER)
    return await run(services, actor, command, read_project, update)


async def archive_project(
    services: Services, actor: Actor, project_id: int, expected_version: int | None = None, idempotency_key: str | None = None
) -> Project:
    """Take the project out of the lists; its history stays, and its name is free again. `InUse` while a run of it goes on."""

    async def archive(work: UnitOfWork, project: Project, subject: str) -> Project | None:
        changed = await work.projects.change(project, project.definition, subject, is_archived=True)
        return await archived(work, "project", changed)

    command = Command("projectArchive", "project", project_id, expected_version, idempotency_key, {}, ProjectRole.OWNER)
    return await run(services, actor, command, read_project, archive)


async def read_project(work: UnitOfWork, project_id: int, membership: Membership) -> Project:
    """The project of that id; `NotFound` where there is none for the caller."""
    return known(await work.projects.get_many([project_id], membership), "project", project_id)


async def find_projects(services: Services, actor: Actor, ids: list[int]) -> dict[int, Project]:
    """The projects of these ids that the caller is a member of."""
    async with services.database.snapshot() as work:
        return await work.projects.get_many(ids, membership_of(actor))


async def list_projects(services: Services, actor: Actor, query: ProjectQuery) -> Page[Project]:
    """A page of the projects that the caller is a member of."""
    async with services.database.snapshot() as work:
        return await work.projects.page(query, membership_of(actor))


async def count_projects(services: Services, actor: Actor, query: ProjectQuery) -> int:
    """How many projects the query has in all."""
    async with services.database.snapshot() as work:
        return await work.projects.count(query, membership_of(actor))


async def versions_of_projects(services: Services, queries: Sequence[HistoryQuery]) -> list[Page[Version[ProjectDefinition]]]:
    """Pages of what projects that the caller was shown were, oldest first."""
    async with services.database.snapshot() as work:
        return await work.projects.versions(queries)
