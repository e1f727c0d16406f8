"""Applying for permissions, and deciding on applications."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from domain.actor import Actor, Person
from domain.audit_entry import AuditAction, AuditEntry
from domain.errors import AlreadyGranted, AlreadyPending, PermissionDenied, UserError
from domain.grant import Grant, GrantStatus, decision
from domain.permission_request import PermissionRequest, PermissionRequestStatus, application, optional_reason
from domain.query import Page, PermissionRequestQuery
from domain.storage import UnitOfWork
from resolvers.authorisation import involvement_of, refusal_of, require_person
from resolvers.decision import Decide, run_decision
from resolvers.grant import ended_by_time, tell
from resolvers.idempotency import Idempotency
from resolvers.services import Services
from resolvers.versioned import Command, Overtaken

log = logging.getLogger(__name__)
KIND = "permission_request"


async def create_permission_requests(
    services: Services, actor: Actor, document: Mapping[str, Any], idempotency_key: str | None = None
) -> list[PermissionRequest]:
    """Apply for permissions, one request each; all are stored or none.

    Who has one with an end applies to have it renewed. `AlreadyGranted` where it has none, `AlreadyPending` where such a request
    waits for a decision.
    """
    person = require_person(actor)
    asked = application(document)
    idempotency = Idempotency.of(person.subject, "permissionRequestCreate", idempotency_key, document)
    while True:
        try:
            async with services.database.transaction() as work:
                if idempotency is not None and (outcome := await idempotency.replayed(work)) is not None:
                    numbers = outcome["permissionRequests"]
                    found = await work.permission_requests.get_many(numbers, involvement_of(services, actor))
                    return [found[number] for number in numbers]
                at = await work.kits.now()
                requests = [await _add(work, person, kind, asked.reason, at) for kind in asked.kinds]
                entries = [_entry(AuditAction.PERMISSION_REQUESTED, each, person, each.reason) for each in requests]
                await work.audit.add(entries, at)
                if idempotency is not None:
                    await idempotency.complete(work, {"permissionRequests": [each.id for each in requests]})
        except Overtaken:
            continue
        await tell(services, person.subject)
        numbers = [each.id for each in requests]
        log.info("permissionRequestCreate", extra={"permission_requests": numbers, "subject": person.subject})
        return requests


async def _add(work: UnitOfWork, person: Person, kind: str, reason: str, at: datetime) -> PermissionRequest:
    """Store a request for that kind. What the person has is read afterwards: a decision at the same moment is waited for then."""
    request = await work.permission_requests.add(
        PermissionRequest(
            id=0,
            kind=kind,
            subject=person.subject,
            name=person.name,
            reason=reason,
            status=PermissionRequestStatus.PENDING,
            version=1,
            created_at=at,
            updated_at=at,
        )
    )
    if request is None:
        pending = await work.permission_requests.pending(person.subject, kind)
        raise Overtaken if pending is None else AlreadyPending(kind, pending.id)
    held = (await work.grants.active([person.subject])).get(person.subject, [])
    refusal = why_not_apply(next((grant for grant in held if grant.kind == kind), None), None)
    if refusal is not None:
        raise refusal
    return request


async def withdraw_permission_request(
    services: Services, actor: Actor, number: int, reason: str | None, idempotency_key: str | None = None
) -> PermissionRequest:
    """Take back one's own application that nobody has decided yet; a reason may be given."""
    person = require_person(actor)

    async def withdraw(work: UnitOfWork, request: PermissionRequest, at: datetime) -> tuple[PermissionRequest, list[AuditEntry]]:
        _check_applicant(person, request)
        given = optional_reason({"reason": reason})
        changed = request.decided(PermissionRequestStatus.WITHDRAWN, person, given, at)
        return changed, [_entry(AuditAction.PERMISSION_WITHDRAWN, changed, person, given)]

    command = Command("permissionRequestWithdraw", KIND, number, None, idempotency_key, {"reason": reason})
    return await _decide(services, person, command, withdraw)


async def reject_permission_request(
    services: Services, actor: Actor, number: int, reason: str | None, idempotency_key: str | None = None
) -> PermissionRequest:
    """Decide against an application, with a reason."""
    person = require_person(actor)
    kinds = services.approvers.kinds_of(person)

    async def reject(work: UnitOfWork, request: PermissionRequest, at: datetime) -> tuple[PermissionRequest, list[AuditEntry]]:
        request.check_decider(person, kinds)
        given, _ = decision({"reason": reason}, at)
        changed = request.decided(PermissionRequestStatus.REJECTED, person, given, at)
        return changed, [_entry(AuditAction.PERMISSION_REJECTED, changed, person, given)]

    command = Command("permissionRequestReject", KIND, number, None, idempotency_key, {"reason": reason})
    return await _decide(services, person, command, reject)


