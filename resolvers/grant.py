"""What people are permitted: renewing it, taking it away, and putting on record what has expired."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from domain.actor import Actor, Person
from domain.audit_entry import AuditAction, AuditEntry
from domain.errors import UserError
from domain.grant import Grant, decision, renewal
from domain.live import Notice, Topic
from domain.query import GrantQuery, Page
from domain.storage import UnitOfWork
from resolvers.authorisation import involvement_of, refusal_of, require_person
from resolvers.decision import Decide, run_decision
from resolvers.ends_in_time import put_ends_on_record
from resolvers.services import Services
from resolvers.versioned import Command


async def renew_grant(
    services: Services,
    actor: Actor,
    number: int,
    given: Mapping[str, Any],
    expected_version: int | None = None,
    idempotency_key: str | None = None,
) -> Grant:
    """Give an active permission of somebody else another end (`expiresAt`, the text of a time; None: none), with a `reason`.

    `ValidationFailed` where no end is given, nor None.
    """
    person = require_person(actor)
    kinds = services.approvers.kinds_of(person)

    async def renew(work: UnitOfWork, grant: Grant, at: datetime) -> tuple[Grant, list[AuditEntry]]:
        grant.check_renewable(person, kinds)
        why, until = renewal(given, at)
        changed = grant.renewed(person, kinds, until, at)
        details = {"expiresAt": None if until is None else until.isoformat()}
        return changed, [_entry(AuditAction.PERMISSION_RENEWED, grant, person, why, details)]

    command = Command("grantRenew", "grant", number, expected_version, idempotency_key, given)
    return await _change(services, person, command, renew)


async def revoke_grant(
    services: Services,
    actor: Actor,
    number: int,
    reason: str | None,
    expected_version: int | None = None,
    idempotency_key: str | None = None,
) -> Grant:
    """Take a permission away, with a reason, or give back one's own; what it opened closes within seconds, everywhere."""
    person = require_person(actor)
    kinds = services.approvers.kinds_of(person)
    given = {"reason": reason}

    async def revoke(work: UnitOfWork, grant: Grant, at: datetime) -> tuple[Grant, list[AuditEntry]]:
        why, _ = decision(given, at)
        return grant.revoked(person, kinds, why, at), [_entry(AuditAction.PERMISSION_REVOKED, grant, person, why)]

    command = Command("grantRevoke", "grant", number, expected_version, idempotency_key, given)
    return await _change(services, person, command, revoke)


async def _change(services: Services, person: Person, command: Command, decide: Decide[Grant]) -> Grant:
    involvement = involvement_of(services, person)
    return await run_decision(
        services, person, command, involvement, lambda work: work.grants, decide, lambda grant: tell(services, grant.subject)
    )


async def expire_grants(services: Services) -> int:
    """Put on record which permissions have expired since this was last done; returns how many."""
    return await put_ends_on_record(
        services, lambda work: work.grants, ended_by_time, lambda grant: tell(services, grant.subject)
    )


async def tell(services: Services, subject: str) -> None:
    """Tell that something of a person's applications or permissions has changed."""
    await services.bus.publish([Notice(Topic.PERMISSION, subject, 0)])


def ended_by_time(grant: Grant) -> AuditEntry:
    """The entry for a grant whose time is over."""
    return AuditEntry(
        action=AuditAction.PERMISSION_EXPIRED,
        kind=grant.kind,
        person=grant.subject,
        person_name=grant.name,
        request_id=grant.request_id,
        grant_id=grant.id,
        details={} if grant.expires_at is None else {"expiresAt": grant.expires_at.isoformat()},
    )


def _entry(
    action: AuditAction, grant: Grant, person: Person, reason: str, details: Mapping[str, Any] | None = None
) -> AuditEntry:
    return AuditEntry(
        action=action,
        kind=grant.kind,
        person=grant.subject,
        person_name=grant.name,
        actor=person.subject,
        actor_name=person.name,
        reason=reason,
        request_id=grant.request_id,
        grant_id=grant.id,
        details=details or {},
    )


def why_not_renew(services: Services, actor: Actor, grant: Grant) -> UserError | None:
    """What renewing the grant now would be refused with; None where it would not."""
    person = require_person(actor)
    return refusal_of(lambda: grant.check_renewable(person, services.approvers.kinds_of(person)))


def why_not_revoke(services: Services, actor: Actor, grant: Grant) -> UserError | None:
    """What revoking the grant now would be refused with, or giving it back; None where it would not."""
    person = require_person(actor)
    return refusal_of(lambda: grant.revoked(person, services.approvers.kinds_of(person), "", grant.updated_at))


async def find_grants(services: Services, actor: Actor, ids: list[int]) -> dict[int, Grant]:
    """The grants of these ids that exist for the caller: their own, and those of the kinds that they decide on."""
    async with services.database.snapshot() as work:
        return await work.grants.get_many(ids, involvement_of(services, actor))


async def list_grants(services: Services, actor: Actor, query: GrantQuery) -> Page[Grant]:
    """A page of the grants that exist for the caller."""
    async with services.database.snapshot() as work:
        return await work.grants.page(query, involvement_of(services, actor))


async def count_grants(services: Services, actor: Actor, query: GrantQuery) -> int:
    """How many of those the query has in all."""
    async with services.database.snapshot() as work:
        return await work.grants.count(query, involvement_of(services, actor))
