"""Applying for access to set-up models, deciding on applications, and taking access away."""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from domain.actor import Actor, Person
from domain.audit_entry import AuditAction, AuditEntry
from domain.errors import AlreadyGranted, AlreadyPending, NotFound, PermissionDenied, UserError
from domain.kit import ProductLine
from domain.live import Notice, Topic
from domain.model_access_request import (
    ModelAccessRequest,
    ModelAccessStatus,
    access_application,
    access_approval,
    access_reason,
    access_renewal,
)
from domain.permission_kind import PermissionAction, Right, kinds_that_open
from domain.permission_request import optional_reason
from domain.query import ModelAccessQuery, Page
from domain.set_up_model import SetUpModel
from domain.storage import UnitOfWork
from resolvers.authorisation import apply_page, apply_page_of_model, reach_of, refusal_of, require_person
from resolvers.decision import run_decision
from resolvers.ends_in_time import put_ends_on_record
from resolvers.idempotency import Idempotency
from resolvers.services import Services
from resolvers.set_up_model import check_in_use, read_model
from resolvers.versioned import Command, Overtaken

log = logging.getLogger(__name__)
KIND = "model_access_request"
Decided = tuple[ModelAccessRequest, list[AuditEntry]]
DecideOnModel = Callable[[UnitOfWork, SetUpModel, ModelAccessRequest, datetime], Awaitable[Decided]]


async def create_access_request(
    services: Services, actor: Actor, document: Mapping[str, Any], model_id: int | None, idempotency_key: str | None = None
) -> ModelAccessRequest:
    """Apply for access to the model of that id (None: the document's id leads nowhere), for a purpose and until a time.

    `AlreadyGranted` for who has access, `AlreadyPending` where such an application waits for a decision.
    """
    person = require_person(actor)
    idempotency = Idempotency.of(person.subject, "modelAccessRequestCreate", idempotency_key, document)
    while True:
        try:
            async with services.database.transaction() as work:
                if idempotency is not None and (outcome := await idempotency.replayed(work)) is not None:
                    return await _read(work, actor, outcome["modelAccessRequest"])
                request = await _add(work, person, document, model_id)
                entry = _entry(AuditAction.MODEL_ACCESS_REQUESTED, request, person, request.purpose)
                await work.audit.add([entry], request.created_at)
                if idempotency is not None:
                    await idempotency.complete(work, {"modelAccessRequest": request.id})
        except Overtaken:
            continue
        await _tell(services, request)
        log.info("modelAccessRequestCreate", extra={KIND: request.id, "subject": person.subject})
        return request


async def _add(work: UnitOfWork, person: Person, document: Mapping[str, Any], model_id: int | None) -> ModelAccessRequest:
    """Store an application. What the person has is read afterwards: a decision at the same moment is waited for then."""
    at = await work.kits.now()
    asked = access_application(document, at)
    if model_id is None:
        raise NotFound("set-up model", repr(str(document["modelId"])[:80]))
    model = await read_model(work, person, model_id)
    request = await work.model_access.add(
        ModelAccessRequest(
            id=0,
            model_id=model.id,
            subject=person.subject,
            name=person.name,
            purpose=asked.purpose,
            until=asked.until,
            recorded_status=ModelAccessStatus.PENDING,
            version=1,
            created_at=at,
            updated_at=at,
            read_at=at,
        )
    )
    held = (await work.model_access.open_of(person.subject, [model.id])).get(model.id, [])
    others = [each for each in held if request is None or each.id != request.id]
    _check_applicable(person, model, others)
    if request is None:
        raise Overtaken
    return request


async def withdraw_access_request(
    services: Services, actor: Actor, number: int, reason: str | None, idempotency_key: str | None = None
) -> ModelAccessRequest:
    """Take back one's own application that nobody has decided yet; a reason may be given."""
    person = require_person(actor)
    given = {"reason": reason}

    async def withdraw(work: UnitOfWork, model: SetUpModel, request: ModelAccessRequest, at: datetime) -> Decided:
        request.check_applicant(person)
        why = optional_reason(given)
        changed = request.decided(ModelAccessStatus.WITHDRAWN, person, why, at)
        return changed, [_entry(AuditAction.MODEL_ACCESS_WITHDRAWN, changed, person, why)]

    command = Command("modelAccessRequestWithdraw", KIND, number, None, idempotency_key, given)
    return await _decide(services, person, command, withdraw)