async def approve_permission_request(
    services: Services,
    actor: Actor,
    number: int,
    reason: str | None,
    expires_at: object = None,
    idempotency_key: str | None = None,
) -> PermissionRequest:
    """Decide for an application, with a reason: the applicant has the permission until `expires_at`.

    That is the text of a time (None: without an end); `ValidationFailed` where it is none.
    """
    person = require_person(actor)
    kinds = services.approvers.kinds_of(person)
    given = {"reason": reason, "expiresAt": expires_at}

    async def approve(work: UnitOfWork, request: PermissionRequest, at: datetime) -> tuple[PermissionRequest, list[AuditEntry]]:
        request.check_decider(person, kinds)
        why, until = decision(given, at)
        changed = request.decided(PermissionRequestStatus.APPROVED, person, why, at)
        grant, entries = await _grant(work, changed, person, kinds, until, at)
        changed = replace(changed, grant_id=grant.id)
        details = {} if until is None else {"expiresAt": until.isoformat()}
        entry = replace(_entry(AuditAction.PERMISSION_APPROVED, changed, person, why), grant_id=grant.id, details=details)
        return changed, [*entries, entry]

    command = Command("permissionRequestApprove", KIND, number, None, idempotency_key, given)
    return await _decide(services, person, command, approve)


async def _grant(
    work: UnitOfWork,
    request: PermissionRequest,
    person: Person,
    kinds: frozenset[str],
    expires_at: datetime | None,
    at: datetime,
) -> tuple[Grant, list[AuditEntry]]:
    """What an approved request gives: the active grant with another end, else a new one. An expired one is put on record."""
    held = await work.grants.unended(request.subject, request.kind)
    if held is not None and held.status is GrantStatus.ACTIVE:
        renewed = held.renewed(person, kinds, expires_at, at)
        if not await work.grants.change(held, renewed):
            raise Overtaken
        return renewed, []
    entries = []
    if held is not None:
        if not await work.grants.change(held, held.expired(at)):
            raise Overtaken
        entries.append(ended_by_time(held))
    grant = await work.grants.add(
        Grant(
            id=0,
            kind=request.kind,
            subject=request.subject,
            name=request.name,
            request_id=request.id,
            granted_by=person.subject,
            granted_at=at,
            version=1,
            updated_at=at,
            read_at=at,
            expires_at=expires_at,
        )
    )
    if grant is None:
        raise Overtaken
    return grant, entries


async def _decide(services: Services, person: Person, command: Command, decide: Decide[PermissionRequest]) -> PermissionRequest:
    involvement = involvement_of(services, person)
    return await run_decision(
        services,
        person,
        command,
        involvement,
        lambda work: work.permission_requests,
        decide,
        lambda request: tell(services, request.subject),
    )


def _entry(action: AuditAction, request: PermissionRequest, person: Person, reason: str) -> AuditEntry:
    return AuditEntry(
        action=action,
        kind=request.kind,
        person=request.subject,
        person_name=request.name,
        actor=person.subject,
        actor_name=person.name,
        reason=reason,
        request_id=request.id,
    )


def why_not_decide(services: Services, actor: Actor, request: PermissionRequest) -> UserError | None:
    """What approving or rejecting the application now would be refused with; None where it would not."""
    person = require_person(actor)

    def decide() -> None:
        request.check_decider(person, services.approvers.kinds_of(person))
        request.decided(PermissionRequestStatus.APPROVED, person, "", request.updated_at)

    return refusal_of(decide)


def why_not_withdraw(actor: Actor, request: PermissionRequest) -> UserError | None:
    """What withdrawing the application now would be refused with; None where it would not."""
    person = require_person(actor)

    def decide() -> None:
        _check_applicant(person, request)
        request.decided(PermissionRequestStatus.WITHDRAWN, person, "", request.updated_at)

    return refusal_of(decide)


def why_not_apply(grant: Grant | None, pending: PermissionRequest | None) -> UserError | None:
    """What applying for a kind now would be refused with, of who has that grant and that application of it."""
    if pending is not None:
        return AlreadyPending(pending.kind, pending.id)
    if grant is not None and grant.expires_at is None:
        return AlreadyGranted(f"{grant.kind}, without an end", grant.id)
    return None


def _check_applicant(person: Person, request: PermissionRequest) -> None:
    if request.subject != person.subject:
        raise PermissionDenied("Only the applicant can withdraw an application.")


async def find_permission_requests(services: Services, actor: Actor, ids: list[int]) -> dict[int, PermissionRequest]:
    """The applications of these ids that exist for the caller: their own, and those of the kinds that they decide on."""
    async with services.database.snapshot() as work:
        return await work.permission_requests.get_many(ids, involvement_of(services, actor))


async def list_permission_requests(services: Services, actor: Actor, query: PermissionRequestQuery) -> Page[PermissionRequest]:
    """A page of the applications that exist for the caller."""
    async with services.database.snapshot() as work:
        return await work.permission_requests.page(query, involvement_of(services, actor))


async def count_permission_requests(services: Services, actor: Actor, query: PermissionRequestQuery) -> int:
    """How many of those the query has in all."""
    async with services.database.snapshot() as work:
        return await work.permission_requests.count(query, involvement_of(services, actor))
