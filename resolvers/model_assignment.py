"""Assigning set-up models to lots, taking that back, and finding assignments. The daily batch goes by them."""

import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from domain.actor import Actor
from domain.audit_entry import AuditAction
from domain.batch_query import ModelAssignmentQuery
from domain.errors import AlreadyAssigned, NotFound, UserError
from domain.model_access_request import ModelAccessRequest
from domain.model_assignment import ModelAssignment, assignment_order
from domain.permission_request import optional_reason
from domain.query import Page
from domain.set_up_model import SetUpModel
from domain.storage import UnitOfWork
from domain.visibility import EVERY_MODEL, ModelReach
from resolvers.authorisation import refusal_of, require_person, visibility_of
from resolvers.idempotency import Idempotency
from resolvers.model_access_request import why_not_use
from resolvers.rights import rights_in
from resolvers.services import Services
from resolvers.set_up_model import check_in_use, model_entry, read_model
from resolvers.versioned import Command, Overtaken, known

log = logging.getLogger(__name__)
KIND = "model_assignment"
Pair = tuple[int, str]  # a model, and the subject of who has assigned it


async def assign_model(
    services: Services,
    actor: Actor,
    document: Mapping[str, Any],
    model_id: int | None,
    lot_row_id: int | None,
    reason: str | None = None,
    idempotency_key: str | None = None,
) -> ModelAssignment:
    """Assign a model that the person may use to a row of its product line, or to all that a rule takes in.

    The ids are those of the document; None: it leads nowhere. The audit has the reason, where one is given. `AlreadyAssigned`
    where the person has made such an assignment: that of another holds only as long as they may use the model.
    """
    person = require_person(actor)
    idempotency = Idempotency.of(person.subject, "modelAssign", idempotency_key, {"input": document, "reason": reason})
    why = optional_reason({"reason": reason}) or None
    order = assignment_order(document, model_id, lot_row_id)
    async with services.database.transaction() as work:
        if idempotency is not None and (outcome := await idempotency.replayed(work)) is not None:
            return await _read(work, actor, outcome["modelAssignment"])
        if model_id is None:
            raise NotFound("set-up model", repr(str(document["modelId"])[:80]))
        model = await read_model(work, actor, model_id)
        await _require_use(services, work, actor, model)
        check_in_use(model)
        if order.rule is None:
            await _check_row(work, actor, model, lot_row_id, document)
        at = await work.kits.now()
        made = await work.model_assignments.add(order, model.product_line, person.subject, person.name, at)
        if isinstance(made, int):
            raise AlreadyAssigned(model.id, made)
        await work.audit.add([model_entry(AuditAction.MODEL_ASSIGNED, model, person, why, assignmentId=made.id)], at)
        if idempotency is not None:
            await idempotency.complete(work, {"modelAssignment": made.id})
    log.info("modelAssign", extra={KIND: made.id, "set_up_model": model.id, "subject": person.subject})
    return made


async def _check_row(
    work: UnitOfWork, actor: Actor, model: SetUpModel, lot_row_id: int | None, document: Mapping[str, Any]
) -> None:
    """Refuse a row that does not exist in the model's product line."""
    visibility = visibility_of(actor)
    found = {} if lot_row_id is None else await work.lot_rows.get_many([lot_row_id], visibility)
    if lot_row_id not in found or found[lot_row_id].definition.product_line is not model.product_line:
        raise NotFound("lot row", f"{str(document['lotRowId'])[:80]!r} of {model.product_line}")


