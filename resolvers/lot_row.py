"""What people do with lot rows: add them, one or many, correct them, and find them."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from domain.actor import Actor, Person
from domain.errors import (
    DuplicateLotRow,
    FieldProblem,
    NotFound,
    PermissionDenied,
    UserError,
    ValidationFailed,
)
from domain.kit import ProductLine
from domain.lot_row import MAX_ROWS, LotRow, LotRowDefinition, LotRowVersion, correction, lot_row_definition
from domain.permission_kind import PermissionAction
from domain.query import HistoryQuery, LotRowQuery, Page
from domain.storage import UnitOfWork
from resolvers.authorisation import EVERY_LINE, refusal_of, require_any_right, require_person, require_right, visibility_of
from resolvers.idempotency import Idempotency
from resolvers.services import Services
from resolvers.versioned import Command

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LotRowAddResult:
    """What became of one of several rows: it was added, or refused. `row` is None where it can't be seen any more, too."""

    row: LotRow | None = None
    refusal: UserError | None = None


async def add_lot_row(
    services: Services, actor: Actor, document: Mapping[str, Any], idempotency_key: str | None = None
) -> LotRow:
    """Store a new row. `DuplicateLotRow` where its product line has one of that lot and step."""
    person = require_person(actor)
    definition = lot_row_definition(document, services.lot_ids)
    _require_line(services, actor, definition.product_line)
    idempotency = Idempotency.of(person.subject, "lotRowAdd", idempotency_key, document)
    async with services.database.transaction() as work:
        if idempotency is not None and (outcome := await idempotency.replayed(work)) is not None:
            return _known(await work.lot_rows.get_many([outcome["lotRow"]], visibility_of(actor)), outcome["lotRow"])
        (row,) = await work.lot_rows.add([definition], person.subject)
        if isinstance(row, int):
            raise DuplicateLotRow(definition.lot_id, definition.step, row)
        if idempotency is not None:
            await idempotency.complete(work, {"lotRow": row.id})
    log.info("lotRowAdd", extra={"lot_row": row.id, "subject": person.subject})
    return row


async def add_lot_rows(
    services: Services, actor: Actor, documents: Sequence[Mapping[str, Any]], idempotency_key: str | None = None
) -> list[LotRowAddResult]:
    """Store those of the rows that can be, all in one transaction, and say of each what became of it, in their order.

    A row that is refused keeps no other from being stored. Of two of the same lot and step the first is stored.
    """
    person = require_any_right(services, actor, _lines_of(documents))
    if not 1 <= len(documents) <= MAX_ROWS:
        raise ValidationFailed.of("inputs", f"must be 1 to {MAX_ROWS} rows")
    idempotency = Idempotency.of(person.subject, "lotRowsAdd", idempotency_key, {"inputs": documents})
    read = await asyncio.to_thread(lambda: [_read(services, actor, place, each) for place, each in enumerate(documents)])
    async with services.database.transaction() as work:
        if idempotency is not None and (outcome := await idempotency.replayed(work)) is not None:
            return await _replayed(work, actor, outcome["results"], read)
        results = await _add(work, person, read)
        if idempotency is not None:
            await idempotency.complete(work, {"results": [_written(each) for each in results]})
    added = sum(each.refusal is None for each in results)
    log.info("lotRowsAdd", extra={"added": added, "refused": len(results) - added, "subject": person.subject})
    return results


def _lines_of(documents: Sequence[Mapping[str, Any]]) -> Sequence[ProductLine]:
    """The product lines that the rows name; all of them where they name none."""
    named = [each.get("productLine") for each in documents]
    return [line for line in ProductLine if line in named] or EVERY_LINE


async def _add(work: UnitOfWork, person: Person, read: Sequence[LotRowDefinition | UserError]) -> list[LotRowAddResult]:
    stored = iter(await work.lot_rows.add([each for each in read if isinstance(each, LotRowDefinition)], person.subject))
    results = []
    for each in read:
        if not isinstance(each, LotRowDefinition):
            results.append(LotRowAddResult(refusal=each))
        elif isinstance(row := next(stored), LotRow):
            results.append(LotRowAddResult(row=row))
        else:
            results.append(LotRowAddResult(refusal=DuplicateLotRow(each.lot_id, each.step, row)))
    return results


def _read(services: Services, actor: Actor, place: int, document: Mapping[str, Any]) -> LotRowDefinition | UserError:
    try:
        definition = lot_row_definition(document, services.lot_ids, f"inputs.{place}.")
        _require_line(services, actor, definition.product_line)
    except (ValidationFailed, PermissionDenied) as refusal:
        return refusal
    return definition


