"""Reading the audit: what concerns the caller, what the caller did, and all about what the caller decides on."""

from domain.actor import Actor
from domain.audit_entry import AuditEntry
from domain.query import AuditQuery, Page
from resolvers.authorisation import involvement_of, reach_of
from resolvers.services import Services


async def list_audit_entries(services: Services, actor: Actor, query: AuditQuery) -> Page[AuditEntry]:
    """A page of the entries that exist for the caller."""
    async with services.database.snapshot() as work:
        return await work.audit.page(query, involvement_of(services, actor), reach_of(actor))


async def count_audit_entries(services: Services, actor: Actor, query: AuditQuery) -> int:
    """How many of those the query has in all."""
    async with services.database.snapshot() as work:
        return await work.audit.count(query, involvement_of(services, actor), reach_of(actor))
