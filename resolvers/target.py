"""What people do with targets: add them to a project, analyse their OpenAPI documents, look at their endpoints."""

import asyncio
import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from domain.actor import Actor
from domain.api_document import ApiDocument, Drift, FoundDocument, drift
from domain.artifact import document_location
from domain.endpoint import Endpoint
from domain.errors import IllegalTransition
from domain.load_test_storage import WrittenEndpoints
from domain.openapi import read_openapi
from domain.project import ProjectRole
from domain.query import EndpointQuery, HistoryQuery, Page, TargetQuery
from domain.storage import UnitOfWork
from domain.target import Target, TargetAnalysis, TargetDefinition, target_definition
from domain.uncollected import uncollected
from domain.version import Version
from domain.visibility import EVERY_PROJECT, Membership
from resolvers.authorisation import membership_of, require_person, require_role
from resolvers.idempotency import Idempotency
from resolvers.project import read_project
from resolvers.services import Services
from resolvers.upload import keep
from resolvers.versioned import Command, Write, archived, known, run, run_prepared

log = logging.getLogger(__name__)
NO_DRIFT = Drift(added=(), removed=(), changed=())


async def add_target(
    services: Services, actor: Actor, project_id: int, document: Mapping[str, Any], idempotency_key: str | None = None
) -> Target:
    """Record a new target of a project; nothing of it is fetched yet."""
    person = require_person(actor)
    definition = target_definition(document)
    given = {"project": project_id, "input": document}
    idempotency = Idempotency.of(person.subject, "targetAdd", idempotency_key, given)
    async with services.database.transaction() as work:
        if idempotency is not None and (outcome := await idempotency.replayed(work)) is not None:
            return await read_target(work, outcome["target"], membership_of(person))
        await read_project(work, project_id, membership_of(person))
        await require_role(work, person, project_id, ProjectRole.EDITOR)
        await refuse_archived(work, project_id, "targetAdd")
        target = await work.targets.add(project_id, definition, person.subject)
        if idempotency is not None:
            await idempotency.complete(work, {"target": target.id})
    log.info("targetAdd", extra={"target": target.id, "project": project_id, "subject": person.subject})
    return target


async def update_target(
    services: Services,
    actor: Actor,
    target_id: int,
    document: Mapping[str, Any],
    expected_version: int | None = None,
    idempotency_key: str | None = None,
) -> Target:
    """Give the target another name or address, as its next version; the last analysis stays until the next."""
    definition = target_definition(document)

    async def update(work: UnitOfWork, target: Target, subject: str) -> Target | None:
        await refuse_archived(work, target.project_id, command.mutation)
        return await work.targets.change(target, definition, subject)

    command = Command("targetUpdate", "target", target_id, expected_version, idempotency_key, {"input": document})
    return await run(services, actor, command, read_target, update)


async def archive_target(
    services: Services, actor: Actor, target_id: int, expected_version: int | None = None, idempotency_key: str | None = None
) -> Target:
    """Take the target out of the lists; its analyses stay, and its name is free again. `InUse` while it is under load."""

    async def archive(work: UnitOfWork, target: Target, subject: str) -> Target | None:
        await refuse_archived(work, target.project_id, command.mutation)
        changed = await work.targets.change(target, target.definition, subject, is_archived=True)
        return await archived(work, "target", changed)

    command = Command("targetArchive", "target", target_id, expected_version, idempotency_key)
    return await run(services, actor, command, read_target, archive)


async def analyze_target(
    services: Services,
    actor: Actor,
    target_id: int,
    expected_version: int | None = None,
    idempotency_key: str | None = None,
    known_documents: Mapping[str, FoundDocument] = MappingProxyType({}),
) -> Target:
    """Find and read the target's OpenAPI document now, and keep what it says as the target's next analysis.

    Nothing is kept where no document is found. Its text is in the artifact store before the database names it. No transaction is
    open while it is fetched. All that takes the processor for long is done in threads, before the transaction: its result stands
    if the target's last analysis is still the one that was seen, else it is done again. `known_documents` are those that the
    caller has just found, by the address at which it asked.
    """

    async def prepare(seen: Target) -> Write[Target]:
        url = seen.definition.url
        async with services.database.snapshot() as work:
            await refuse_archived(work, seen.project_id, command.mutation)
            before = None if seen.analysis is None else await work.targets.demands(target_id, seen.analysis.number)
        found = known_documents.get(url) or await services.documents.find(url)
        api, written, differs = await asyncio.to_thread(_read, services, found, seen, before)
        found = replace(found, raw={})  # which is large, and not needed any more
        sha256 = await asyncio.to_thread(lambda: hashlib.sha256(found.content).hexdigest())
        await keep(services, document_location(sha256), sha256, found.content)

        async def record(work: UnitOfWork, target: Target, subject: str) -> Target | None:
            if (target.definition, target.analysis) != (seen.definition, seen.analysis):
                return None
            await refuse_archived(work, target.project_id, command.mutation)
            analysis = analysis_of(target, subject, found, sha256, api, len(written.rows), differs)
            analysed = await work.targets.add_analysis(target, analysis, written)
            if analysed is not None and analysed.analysis is not None:
                await work.artifacts.add_once(analysed.analysis.document)
            return analysed

        return record

    command = Command("targetAnalyze", "target", target_id, expected_version, idempotency_key)
    return await run_prepared(services, actor, command, read_target, prepare)