async def reject_access_request(
    services: Services, actor: Actor, number: int, reason: str | None, idempotency_key: str | None = None
) -> ModelAccessRequest:
    """Decide against an application, with a reason."""
    person = require_person(actor)
    given = {"reason": reason}

    async def reject(work: UnitOfWork, model: SetUpModel, request: ModelAccessRequest, at: datetime) -> Decided:
        request.check_decider(person, is_decider(person, model))
        why = access_reason(given)
        changed = request.decided(ModelAccessStatus.REJECTED, person, why, at)
        return changed, [_entry(AuditAction.MODEL_ACCESS_REJECTED, changed, person, why)]

    command = Command("modelAccessRequestReject", KIND, number, None, idempotency_key, given)
    return await _decide(services, person, command, reject)


async def approve_access_request(
    services: Services,
    actor: Actor,
    number: int,
    reason: str | None,
    until: object = None,
    idempotency_key: str | None = None,
) -> ModelAccessRequest:
    """Decide for an application, with a reason: the applicant has access until the time that was asked for, or an earlier one.

    `until` is the text of such a time; `ValidationFailed` where it is none.
    """
    person = require_person(actor)
    given = {"reason": reason, "until": until}

    async def approve(work: UnitOfWork, model: SetUpModel, request: ModelAccessRequest, at: datetime) -> Decided:
        request.check_decider(person, is_decider(person, model))
        check_in_use(model)
        why, end = access_approval(given)
        changed = request.approved(person, why, end, at)
        entries = await _make_room(work, request, at)
        entry = _entry(AuditAction.MODEL_ACCESS_APPROVED, changed, person, why)
        return changed, [*entries, entry]

    command = Command("modelAccessRequestApprove", KIND, number, None, idempotency_key, given)
    return await _decide(services, person, command, approve)


async def renew_access(
    services: Services,
    actor: Actor,
    number: int,
    reason: str | None,
    until: object,
    expected_version: int | None = None,
    idempotency_key: str | None = None,
) -> ModelAccessRequest:
    """Give the open access of somebody else another end (`until`, the text of a time), with a reason."""
    person = require_person(actor)
    given = {"reason": reason, "until": until}

    async def renew(work: UnitOfWork, model: SetUpModel, request: ModelAccessRequest, at: datetime) -> Decided:
        request.check_decider(person, is_decider(person, model))
        check_in_use(model)
        why, end = access_renewal(given, at)
        changed = request.renewed(person, why, end, at)
        return changed, [_entry(AuditAction.MODEL_ACCESS_RENEWED, changed, person, why)]

    command = Command("modelAccessRenew", KIND, number, expected_version, idempotency_key, given)
    return await _decide(services, person, command, renew)


async def revoke_access(
    services: Services,
    actor: Actor,
    number: int,
    reason: str | None,
    expected_version: int | None = None,
    idempotency_key: str | None = None,
) -> ModelAccessRequest:
    """Take away the access that an application has given, with a reason, or give back one's own."""
    person = require_person(actor)
    given = {"reason": reason}

    async def revoke(work: UnitOfWork, model: SetUpModel, request: ModelAccessRequest, at: datetime) -> Decided:
        request.check_revoker(person, is_decider(person, model))
        why = access_reason(given)
        changed = request.decided(ModelAccessStatus.REVOKED, person, why, at)
        return changed, [_entry(AuditAction.MODEL_ACCESS_REVOKED, changed, person, why)]

    command = Command("modelAccessRevoke", KIND, number, expected_version, idempotency_key, given)
    return await _decide(services, person, command, revoke)


