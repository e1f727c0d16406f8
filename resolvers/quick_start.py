"""From the address of an API to a running load test, in one command."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from domain.actor import Actor
from domain.api_document import FoundDocument
from domain.effort import Effort
from domain.endpoint import Endpoint
from domain.errors import FieldProblem, ValidationFailed
from domain.load_plan import plan_load
from domain.load_test import LoadTest, LoadTestDefinition, checked_definition, load_test_definition
from domain.load_test_run import LoadTestRun
from domain.openapi import read_openapi
from domain.project import Project
from domain.query import LoadTestQuery, NamedOrder, ProjectQuery, TargetQuery
from domain.quick_start import TITLE, choose_endpoints, quick_start_document, quick_start_seconds, target_name, why_none
from domain.schema_value import MAX_STEPS
from domain.target import Target, TargetDefinition, target_definition
from resolvers.authorisation import membership_of, require_person
from resolvers.idempotency import Idempotency
from resolvers.load_test import create_load_test, preview_load_test, refuse_addresses, update_load_test
from resolvers.load_test_run import of_label, read_run, start_load_test
from resolvers.project import create_project
from resolvers.services import Services
from resolvers.target import NO_DRIFT, add_target, analysis_of, analyze_target

LOOKED_AT = 500  # endpoints of a document, its first ones
SHARES = 10  # of the steps that are left, one is for the next endpoint: the rest is for others


async def quick_start(
    services: Services,
    actor: Actor,
    url: str,
    server: str | None = None,
    idempotency_key: str | None = None,
    label: str | None = None,
) -> LoadTestRun:
    """Analyse the API at `url` in the project for such starts, and run a gentle load test against some of its safe endpoints.

    What is there already (project, target of that address, its load test) is used again, as new versions; nothing is made where
    nothing can be called. Each step is a command of its own with the same key, so that a repeat goes on where the first try
    ended. `ValidationFailed` of `url` or `server` where no document is found, or no endpoint that can be called without
    being told more; of `label` where that is no label of a run.
    """
    person = require_person(actor)
    given = {"url": url, "server": server, **of_label(label)}
    idempotency = Idempotency.of(person.subject, "loadTestQuickStart", idempotency_key, given)
    if idempotency is not None:
        async with services.database.snapshot() as work:
            if (outcome := await idempotency.earlier(work)) is not None:
                return await read_run(work, outcome["run"], membership_of(person))
    try:
        run = await _start(services, actor, url, server, idempotency_key, label)
    except ValidationFailed as error:
        raise ValidationFailed([_of_argument(each) for each in error.problems]) from None
    if idempotency is not None:
        async with services.database.transaction() as work:
            if await idempotency.replayed(work) is None:
                await idempotency.complete(work, {"run": run.id})
    return run


def _of_argument(problem: FieldProblem) -> FieldProblem:
    """The problem of a step as one of the arguments."""
    if problem.field in ("url", "input.url"):
        return FieldProblem("url", problem.message)
    if problem.field == "input.server":
        return FieldProblem("server", problem.message)
    return FieldProblem("url", f"{problem.field}: {problem.message}")


async def _start(
    services: Services, actor: Actor, url: str, server: str | None, key: str | None, label: str | None
) -> LoadTestRun:
    wanted = target_definition({"url": url})
    wanted = replace(wanted, name=target_name(wanted.url))
    found = await services.documents.find(wanted.url)
    document = await _document(services, wanted, found, server)
    project = await _project(services, actor)
    target = await _target(services, actor, project, wanted)
    target = await analyze_target(services, actor, target.id, None, key, {wanted.url: found})
    load_test = await _load_test(services, actor, target, document, key)
    return await start_load_test(services, actor, load_test.id, None, key, label)


async def _project(services: Services, actor: Actor) -> Project:
    """The person's own project for such starts."""
    query = ProjectQuery(name_prefix=TITLE, owner=require_person(actor).subject, first=100)
    for _ in range(2):
        async with services.database.snapshot() as work:
            page = await work.projects.page(query, membership_of(actor))
        found = [each for each in page.items if each.definition.name == TITLE]
        if found:
            return found[0]
        try:
            return await create_project(services, actor, {"name": TITLE, "description": "Load tests of loadTestQuickStart."})
        except ValidationFailed:
            continue  # another request of theirs has just created it
    raise ValidationFailed.of("url", f"the project {TITLE!r} can't be had")


async def _target(services: Services, actor: Actor, project: Project, wanted: TargetDefinition) -> Target:
    query = TargetQuery(project_id=project.id, name_prefix=wanted.name, order=NamedOrder.NAME, is_descending=False, first=100)
    for _ in range(2):
        async with services.database.snapshot() as work:
            page = await work.targets.page(query, membership_of(actor))
        found = [each for each in page.items if each.definition == wanted]
        if found:
            return found[0]
        try:
            return await add_target(services, actor, project.id, {"url": wanted.url, "name": wanted.name})
        except ValidationFailed:
            continue  # somebody else has just added it
    raise ValidationFailed.of("url", f"the project {TITLE!r} has a target of the name {wanted.name!r} with another address")


async def _document(services: Services, wanted: TargetDefinition, found: FoundDocument, server: str | None) -> dict[str, Any]:
    """The input document of a load test of what can be called where `wanted` would be a target."""
    now = datetime.now(UTC)
    target = Target(id=0, project_id=0, definition=wanted, version=1, created_at=now, updated_at=now)
    api = await asyncio.to_thread(read_openapi, found.raw, found.url)
    target = replace(target, analysis=analysis_of(target, "", found, "", api, len(api.endpoints), NO_DRIFT))
    seconds = quick_start_seconds(services.window_seconds, services.load_limits)
    left = MAX_STEPS  # for all endpoints together: each by itself might take seconds
    safe = list(islice((each for each in api.endpoints if each.is_safe and not each.is_deprecated), LOOKED_AT))

    def checked(*endpoints: Endpoint) -> LoadTestDefinition:
        given = load_test_definition(quick_start_document(target, endpoints, found.raw, server, seconds), services.load_limits)
        return checked_definition(given, target, {each.key: each for each in endpoints})

    def can_be_called(endpoint: Endpoint) -> bool:
        nonlocal left
        definition = checked(endpoint)
        share = left // SHARES
        effort = Effort(share)
        try:
            plan_load(definition, {endpoint.key: endpoint}, found.raw, effort)
        except ValidationFailed:
            return False
        finally:
            left -= share - effort.left
        return True

    chosen = await asyncio.to_thread(choose_endpoints, safe, found.raw, can_be_called)
    if not chosen:
        raise ValidationFailed.of("url", why_none(safe))
    await refuse_addresses(services, checked(*chosen))
    return quick_start_document(target, chosen, found.raw, server, seconds)


async def _load_test(
    services: Services, actor: Actor, target: Target, document: dict[str, Any], idempotency_key: str | None
) -> LoadTest:
    title = document["title"]
    query = LoadTestQuery(target_id=target.id, title_prefix=title, order=NamedOrder.NAME, is_descending=False, first=100)
    for is_last in (False, True):
        async with services.database.snapshot() as work:
            page = await work.load_tests.page(query, membership_of(actor))
        found = [each for each in page.items if each.definition.title == title]
        if found:
            break
        try:
            return await create_load_test(services, actor, target.id, document, idempotency_key)
        except ValidationFailed:
            if is_last:
                raise
            continue  # somebody else may just have made it
    preview = await preview_load_test(services, actor, target.id, document)
    if preview.planned is not None and preview.planned.definition == found[0].definition:
        return found[0]
    return await update_load_test(services, actor, found[0].id, document, None, idempotency_key)
