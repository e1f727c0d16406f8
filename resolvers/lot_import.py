"""What people do with imports of lot rows: start, cancel, resume and find them. `controllers/lot_importer` works them off."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from domain.actor import Actor, Person
from domain.errors import NotFound, UserError, ValidationFailed
from domain.kit import ProductLine
from domain.live import Notice, Topic
from domain.lot_csv import HEAD_BYTES, Header, read_header
from domain.lot_import import LotImport, LotImportStatus, lot_import_order
from domain.permission_kind import PermissionAction
from domain.query import LotImportQuery, Page
from resolvers.authorisation import refusal_of, require_any_right, require_person
from resolvers.idempotency import Idempotency
from resolvers.services import Services
from resolvers.upload import upload_location

log = logging.getLogger(__name__)
Decide = Callable[[LotImport, datetime], LotImport]


async def start_lot_import(
    services: Services, actor: Actor, document: Mapping[str, Any], idempotency_key: str | None = None
) -> LotImport:
    """Queue the import of a file that the person has uploaded; `ValidationFailed` where its header is not as it has to be."""
    person = require_person(actor)
    order = lot_import_order(document)
    lines = _working_in(services, actor)
    idempotency = Idempotency.of(person.subject, "lotImportStart", idempotency_key, document)
    location = upload_location(person.subject, order.sha256)
    size = await services.artifacts.size(location)
    if size is None:
        raise ValidationFailed.of("input.upload", "was not uploaded: send the file to /uploads/SHA256 first")
    await header_of(services, location)
    async with services.database.transaction() as work:
        if idempotency is not None and (outcome := await idempotency.replayed(work)) is not None:
            return _known(await work.lot_imports.get_many([outcome["lotImport"]], person.subject), outcome["lotImport"])
        at = await work.kits.now()
        started = await work.lot_imports.add(
            LotImport(
                id=0,
                file_name=order.file_name,
                sha256=order.sha256,
                size=size,
                actor=person.subject,
                actor_name=person.name,
                product_lines=lines,
                encoding=order.encoding,
                status=LotImportStatus.QUEUED,
                version=1,
                created_at=at,
                updated_at=at,
            )
        )
        if idempotency is not None:
            await idempotency.complete(work, {"lotImport": started.id})
    await tell(services, started)
    log.info("lotImportStart", extra={"lot_import": started.id, "subject": person.subject})
    return started


async def header_of(services: Services, location: str) -> Header:
    """The header of a file that is stored."""
    start = b"".join([piece async for piece in services.artifacts.read(location, 0, HEAD_BYTES)])
    return await asyncio.to_thread(read_header, start)


async def cancel_lot_import(services: Services, actor: Actor, number: int, idempotency_key: str | None = None) -> LotImport:
    """End an import; what it has added stays. One that runs ends within seconds."""
    person = require_person(actor)
    return await _change(services, person, "lotImportCancel", number, idempotency_key, LotImport.cancelled)


async def resume_lot_import(services: Services, actor: Actor, number: int, idempotency_key: str | None = None) -> LotImport:
    """Let an import that has failed go on behind the last row that it has taken in."""
    person = require_person(actor)

    def resume(found: LotImport, at: datetime) -> LotImport:
        return found.resumed(_working_in(services, actor), at)

    return await _change(services, person, "lotImportResume", number, idempotency_key, resume)


async def _change(
    services: Services, person: Person, mutation: str, number: int, idempotency_key: str | None, decide: Decide
) -> LotImport:
    idempotency = Idempotency.of(person.subject, mutation, idempotency_key, {"id": number})
    async with services.database.transaction() as work:
        is_replay = idempotency is not None and await idempotency.replayed(work) is not None
        found = await work.lot_imports.lock(number, person.subject)
        if found is None:
            raise NotFound("lot import", number)
        if is_replay:
            return found
        changed = decide(found, max(found.updated_at, await work.kits.now()))
        await work.lot_imports.change(changed)
        if idempotency is not None:
            await idempotency.complete(work, {"lotImport": number})
    await tell(services, changed)
    log.info("%s", mutation, extra={"lot_import": number, "subject": person.subject})
    return changed


def _working_in(services: Services, actor: Actor) -> frozenset[ProductLine]:
    """The product lines in which the person may work; the denial says what to apply for where there is none."""
    rights = require_any_right(services, actor).rights
    return frozenset(right.product_line for right in rights if right.action is PermissionAction.GENERAL)


def why_not_cancel(found: LotImport) -> UserError | None:
    """What cancelling the import now would be refused with; None where it would not."""
    return refusal_of(lambda: found.cancelled(found.updated_at))


def why_not_resume(services: Services, actor: Actor, found: LotImport) -> UserError | None:
    """What resuming the import now would be refused with; None where it would not."""
    return refusal_of(lambda: found.resumed(_working_in(services, actor), found.updated_at))


async def tell(services: Services, changed: LotImport) -> None:
    """Tell that an import has changed."""
    await services.bus.publish([Notice(Topic.LOT_IMPORT, str(changed.id), changed.version)])


def _known(found: Mapping[int, LotImport], number: int) -> LotImport:
    if number not in found:
        raise NotFound("lot import", number)
    return found[number]


async def find_lot_imports(services: Services, actor: Actor, ids: list[int]) -> dict[int, LotImport]:
    """The person's own imports of these ids."""
    async with services.database.snapshot() as work:
        return await work.lot_imports.get_many(ids, require_person(actor).subject)


async def list_lot_imports(services: Services, actor: Actor, query: LotImportQuery) -> Page[LotImport]:
    """A page of the person's own imports."""
    async with services.database.snapshot() as work:
        return await work.lot_imports.page(query, require_person(actor).subject)


async def count_lot_imports(services: Services, actor: Actor, query: LotImportQuery) -> int:
    """How many of those the query has in all."""
    async with services.database.snapshot() as work:
        return await work.lot_imports.count(query, require_person(actor).subject)
