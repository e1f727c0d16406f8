"""From the address of an API to a running load test, in one command."""

import asyncio
from typing import Any

from domain.actor import Actor
from domain.endpoint import SAFE, Endpoint
from domain.errors import ValidationFailed
from domain.load_plan import plan_load
from domain.load_test import LoadTest, checked_definition, load_test_definition
from domain.load_test_run import LoadTestRun
from domain.project import Project
from domain.query import EndpointQuery, LoadTestQuery, ProjectQuery, TargetQuery
from domain.quick_start import TITLE, choose_endpoints, quick_start_document
from domain.target import Target, target_definition
from resolvers.authorisation import require_person
from resolvers.load_test import create_load_test, preview_load_test, read_document, update_load_test
from resolvers.load_test_run import start_load_test
from resolvers.project import create_project
from resolvers.services import Services
from resolvers.target import add_target, analyze_target

LOOKED_AT = 500  # endpoints of a document, its first ones


async def quick_start(
    services: Services, actor: Actor, url: str, server: str | None = None, idempotency_key: str | None = None
) -> LoadTestRun:
    """Analyse the API at `url` in the project for such starts, and run a gentle load test against some of its safe endpoints.

    What is there already (project, target of that address, its load test) is used again, as new versions. Each step is a command
    of its own with the same key, so that a repeat goes on where the first try ended. `ValidationFailed` where no document is
    found, or no endpoint that can be called without being told more.
    """
    require_person(actor)
    target_definition({"url": url})
    project = await _project(services, actor)
    target = await _target(services, actor, project, url)
    target = await analyze_target(services, actor, target.id, None, idempotency_key)
    load_test = await _load_test(services, actor, target, await _document(services, target, server), idempotency_key)
    return await start_load_test(services, actor, load_test.id, None, idempotency_key)


async def _project(services: Services, actor: Actor) -> Project:
    query = ProjectQuery(name_prefix=TITLE, first=100)
    for _ in range(2):
        async with services.database.snapshot() as work:
            found = [each for each in (await work.projects.page(query)).items if each.definition.name == TITLE]
        if found:
            return found[0]
        try:
            return await create_project(services, actor, {"name": TITLE, "description": "Load tests of loadTestQuickStart."})
        except ValidationFailed:
            continue  # somebody else has just created it
    raise ValidationFailed.of("url", f"the project {TITLE!r} can't be had")


async def _target(services: Services, actor: Actor, project: Project, url: str) -> Target:
    wanted = target_definition({"url": url, "name": url.strip()[:200]})
    query = TargetQuery(project_id=project.id, name_prefix=wanted.name, first=100)
    async with services.database.snapshot() as work:
        found = [each for each in (await work.targets.page(query)).items if each.definition == wanted]
    return found[0] if found else await add_target(services, actor, project.id, {"url": wanted.url, "name": wanted.name})


async def _document(services: Services, target: Target, server: str | None) -> dict[str, Any]:
    """The input document of a load test of what can be called."""
    if target.analysis is None:
        raise ValidationFailed.of("url", "has not been analysed")
    query = EndpointQuery(
        target_id=target.id, analysis=target.analysis.number, methods=SAFE, is_deprecated=False, first=LOOKED_AT
    )
    async with services.database.snapshot() as work:
        endpoints = [each for _, each in (await work.targets.endpoints(query)).items]
    raw = await read_document(services, target.analysis)

    def can_be_called(endpoint: Endpoint) -> bool:
        given = load_test_definition(quick_start_document(target, [endpoint], server), services.load_limits)
        definition = checked_definition(given, target, {endpoint.key: endpoint})
        try:
            plan_load(definition, {endpoint.key: endpoint}, raw)
        except ValidationFailed:
            return False
        return True

    chosen = await asyncio.to_thread(choose_endpoints, endpoints, can_be_called)
    if not chosen:
        raise ValidationFailed.of("url", "the document has no endpoint that can be called safely without being told more")
    return quick_start_document(target, chosen, server)


async def _load_test(
    services: Services, actor: Actor, target: Target, document: dict[str, Any], idempotency_key: str | None
) -> LoadTest:
    query = LoadTestQuery(target_id=target.id, title_prefix=document["title"], first=100)
    async with services.database.snapshot() as work:
        found = [each for each in (await work.load_tests.page(query)).items if each.definition.title == document["title"]]
    if not found:
        return await create_load_test(services, actor, target.id, document, idempotency_key)
    preview = await preview_load_test(services, actor, target.id, document)
    if preview.planned is not None and preview.planned.definition == found[0].definition:
        return found[0]
    return await update_load_test(services, actor, found[0].id, document, None, idempotency_key)