async def unassign_model(
    services: Services, actor: Actor, number: int, reason: str | None = None, idempotency_key: str | None = None
) -> ModelAssignment:
    """Take an assignment back, as a person who may use the model, with a reason or none; its results stay."""
    person = require_person(actor)
    given = {"reason": reason}
    command = Command("modelUnassign", KIND, number, None, idempotency_key, given)
    idempotency = command.idempotency(person.subject)
    while True:
        try:
            async with services.database.transaction() as work:
                is_replay = idempotency is not None and await idempotency.replayed(work) is not None
                assignment = await _read(work, actor, number)
                if is_replay:
                    return assignment
                model = await read_model(work, actor, assignment.order.model_id)
                if assignment.actor != person.subject:
                    await _require_use(services, work, actor, model)
                why = optional_reason(given) or None
                at = await work.kits.now()
                ended = assignment.ended(person.subject, person.name, at)
                if not await work.model_assignments.change(assignment, ended):
                    raise Overtaken
                await work.audit.add([model_entry(AuditAction.MODEL_UNASSIGNED, model, person, why, assignmentId=number)], at)
                if idempotency is not None:
                    await idempotency.complete(work, {"modelAssignment": number})
        except Overtaken:
            continue
        log.info("modelUnassign", extra={KIND: number, "subject": person.subject})
        return ended


async def _require_use(services: Services, work: UnitOfWork, actor: Actor, model: SetUpModel) -> None:
    person = require_person(actor)
    held = (await work.model_access.open_of(person.subject, [model.id])).get(model.id, [])
    if (refusal := why_not_use(services, actor, model, held)) is not None:
        raise refusal


async def _read(work: UnitOfWork, actor: Actor, number: int) -> ModelAssignment:
    return known(await work.model_assignments.get_many([number], visibility_of(actor)), "model assignment", number)


def why_not_unassign(
    services: Services, actor: Actor, assignment: ModelAssignment, model: SetUpModel, held: Sequence[ModelAccessRequest]
) -> UserError | None:
    """What taking the assignment back now would be refused with, of who has these applications; None where it would not."""
    person = require_person(actor)
    if assignment.actor != person.subject and (refusal := why_not_use(services, actor, model, held)) is not None:
        return refusal
    return refusal_of(lambda: assignment.ended(person.subject, person.name, assignment.created_at))


async def find_assignments(services: Services, actor: Actor, ids: list[int]) -> dict[int, ModelAssignment]:
    """The assignments of these ids that exist for the caller."""
    async with services.database.snapshot() as work:
        return await work.model_assignments.get_many(ids, visibility_of(actor))


async def list_assignments(services: Services, actor: Actor, query: ModelAssignmentQuery) -> Page[ModelAssignment]:
    """A page of the assignments that exist for the caller."""
    async with services.database.snapshot() as work:
        return await work.model_assignments.page(query, visibility_of(actor))


async def count_assignments(services: Services, actor: Actor, query: ModelAssignmentQuery) -> int:
    """How many assignments the query has in all."""
    async with services.database.snapshot() as work:
        return await work.model_assignments.count(query, visibility_of(actor))


async def in_force(services: Services, pairs: list[Pair]) -> dict[Pair, bool]:
    """Whether what these people have assigned of these models holds, of models that the caller was shown."""
    async with services.database.snapshot() as work:
        holding = await holding_of(work, pairs)
    return {pair: pair in holding for pair in pairs}


async def holding_of(work: UnitOfWork, pairs: Collection[Pair]) -> set[Pair]:
    """Of models and people who have assigned them those who may use them now: an assignment holds as long as they may."""
    model_ids = sorted({model_id for model_id, _ in pairs})
    models = await work.set_up_models.get_many(model_ids, EVERY_MODEL)
    grants = await work.grants.active({subject for _, subject in pairs})
    open_to = await work.model_access.open_to(model_ids)

    def may_use(model_id: int, subject: str) -> bool:
        line = models[model_id].product_line
        reach = ModelReach.of(subject, rights_in(grants.get(subject, ())))
        is_theirs = subject in (models[model_id].owner, *open_to.get(model_id, ()))
        return line in reach.set_up_lines or (line in reach.product_lines and is_theirs)

    return {(model_id, subject) for model_id, subject in pairs if may_use(model_id, subject)}