async def _decide(services: Services, person: Person, command: Command, decide: DecideOnModel) -> ModelAccessRequest:
    async def with_model(work: UnitOfWork, request: ModelAccessRequest, at: datetime) -> Decided:
        return await decide(work, await read_model(work, person, request.model_id), request, at)

    return await run_decision(
        services,
        person,
        command,
        reach_of(person),
        lambda work: work.model_access,
        with_model,
        lambda request: _tell(services, request),
    )


async def expire_access(services: Services) -> int:
    """Put on record which access has expired since this was last done; returns how many."""
    return await put_ends_on_record(
        services, lambda work: work.model_access, _ended_by_time, lambda request: _tell(services, request)
    )


async def _make_room(work: UnitOfWork, request: ModelAccessRequest, at: datetime) -> list[AuditEntry]:
    """Put on record that earlier access of the applicant is over: one is approved at a time."""
    entries = []
    for held in (await work.model_access.open_of(request.subject, [request.model_id])).get(request.model_id, []):
        if held.status is ModelAccessStatus.EXPIRED:
            if not await work.model_access.change(held, held.expired(at)):
                raise Overtaken
            entries.append(_ended_by_time(held))
    return entries


async def _read(work: UnitOfWork, actor: Actor, number: int) -> ModelAccessRequest:
    request = (await work.model_access.get_many([number], reach_of(actor))).get(number)
    if request is None:
        raise NotFound("model access request", number)
    return request


async def _tell(services: Services, request: ModelAccessRequest) -> None:
    await services.bus.publish([Notice(Topic.MODEL_ACCESS, str(request.model_id), 0)])


def _entry(
    action: AuditAction, request: ModelAccessRequest, person: Person | None = None, reason: str | None = None
) -> AuditEntry:
    return AuditEntry(
        action=action,
        person=request.subject,
        person_name=request.name,
        actor=None if person is None else person.subject,
        actor_name=None if person is None else person.name,
        reason=reason,
        model_id=request.model_id,
        model_access_request_id=request.id,
        details={"expiresAt": request.until.isoformat()},
    )


def _ended_by_time(request: ModelAccessRequest) -> AuditEntry:
    return _entry(AuditAction.MODEL_ACCESS_EXPIRED, request)


def is_decider(person: Person, model: SetUpModel) -> bool:
    """Whether the person decides on access to the model, and uses it without an application: its owner, and set-up users."""
    return person.subject == model.owner or Right(model.product_line, PermissionAction.SET_UP) in person.rights


def why_not_apply(actor: Actor, model: SetUpModel, held: Sequence[ModelAccessRequest]) -> UserError | None:
    """What applying for access now would be refused with, of who has these other applications for the model."""
    return refusal_of(lambda: _check_applicable(require_person(actor), model, held))


def _check_applicable(person: Person, model: SetUpModel, held: Sequence[ModelAccessRequest]) -> None:
    check_in_use(model)
    what = f"access to set-up model {model.id}"
    if is_decider(person, model):
        raise AlreadyGranted(f"{what}, as its owner or as a set-up user of {model.product_line}")
    for request in held:
        if request.status is ModelAccessStatus.APPROVED:
            end = f"until {request.until.isoformat()}; who decides on it can renew it (`modelAccessRenew`)"
            raise AlreadyGranted(f"{what}, {end}", model_access_request_id=request.id)
        if request.status is ModelAccessStatus.PENDING:
            raise AlreadyPending(what, model_access_request_id=request.id)


def access_denial(
    services: Services, product_line: ProductLine, model_id: int | None, pending_id: int | None = None
) -> PermissionDenied:
    """Says that a model of that product line has to be applied for, or was, and is not decided yet.

    A model of None is archived, and nobody can: what is left is the permission of set-up users.
    """
    kinds = kinds_that_open(Right(product_line, PermissionAction.SET_UP))
    if model_id is None:
        message = f"This is an archived set-up model of {product_line}, for its owner and set-up users alone."
        return PermissionDenied(message, kinds, apply_page(services, kinds[0]) if kinds else None)
    if pending_id is None:
        message = f"You have no access to set-up model {model_id}; apply for it by `modelAccessRequestCreate`."
    else:
        message = f"You have no access to set-up model {model_id} yet: your application {pending_id} waits for a decision."
    return PermissionDenied(message, kinds, apply_page_of_model(services, model_id), model_id)