def _written(result: LotRowAddResult) -> dict[str, Any]:
    """A result as it stays with its key."""
    match result.refusal:
        case None:
            return {"added": None if result.row is None else result.row.id}
        case DuplicateLotRow() as duplicate:
            return {"duplicateOf": duplicate.lot_row_id, "lotId": duplicate.lot_id, "step": duplicate.step}
        case ValidationFailed() as failure:
            return {"problems": [[each.field, each.message] for each in failure.problems]}
        case PermissionDenied() as denial:
            return {"denied": denial.message, "openedBy": denial.opened_by, "applyAt": denial.apply_at}
    raise TypeError(type(result.refusal))


async def _replayed(
    work: UnitOfWork, actor: Actor, results: Sequence[Mapping[str, Any]], read: Sequence[LotRowDefinition | UserError]
) -> list[LotRowAddResult]:
    """What became of the rows then; of those that may not be added any more, that."""
    numbers = [each["added"] for each in results if "added" in each]
    rows = await work.lot_rows.get_many(numbers, visibility_of(actor))

    def result(written: Mapping[str, Any], now: LotRowDefinition | UserError) -> LotRowAddResult:
        if isinstance(now, PermissionDenied):
            return LotRowAddResult(refusal=now)
        return LotRowAddResult(rows.get(written["added"])) if "added" in written else LotRowAddResult(refusal=_refusal(written))

    return [result(written, now) for written, now in zip(results, read, strict=True)]


def _refusal(written: Mapping[str, Any]) -> UserError:
    if "duplicateOf" in written:
        return DuplicateLotRow(written["lotId"], written["step"], written["duplicateOf"])
    if "denied" in written:
        return PermissionDenied(written["denied"], written["openedBy"], written["applyAt"])
    return ValidationFailed([FieldProblem(*each) for each in written["problems"]])


async def correct_lot_row(
    services: Services,
    actor: Actor,
    number: int,
    document: Mapping[str, Any],
    reason: str | None,
    expected_version: int | None = None,
    idempotency_key: str | None = None,
) -> LotRow:
    """Put other values in the place of a row's, with a reason; what it was stays among its versions.

    It takes the right to work in its product line, and in the one that it is corrected to. `DuplicateLotRow` where that has
    another row of the lot and step.
    """
    person = require_person(actor)
    given = {"input": document, "reason": reason}
    command = Command("lotRowCorrect", "lot_row", number, expected_version, idempotency_key, given)
    idempotency = command.idempotency(person.subject)
    async with services.database.transaction() as work:
        is_replay = idempotency is not None and await idempotency.replayed(work) is not None
        row = await work.lot_rows.lock(number, visibility_of(actor))
        if row is None:
            raise NotFound("lot row", number)
        if is_replay:
            return row
        definition, why = correction(document, reason, services.lot_ids)
        for product_line in (row.definition.product_line, definition.product_line):
            _require_line(services, actor, product_line)
        command.check_version(row.version)
        corrected = row.corrected(definition, max(row.updated_at, await work.kits.now()))
        if (other := await work.lot_rows.correct(corrected, person.subject, why)) is not None:
            raise DuplicateLotRow(definition.lot_id, definition.step, other)
        if idempotency is not None:
            await idempotency.complete(work, {"lotRow": number})
    log.info("lotRowCorrect", extra={"lot_row": number, "version": corrected.version, "subject": person.subject})
    return corrected


def why_not_correct(services: Services, actor: Actor, row: LotRow) -> UserError | None:
    """What correcting the row now would be refused with; None where it would not."""
    return refusal_of(lambda: _require_line(services, actor, row.definition.product_line))


def _require_line(services: Services, actor: Actor, product_line: ProductLine) -> None:
    require_right(services, actor, product_line, PermissionAction.GENERAL)


def _known(found: Mapping[int, LotRow], number: int) -> LotRow:
    if number not in found:
        raise NotFound("lot row", number)
    return found[number]


async def find_lot_rows(services: Services, actor: Actor, ids: list[int]) -> dict[int, LotRow]:
    """The rows of these ids that exist for the caller."""
    async with services.database.snapshot() as work:
        return await work.lot_rows.get_many(ids, visibility_of(actor))


async def list_lot_rows(services: Services, actor: Actor, query: LotRowQuery) -> Page[LotRow]:
    """A page of rows."""
    async with services.database.snapshot() as work:
        return await work.lot_rows.page(query, visibility_of(actor))


async def count_lot_rows(services: Services, actor: Actor, query: LotRowQuery) -> int:
    """How many rows the query has in all."""
    async with services.database.snapshot() as work:
        return await work.lot_rows.count(query, visibility_of(actor))


async def versions_of_lot_rows(services: Services, actor: Actor, queries: Sequence[HistoryQuery]) -> list[Page[LotRowVersion]]:
    """Pages of what rows were, as far as that exists for the caller, oldest first."""
    async with services.database.snapshot() as work:
        return await work.lot_rows.versions(queries, visibility_of(actor))