@uncollected()
def _read(
    services: Services, found: FoundDocument, seen: Target, before: Sequence[Endpoint] | None
) -> tuple[ApiDocument, WrittenEndpoints, Drift]:
    """What a document says without its endpoints, these as they are stored, and how they differ from those of `before`.

    Without endpoints before there is nothing to differ from.
    """
    api = read_openapi(found.raw, found.url)
    differs = NO_DRIFT
    if before is not None and seen.analysis is not None:
        differs = drift(before, api.endpoints, seen.analysis.api.servers, api.servers)
    api = replace(api, problems=(*found.problems, *api.problems))
    return replace(api, endpoints=()), services.database.write_out(api.endpoints), differs


def analysis_of(
    target: Target,
    subject: str,
    found: FoundDocument,
    sha256: str,
    api: ApiDocument,
    endpoint_count: int,
    differs: Drift,
) -> TargetAnalysis:
    """The target's next analysis, by this person; `sha256` is that of the document's text."""
    return TargetAnalysis(
        target_id=target.id,
        number=1 if target.analysis is None else target.analysis.number + 1,
        actor=subject,
        recorded_at=datetime.now(UTC),
        url=target.definition.url,
        document_url=found.url,
        strategy=found.strategy,
        media_type=found.media_type,
        sha256=sha256,
        size=len(found.content),
        endpoint_count=endpoint_count,
        api=api,
        drift=differs,
        tried=found.tried,
        choices=found.choices,
    )


async def refuse_archived(work: UnitOfWork, project_id: int, wanted: str) -> None:
    """`IllegalTransition` where the project is archived, `NotFound` where there is none."""
    project = await read_project(work, project_id, EVERY_PROJECT)
    if project.archived_at is not None:
        raise IllegalTransition(f"Project {project_id}", "ARCHIVED", wanted, f"Project {project_id} is archived.")


async def refuse_archived_target(work: UnitOfWork, target: Target, wanted: str) -> None:
    """`IllegalTransition` where the target or its project is archived."""
    if target.archived_at is not None:
        reason = f"Target {target.id} is archived; nothing is sent to it any more."
        raise IllegalTransition(f"Target {target.id}", "ARCHIVED", wanted, reason)
    await refuse_archived(work, target.project_id, wanted)


async def read_target(work: UnitOfWork, target_id: int, membership: Membership) -> Target:
    """The target of that id; `NotFound` where there is none for the caller."""
    return known(await work.targets.get_many([target_id], membership), "target", target_id)


async def find_targets(services: Services, actor: Actor, ids: list[int]) -> dict[int, Target]:
    """The targets of these ids that exist for the caller."""
    async with services.database.snapshot() as work:
        return await work.targets.get_many(ids, membership_of(actor))


async def list_targets(services: Services, actor: Actor, query: TargetQuery) -> Page[Target]:
    """A page of the targets in the caller's projects."""
    async with services.database.snapshot() as work:
        return await work.targets.page(query, membership_of(actor))


async def count_targets(services: Services, actor: Actor, query: TargetQuery) -> int:
    """How many targets the query has in all."""
    async with services.database.snapshot() as work:
        return await work.targets.count(query, membership_of(actor))


async def list_endpoints(services: Services, actor: Actor, query: EndpointQuery) -> Page[tuple[int, Endpoint]]:
    """A page of the endpoints of one analysis, each with its place in the document."""
    async with services.database.snapshot() as work:
        return await work.targets.endpoints(query, membership_of(actor))


async def versions_of_targets(services: Services, queries: Sequence[HistoryQuery]) -> list[Page[Version[TargetDefinition]]]:
    """Pages of what targets that the caller was shown were, oldest first."""
    async with services.database.snapshot() as work:
        return await work.targets.versions(queries)


async def analyses_of_targets(services: Services, queries: Sequence[HistoryQuery]) -> list[Page[TargetAnalysis]]:
    """Pages of the analyses of targets that the caller was shown, oldest first."""
    async with services.database.snapshot() as work:
        return await work.targets.analyses(queries)
