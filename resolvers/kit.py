"""What people do with kits."""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from domain import commands
from domain.actor import Actor
from domain.change import Change
from domain.deck import DeckSource, bucket_of
from domain.deck_archive import MAX_TOTAL_BYTES
from domain.definition import parse_kit
from domain.errors import NotFound, UserError, ValidationFailed
from domain.event import Event
from domain.job_type import JobType
from domain.kit import Kit, KitIdentity
from domain.permission_kind import PermissionAction
from domain.projection import apply, empty_kit
from domain.query import EventQuery, KitQuery, Page
from domain.storage import UnitOfWork
from resolvers.authorisation import refusal_of, require_person, require_right, visibility_of
from resolvers.change import Decide, change_kit, check_expected, publish
from resolvers.idempotency import Idempotency
from resolvers.services import Services
from resolvers.upload import upload_location

log = logging.getLogger(__name__)


async def create_kit(services: Services, actor: Actor, document: Mapping[str, Any], idempotency_key: str | None = None) -> Kit:
    """Record a new kit with its jobs and tasks, all `PENDING`. `document` is the kit as sent (`docs/kits.md`)."""
    person = require_person(actor)
    idempotency = Idempotency.of(person.subject, "kitCreate", idempotency_key, document)
    steps = services.steps
    new = await asyncio.to_thread(parse_kit, document, steps.templates, steps.folders, steps.functions)
    require_right(services, actor, new.product_line, PermissionAction.GENERAL)
    await _check_source(services, person.subject, new.definition.deck.source)
    template = services.steps.templates[new.definition.template]
    identity = KitIdentity(
        id=0,
        name=new.name,
        owner=person.subject,
        product_line=new.product_line,
        definition=new.definition.as_json(),
        metadata=new.metadata,
        created_at=datetime.now(UTC),
    )
    async with services.database.transaction() as work:
        if idempotency is not None:
            outcome = await idempotency.replayed(work)
            if outcome is not None:
                return await _known(work, outcome["kit"])
        change = Change.of(await work.kits.add(identity), person.subject)
        job_ids = {job_type: uuid4() for job_type in JobType}
        commands.create(change, {job_type: step.tasks for job_type, step in template.steps.items()}, job_ids)
        recorded = await work.kits.append([change])
        kit = change.recorded(recorded[change.kit.id]).kit
        deck_job = kit.job_of(JobType.DECK_COLLECTION)
        await work.deck_requests.add(kit.id, deck_job.id, identity.definition["deck"], kit.created_at)
        if idempotency is not None:
            await idempotency.complete(work, {"kit": kit.id})
    await publish(services, kit)
    log.info("kitCreate", extra={"kit": kit.id, "version": kit.version, "subject": person.subject})
    return kit


async def _check_source(services: Services, subject: str, source: DeckSource) -> None:
    bucket = bucket_of(source.url)
    if bucket is not None and bucket not in services.steps.buckets:
        message = f"the bucket {bucket!r} is not among those that this server reads decks from"
        raise ValidationFailed.of("definition.deck.source.url", message)
    if source.upload is not None:
        size = await services.artifacts.size(upload_location(subject, source.upload))
        if size is None:
            message = "was not uploaded: send the zip to /uploads/SHA256 first"
            raise ValidationFailed.of("definition.deck.source.upload", message)
        if size > MAX_TOTAL_BYTES:
            message = f"has {size} bytes; {MAX_TOTAL_BYTES} are allowed, as no larger zip of decks is read"
            raise ValidationFailed.of("definition.deck.source.upload", message)


async def start_kit(
    services: Services, actor: Actor, kit_id: int, expected_version: int | None = None, idempotency_key: str | None = None
) -> Kit:
    """Run the kit's remaining jobs in order."""
    return await _command(services, actor, kit_id, "kitStart", commands.start_kit, expected_version, idempotency_key)


async def cancel_kit(
    services: Services, actor: Actor, kit_id: int, expected_version: int | None = None, idempotency_key: str | None = None
) -> Kit:
    """End everything of the kit that has not ended."""
    return await _command(services, actor, kit_id, "kitCancel", commands.cancel_kit, expected_version, idempotency_key)


async def archive_kit(
    services: Services, actor: Actor, kit_id: int, expected_version: int | None = None, idempotency_key: str | None = None
) -> Kit:
    """Take the kit out of the lists."""
    return await _command(services, actor, kit_id, "kitArchive", commands.archive_kit, expected_version, idempotency_key)


async def _command(
    services: Services,
    actor: Actor,
    kit_id: int,
    mutation: str,
    decide: Decide,
    expected_version: int | None,
    idempotency_key: str | None,
) -> Kit:
    person = require_person(actor)
    idempotency = Idempotency.of(person.subject, mutation, idempotency_key, {"kit": kit_id, "expectedVersion": expected_version})

    def checked(change: Change) -> None:
        check_expected(f"Kit {kit_id}", expected_version, change.kit.status_version, change.kit.version)
        decide(change)

    visibility = visibility_of(actor)
    kit = await change_kit(services, person.subject, kit_id, checked, visibility=visibility, idempotency=idempotency)
    log.info("%s", mutation, extra={"kit": kit_id, "version": kit.version, "subject": person.subject})
    return kit


def why_not(actor: Actor, kit: Kit, command: Decide) -> UserError | None:
    """What giving a kit that the caller was shown this command now would be refused with; None where it would not."""
    person = require_person(actor)
    return refusal_of(lambda: command(Change.of(kit, person.subject)))


async def find_kit(services: Services, actor: Actor, kit_id: int) -> Kit | None:
    """The kit; None where it does not exist (for the caller)."""
    async with services.database.snapshot() as work:
        return await work.kits.get(kit_id, visibility_of(actor))


async def find_past_kit(services: Services, actor: Actor, kit_id: int, as_of: datetime) -> Kit | None:
    """The kit as it was at a time of the database's clock; None where it did not exist (for the caller).

    Its history is folded up to then. A long one takes seconds, in which others are served: it is read in pieces.
    """
    async with services.pasts, services.database.snapshot() as work:
        identity = await work.kits.identity(kit_id)
        if identity is None or await work.kits.get(kit_id, visibility_of(actor)) is None:
            return None
        if as_of > await work.kits.now():
            raise ValidationFailed.of("asOf", "lies in the future")
        kit = empty_kit(identity)
        async with aclosing(work.events.stream(kit_id, as_of)) as events:
            async for event in events:
                kit = apply(kit, event)
        return kit if kit.version else None


async def find_kits(services: Services, actor: Actor, kit_ids: list[int]) -> dict[int, Kit]:
    """The kits of these ids that exist for the caller."""
    async with services.database.snapshot() as work:
        return await work.kits.get_many(kit_ids, visibility_of(actor))


async def list_kits(services: Services, actor: Actor, query: KitQuery) -> Page[Kit]:
    """A page of kits."""
    async with services.database.snapshot() as work:
        return await work.kits.page(query, visibility_of(actor))


async def count_kits(services: Services, actor: Actor, query: KitQuery) -> int:
    """How many kits the query has in all."""
    async with services.database.snapshot() as work:
        return await work.kits.count(query, visibility_of(actor))


async def events_of_kits(services: Services, queries: list[EventQuery]) -> list[Page[Event]]:
    """Pages of the events of kits that the caller was shown, oldest first."""
    async with services.database.snapshot() as work:
        return await work.events.pages(queries)


async def _known(work: UnitOfWork, kit_id: int) -> Kit:
    kit = await work.kits.lock(kit_id)
    if kit is None:
        raise NotFound("kit", kit_id)
    return kit
