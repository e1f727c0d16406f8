"""Applications for permissions, and what the viewer may do with them."""

from datetime import datetime

import strawberry

from domain import permission_request as domain
from domain.query import Page, PermissionRequestQuery
from gql import ids
from gql.context import Info
from gql.sharing import Volatile
from gql.types.capability import Capability
from gql.types.connection import (
    Connection,
    checked_first,
    checked_names,
    checked_text,
    numbered_page,
    numbered_place,
)
from gql.types.enums import PermissionRequestStatus
from gql.types.node import Node
from resolvers import permission_request as requests


@strawberry.type(description="A person's application for one permission.")
class PermissionRequest(Node):
    number: int = strawberry.field(description="The short number that people quote.")
    kind: str = strawberry.field(description="The name of the permission.")
    subject: str = strawberry.field(description="The issuer's name for the applicant.")
    name: str = strawberry.field(description="The applicant's name, as it was then.")
    reason: str = strawberry.field(description="Why they want it.")
    status: PermissionRequestStatus = strawberry.field(description="Where it stands.")
    created_at: datetime = strawberry.field(description="When it was sent.")
    updated_at: datetime = strawberry.field(description="When it was decided, if it was.")
    decided_by: str | None = strawberry.field(description="The subject of the person who approved, rejected or withdrew it.")
    decider_name: str | None = strawberry.field(description="That person's name, as it was then.")
    decision_reason: str | None = strawberry.field(description="Why; may be empty where it was withdrawn.")
    grant_id: strawberry.ID | None = strawberry.field(description="The id of the grant that an approval gave or renewed.")
    version: int = strawberry.field(description="Grows by one with each change.")
    request: strawberry.Private[domain.PermissionRequest]

    @strawberry.field(description="Whether the viewer may approve or reject it.", directives=[Volatile()])
    def viewer_can_decide(self, info: Info) -> Capability:
        return Capability.of(requests.why_not_decide(info.context.services, info.context.actor, self.request))

    @strawberry.field(description="Whether the viewer may withdraw it.", directives=[Volatile()])
    def viewer_can_withdraw(self, info: Info) -> Capability:
        return Capability.of(requests.why_not_withdraw(info.context.actor, self.request))

    @classmethod
    def of(cls, request: domain.PermissionRequest) -> "PermissionRequest":
        """The type for a request of the domain."""
        return cls(
            id=strawberry.ID(ids.encode("PermissionRequest", request.id)),
            number=request.id,
            kind=request.kind,
            subject=request.subject,
            name=request.name,
            reason=request.reason,
            status=request.status,
            created_at=request.created_at,
            updated_at=request.updated_at,
            decided_by=request.decided_by,
            decider_name=request.decider_name,
            decision_reason=request.decision_reason,
            grant_id=None if request.grant_id is None else strawberry.ID(ids.encode("Grant", request.grant_id)),
            version=request.version,
            request=request,
        )


@strawberry.input(
    description="An application. It can be sent without any of these, to be told what is missing; nothing is stored then."
)
class PermissionRequestInput:
    kinds: list[str] | None = strawberry.field(
        default=None, description="The names of the permissions, one at least (`permissionKinds`)."
    )
    reason: str | None = strawberry.field(default=None, description="Why they are needed, at most 2,000 characters.")


@strawberry.input(description="Which applications. What is left out does not restrict.")
class PermissionRequestFilter:
    status: list[PermissionRequestStatus] | None = strawberry.field(default=None, description="In one of these.")
    kinds: list[str] | None = strawberry.field(default=None, description="For one of these permissions.")
    subject: str | None = strawberry.field(default=None, description="Of the person with this subject.")
    is_decidable: bool = strawberry.field(
        default=False, description="Only those on whose permissions the viewer decides, without their own."
    )


@strawberry.type(description="A page of applications.")
class PermissionRequestConnection(Connection[PermissionRequest]):
    query: strawberry.Private[PermissionRequestQuery]

    @strawberry.field(description="How many applications the filter has in all; costs a count.")
    async def total_count(self, info: Info) -> int:
        return await requests.count_permission_requests(info.context.services, info.context.actor, self.query)

    @classmethod
    def of(
        cls, page: Page[domain.PermissionRequest], query: PermissionRequestQuery, after: str | None
    ) -> "PermissionRequestConnection":
        """The connection for a page of applications."""
        return cls(query=query, **numbered_page("permission request", page, PermissionRequest.of, after))


def permission_request_query(
    chosen: PermissionRequestFilter | None, is_descending: bool, first: int, after: str | None
) -> PermissionRequestQuery:
    """The domain's query for a filter as sent."""
    chosen = chosen or PermissionRequestFilter()
    return PermissionRequestQuery(
        statuses=frozenset(chosen.status or ()),
        kinds=checked_names("filter.kinds", chosen.kinds),
        subject=checked_text("filter.subject", chosen.subject),
        is_decidable=chosen.is_decidable,
        is_descending=is_descending,
        after=numbered_place("permission request", after),
        first=checked_first(first),
    )
