"""What people do with load tests: define them, look at what they would send."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from domain import stale_scenario
from domain.actor import Actor
from domain.endpoint import Endpoint
from domain.errors import FieldProblem, ValidationFailed
from domain.live import Notice, Topic
from domain.load_plan import LoadPlan, plan_load
from domain.load_test import LoadTest, LoadTestDefinition, checked_definition, load_test_definition
from domain.project import ProjectRole
from domain.query import HistoryQuery, LoadTestQuery, Page
from domain.short_load import short_load
from domain.storage import UnitOfWork
from domain.target import Target, TargetAnalysis
from domain.version import Version
from domain.visibility import EVERY_PROJECT, Membership
from resolvers.authorisation import membership_of, require_person, require_role
from resolvers.idempotency import Idempotency
from resolvers.services import Services
from resolvers.target import read_target, refuse_archived, refuse_archived_target
from resolvers.versioned import Command, Write, archived, known, run, run_prepared

log = logging.getLogger(__name__)


async def create_load_test(
    services: Services, actor: Actor, target_id: int, document: Mapping[str, Any], idempotency_key: str | None = None
) -> LoadTest:
    """Record a new load test of a target; nothing is sent yet."""
    person = require_person(actor)
    given = {"target": target_id, "input": document}
    idempotency = Idempotency.of(person.subject, "loadTestCreate", idempotency_key, given)
    while True:
        async with services.database.snapshot() as work:
            if idempotency is not None and (outcome := await idempotency.earlier(work)) is not None:
                return await read_load_test(work, outcome["load_test"], membership_of(person))
            target = await read_target(work, target_id, membership_of(person))
            await require_role(work, person, target.project_id, ProjectRole.EDITOR)
        planned = await plan_document(services, target, document, "loadTestCreate")
        async with services.database.transaction() as work:
            if await read_target(work, target_id, membership_of(person)) != target:
                continue
            await require_role(work, person, target.project_id, ProjectRole.EDITOR)
            if idempotency is not None and (outcome := await idempotency.replayed(work)) is not None:
                return await read_load_test(work, outcome["load_test"], membership_of(person))
            await refuse_archived_target(work, target, "loadTestCreate")
            load_test = await work.load_tests.add(target, planned.definition, person.subject)
            if idempotency is not None:
                await idempotency.complete(work, {"load_test": load_test.id})
        await _tell(services, load_test)
        log.info("loadTestCreate", extra={"load_test": load_test.id, "target": target_id, "subject": person.subject})
        return load_test


async def update_load_test(
    services: Services,
    actor: Actor,
    load_test_id: int,
    document: Mapping[str, Any],
    expected_version: int | None = None,
    idempotency_key: str | None = None,
) -> LoadTest:
    """Give the load test another definition, as its next version; runs keep the one that they were started with."""

    async def prepare(seen: LoadTest) -> Write[LoadTest]:
        async with services.database.snapshot() as work:
            target = await read_target(work, seen.target_id, membership_of(actor))
        planned = await plan_document(services, target, document, command.mutation)

        async def update(work: UnitOfWork, load_test: LoadTest, subject: str) -> LoadTest | None:
            if await read_target(work, target.id, membership_of(actor)) != target:
                return None
            await refuse_archived_target(work, target, command.mutation)
            return await work.load_tests.change(load_test, planned.definition, subject)

        return update

    command = Command("loadTestUpdate", "load_test", load_test_id, expected_version, idempotency_key, {"input": document})
    return await _tell(services, await run_prepared(services, actor, command, read_load_test, prepare))


async def archive_load_test(
    services: Services, actor: Actor, load_test_id: int, expected_version: int | None = None, idempotency_key: str | None = None
) -> LoadTest:
    """Take the load test out of the lists; its history stays, its title is free again. `InUse` while a run of it goes on."""

    async def archive(work: UnitOfWork, load_test: LoadTest, subject: str) -> LoadTest | None:
        await refuse_archived(work, load_test.project_id, command.mutation)
        changed = await work.load_tests.change(load_test, load_test.definition, subject, is_archived=True)
        return await archived(work, "load_test", changed)

    command = Command("loadTestArchive", "load_test", load_test_id, expected_version, idempotency_key)
    return await _tell(services, await run(services, actor, command, read_load_test, archive))


async def _tell(services: Services, load_test: LoadTest) -> LoadTest:
    """Tell who watches lists of load tests."""
    await services.bus.publish([Notice(Topic.LOAD_TEST, str(load_test.id), load_test.version)])
    return load_test


@dataclass(frozen=True, slots=True)
class PlannedLoadTest:
    """A definition that can be stored and run as it is, and what it sends."""

    definition: LoadTestDefinition
    plan: LoadPlan


@dataclass(frozen=True, slots=True)
class LoadTestPreview:
    """What a definition would do, with remarks in a sentence each, or else why it would be refused."""

    planned: PlannedLoadTest | None
    problems: Sequence[FieldProblem] = ()
    remarks: Sequence[str] = ()


async def preview_load_test(services: Services, actor: Actor, target_id: int, document: Mapping[str, Any]) -> LoadTestPreview:
    """What a definition, as sent, would do to a target; nothing is kept and nothing is sent."""
    async with services.database.snapshot() as work:
        target = await read_target(work, target_id, membership_of(actor))
    try:
        planned = await plan_document(services, target, document, "loadTestPreview")
    except ValidationFailed as error:
        return LoadTestPreview(None, error.problems)
    return LoadTestPreview(planned, remarks=(*planned.plan.problems, *short_load(planned.definition, services.window_seconds)))


async def plan_document(services: Services, target: Target, document: Mapping[str, Any], wanted: str) -> PlannedLoadTest:
    """What a definition, as sent, would do to the target.

    `ValidationFailed` says all that keeps it from being stored or run, `IllegalTransition` that nothing may be sent to the target
    any more; `wanted` is the command.
    """
    given = await asyncio.to_thread(load_test_definition, document, services.load_limits)
    async with services.database.snapshot() as work:
        await refuse_archived_target(work, target, wanted)
        secrets = await work.secrets.of_targets([target.id]) if given.secrets else []
        definition = checked_definition(given, target, await _endpoints(work, target, given), secrets)
    await refuse_addresses(services, definition)
    return PlannedLoadTest(definition, await load_plan(services, target, definition))


async def refuse_addresses(services: Services, definition: LoadTestDefinition) -> None:
    """`ValidationFailed` where the load, or the request of a token, would go to an address that must not be reached."""
    found = [
        FieldProblem(f"input.{field}", problem)
        for field, url in definition.addresses.items()
        if (problem := await services.address_guard.problem(url)) is not None
    ]
    if found:
        raise ValidationFailed(found)


async def load_plan(services: Services, target: Target, definition: LoadTestDefinition) -> LoadPlan:
    """What a definition sends, by the target's document as it was analysed last."""
    if target.analysis is None:
        raise ValidationFailed.of("targetId", "has not been analysed yet")
    async with services.database.snapshot() as work:
        endpoints = await _endpoints(work, target, definition)
    raw = await read_document(services, target.analysis)
    return await asyncio.to_thread(plan_load, definition, endpoints, raw)