def why_not_use(services: Services, actor: Actor, model: SetUpModel, held: Sequence[ModelAccessRequest]) -> UserError | None:
    """What using the model now would be refused with, of who has these applications for it; None where it would not."""
    person = require_person(actor)
    if is_decider(person, model) or any(each.status is ModelAccessStatus.APPROVED for each in held):
        return None
    pending = next((each.id for each in held if each.status is ModelAccessStatus.PENDING), None)
    return access_denial(services, model.product_line, model.id if model.archived_at is None else None, pending)


async def access_used(work: UnitOfWork, person: Person, model_id: int) -> frozenset[int]:
    """The applications by whose access the person uses a model; none where they decide on it. `NotFound` where they may not."""
    model = await read_model(work, person, model_id)
    if is_decider(person, model):
        return frozenset()
    held = (await work.model_access.open_of(person.subject, [model_id])).get(model_id, [])
    used = frozenset(each.id for each in held if each.status is ModelAccessStatus.APPROVED)
    if not used:
        raise NotFound("access to set-up model", model_id)
    return used


def why_not_decide(actor: Actor, request: ModelAccessRequest, model: SetUpModel) -> UserError | None:
    """What approving or rejecting the application now would be refused with; None where it would not."""
    person = require_person(actor)

    def decide() -> None:
        request.check_decider(person, is_decider(person, model))
        request.decided(ModelAccessStatus.REJECTED, person, "", request.updated_at)

    return refusal_of(decide)


def why_not_withdraw(actor: Actor, request: ModelAccessRequest) -> UserError | None:
    """What withdrawing the application now would be refused with; None where it would not."""
    person = require_person(actor)

    def decide() -> None:
        request.check_applicant(person)
        request.decided(ModelAccessStatus.WITHDRAWN, person, "", request.updated_at)

    return refusal_of(decide)


def why_not_renew(actor: Actor, request: ModelAccessRequest, model: SetUpModel) -> UserError | None:
    """What renewing the access now would be refused with; None where it would not."""
    person = require_person(actor)

    def decide() -> None:
        request.check_decider(person, is_decider(person, model))
        check_in_use(model)
        request.renewed(person, "", request.until, request.updated_at)

    return refusal_of(decide)


def why_not_revoke(actor: Actor, request: ModelAccessRequest, model: SetUpModel) -> UserError | None:
    """What revoking the access now would be refused with, or giving it back; None where it would not."""
    person = require_person(actor)

    def decide() -> None:
        request.check_revoker(person, is_decider(person, model))
        request.decided(ModelAccessStatus.REVOKED, person, "", request.updated_at)

    return refusal_of(decide)


async def open_requests(services: Services, actor: Actor, model_ids: list[int]) -> dict[int, list[ModelAccessRequest]]:
    """The caller's own applications for these models that are pending, or approved and not revoked, by model."""
    async with services.database.snapshot() as work:
        return await work.model_access.open_of(require_person(actor).subject, model_ids)


async def find_access_requests(services: Services, actor: Actor, ids: list[int]) -> dict[int, ModelAccessRequest]:
    """The applications of these ids that exist for the caller: their own, and those that they decide on."""
    async with services.database.snapshot() as work:
        return await work.model_access.get_many(ids, reach_of(actor))


async def list_access_requests(services: Services, actor: Actor, query: ModelAccessQuery) -> Page[ModelAccessRequest]:
    """A page of the applications that exist for the caller."""
    async with services.database.snapshot() as work:
        return await work.model_access.page(query, reach_of(actor))


async def count_access_requests(services: Services, actor: Actor, query: ModelAccessQuery) -> int:
    """How many of those the query has in all."""
    async with services.database.snapshot() as work:
        return await work.model_access.count(query, reach_of(actor))
