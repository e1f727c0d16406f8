"""Grants: what people are and were permitted."""

from datetime import datetime

import strawberry

from domain import grant as domain
from domain.query import GrantQuery, Page
from gql import ids
from gql.context import Info
from gql.sharing import Volatile
from gql.types.capability import Capability
from gql.types.connection import Connection, checked_first, checked_names, checked_text, numbered_page, numbered_place
from gql.types.enums import GrantStatus
from gql.types.node import Node
from resolvers import grant as grants


@strawberry.type(description="A permission that a person has or had.")
class Grant(Node):
    number: int = strawberry.field(description="The short number that people quote.")
    kind: str = strawberry.field(description="The name of the permission.")
    subject: str = strawberry.field(description="The issuer's name for the person who has it.")
    name: str = strawberry.field(description="The person's name, as it was when they applied.")
    status: GrantStatus = strawberry.field(description="Whether it opens anything.")
    permission_request_id: strawberry.ID = strawberry.field(description="The id of the application that it was given for.")
    granted_by: str = strawberry.field(description="The subject of the person who approved it.")
    granted_at: datetime = strawberry.field(description="When it was given.")
    expires_at: datetime | None = strawberry.field(description="When it stops opening anything; null: never by itself.")
    ended_at: datetime | None = strawberry.field(description="When its end was put on record; null: it is not.")
    revoked_by: str | None = strawberry.field(description="The subject of the person who took it away or gave it back.")
    revocation_reason: str | None = strawberry.field(description="Why.")
    version: int = strawberry.field(description="Grows by one with each change.")
    grant: strawberry.Private[domain.Grant]

    @strawberry.field(description="Whether the viewer may give it another end.", directives=[Volatile()])
    def viewer_can_renew(self, info: Info) -> Capability:
        return Capability.of(grants.why_not_renew(info.context.services, info.context.actor, self.grant))

    @strawberry.field(description="Whether the viewer may take it away, or give it back.", directives=[Volatile()])
    def viewer_can_revoke(self, info: Info) -> Capability:
        return Capability.of(grants.why_not_revoke(info.context.services, info.context.actor, self.grant))

    @classmethod
    def of(cls, grant: domain.Grant) -> "Grant":
        """The type for a grant of the domain."""
        return cls(
            id=strawberry.ID(ids.encode("Grant", grant.id)),
            number=grant.id,
            kind=grant.kind,
            subject=grant.subject,
            name=grant.name,
            status=grant.status,
            permission_request_id=strawberry.ID(ids.encode("PermissionRequest", grant.request_id)),
            granted_by=grant.granted_by,
            granted_at=grant.granted_at,
            expires_at=grant.expires_at,
            ended_at=grant.ended_at,
            revoked_by=grant.revoked_by,
            revocation_reason=grant.revocation_reason,
            version=grant.version,
            grant=grant,
        )


@strawberry.input(description="Which grants. What is left out does not restrict.")
class GrantFilter:
    status: list[GrantStatus] | None = strawberry.field(default=None, description="In one of these.")
    kinds: list[str] | None = strawberry.field(default=None, description="Of one of these permissions.")
    subject: str | None = strawberry.field(default=None, description="Of the person with this subject.")
    expires_before: datetime | None = strawberry.field(default=None, description="That end before this time.")


@strawberry.type(description="A page of grants.")
class GrantConnection(Connection[Grant]):
    query: strawberry.Private[GrantQuery]

    @strawberry.field(description="How many grants the filter has in all; costs a count.")
    async def total_count(self, info: Info) -> int:
        return await grants.count_grants(info.context.services, info.context.actor, self.query)

    @classmethod
    def of(cls, page: Page[domain.Grant], query: GrantQuery, after: str | None) -> "GrantConnection":
        """The connection for a page of grants."""
        return cls(query=query, **numbered_page("grant", page, Grant.of, after))


def grant_query(chosen: GrantFilter | None, is_descending: bool, first: int, after: str | None) -> GrantQuery:
    """The domain's query for a filter as sent."""
    chosen = chosen or GrantFilter()
    return GrantQuery(
        statuses=frozenset(chosen.status or ()),
        kinds=checked_names("filter.kinds", chosen.kinds),
        subject=checked_text("filter.subject", chosen.subject),
        expires_before=chosen.expires_before,
        is_descending=is_descending,
        after=numbered_place("grant", after),
        first=checked_first(first),
    )