async def read_document(services: Services, analysis: TargetAnalysis) -> Mapping[str, Any]:
    """The document of an analysis, from the artifact store."""
    pieces = services.artifacts.read(analysis.document.location, 0, analysis.size)
    content = b"".join([piece async for piece in pieces])
    return await asyncio.to_thread(services.documents.read, content)


async def _endpoints(work: UnitOfWork, target: Target, definition: LoadTestDefinition) -> dict[str, Endpoint]:
    """The endpoints that a definition uses, by key, as the target's last analysis has them."""
    if target.analysis is None:
        return {}
    found = await work.targets.endpoints_named({target.id: target.analysis.number}, definition.endpoints)
    return {key: endpoint for (_, key), endpoint in found.items()}


async def stale_scenarios(services: Services, ids: Sequence[int]) -> dict[int, list[stale_scenario.StaleScenario]]:
    """The scenarios of load tests that the caller was shown, which the last analyses of their targets make stale."""
    async with services.database.snapshot() as work:
        load_tests = await work.load_tests.get_many(ids, EVERY_PROJECT)
        targets = await work.targets.get_many(sorted({each.target_id for each in load_tests.values()}), EVERY_PROJECT)
        analyses = {each.id: each.analysis.number for each in targets.values() if each.analysis is not None}
        keys = {key for each in load_tests.values() for key in each.definition.endpoints}
        found = await work.targets.endpoints_named(analyses, keys)
    endpoints: dict[int, dict[str, Endpoint]] = {number: {} for number in targets}
    for (number, key), endpoint in found.items():
        endpoints[number][key] = endpoint
    return {
        number: list(stale_scenario.stale_scenarios(each.definition, targets[each.target_id], endpoints[each.target_id]))
        for number, each in load_tests.items()
    }


async def read_load_test(work: UnitOfWork, load_test_id: int, membership: Membership) -> LoadTest:
    """The load test of that id; `NotFound` where there is none for the caller."""
    return known(await work.load_tests.get_many([load_test_id], membership), "load test", load_test_id)


async def find_load_tests(services: Services, actor: Actor, ids: list[int]) -> dict[int, LoadTest]:
    """The load tests of these ids that exist for the caller."""
    async with services.database.snapshot() as work:
        return await work.load_tests.get_many(ids, membership_of(actor))


async def list_load_tests(services: Services, actor: Actor, query: LoadTestQuery) -> Page[LoadTest]:
    """A page of the load tests in the caller's projects."""
    async with services.database.snapshot() as work:
        return await work.load_tests.page(query, membership_of(actor))


async def count_load_tests(services: Services, actor: Actor, query: LoadTestQuery) -> int:
    """How many load tests the query has in all."""
    async with services.database.snapshot() as work:
        return await work.load_tests.count(query, membership_of(actor))


async def versions_of_load_tests(services: Services, queries: Sequence[HistoryQuery]) -> list[Page[Version[LoadTestDefinition]]]:
    """Pages of what load tests that the caller was shown were, oldest first."""
    async with services.database.snapshot() as work:
        return await work.load_tests.versions(queries)
