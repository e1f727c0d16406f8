"""Applications for access to set-up models, and what the viewer may do with them."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry

from domain import model_access_request as domain
from domain.query import ModelAccessQuery, Page
from gql import ids
from gql.context import Info
from gql.sharing import Volatile
from gql.types.any_value import AnyValue
from gql.types.capability import Capability
from gql.types.connection import Connection, checked_first, checked_text, numbered_page, numbered_place
from gql.types.enums import ModelAccessStatus
from gql.types.node import Node
from resolvers import model_access_request as requests

if TYPE_CHECKING:
    from gql.types.set_up_model import SetUpModel


@strawberry.type(description="A person's application for access to a set-up model, and the access that it gave.")
class ModelAccessRequest(Node):
    number: int = strawberry.field(description="The short number that people quote.")
    model_id: strawberry.ID = strawberry.field(description="The id of the set-up model.")
    subject: str = strawberry.field(description="The issuer's name for the applicant.")
    name: str = strawberry.field(description="The applicant's name, as it was then.")
    purpose: str = strawberry.field(description="What they need it for.")
    until: datetime = strawberry.field(description="Until when; once approved or renewed, when the access ends.")
    status: ModelAccessStatus = strawberry.field(description="Where it stands, and whether the access that it gave is open.")
    created_at: datetime = strawberry.field(description="When it was sent.")
    updated_at: datetime = strawberry.field(description="When it was last changed.")
    decided_by: str | None = strawberry.field(description="The subject of the person who decided last.")
    decider_name: str | None = strawberry.field(description="That person's name, as it was then.")
    decision_reason: str | None = strawberry.field(description="Why; may be empty where it was withdrawn.")
    version: int = strawberry.field(description="Grows by one with each change.")
    request: strawberry.Private[domain.ModelAccessRequest]

    @strawberry.field(description="The set-up model.")
    async def model(self, info: Info) -> Annotated["SetUpModel", strawberry.lazy("gql.types.set_up_model")] | None:
        model = await info.context.loaders.of_models.by_id.load(self.request.model_id)
        return None if model is None else info.context.present_model(model)

    @strawberry.field(description="Whether the viewer may approve or reject it.", directives=[Volatile()])
    async def viewer_can_decide(self, info: Info) -> Capability:
        model = await info.context.loaders.of_models.by_id.load(self.request.model_id)
        assert model is not None
        return Capability.of(requests.why_not_decide(info.context.actor, self.request, model))

    @strawberry.field(description="Whether the viewer may withdraw it.", directives=[Volatile()])
    def viewer_can_withdraw(self, info: Info) -> Capability:
        return Capability.of(requests.why_not_withdraw(info.context.actor, self.request))

    @strawberry.field(description="Whether the viewer may give the access that it gave another end.", directives=[Volatile()])
    async def viewer_can_renew(self, info: Info) -> Capability:
        model = await info.context.loaders.of_models.by_id.load(self.request.model_id)
        assert model is not None
        return Capability.of(requests.why_not_renew(info.context.actor, self.request, model))

    @strawberry.field(
        description="Whether the viewer may take away the access that it gave, or give it back.", directives=[Volatile()]
    )
    async def viewer_can_revoke(self, info: Info) -> Capability:
        model = await info.context.loaders.of_models.by_id.load(self.request.model_id)
        assert model is not None
        return Capability.of(requests.why_not_revoke(info.context.actor, self.request, model))

    @classmethod
    def of(cls, request: domain.ModelAccessRequest) -> "ModelAccessRequest":
        """The type for a request of the domain."""
        return cls(
            id=strawberry.ID(ids.encode("ModelAccessRequest", request.id)),
            number=request.id,
            model_id=strawberry.ID(ids.encode("SetUpModel", request.model_id)),
            subject=request.subject,
            name=request.name,
            purpose=request.purpose,
            until=request.until,
            status=request.status,
            created_at=request.created_at,
            updated_at=request.updated_at,
            decided_by=request.decided_by,
            decider_name=request.decider_name,
            decision_reason=request.decision_reason,
            version=request.version,
            request=request,
        )


@strawberry.input(
    description="An application. It can be sent without any of these, to be told what is missing; nothing is stored then."
)
class ModelAccessRequestInput:
    model_id: strawberry.ID | None = strawberry.field(default=None, description="The id of the set-up model.")
    purpose: str | None = strawberry.field(default=None, description="What it is needed for, at most 2,000 characters.")
    until: AnyValue | None = strawberry.field(
        default=None, description="Until when it is needed, as text: a `DateTime` of the future."
    )


@strawberry.input(description="Which applications. What is left out does not restrict.")
class ModelAccessRequestFilter:
    status: list[ModelAccessStatus] | None = strawberry.field(default=None, description="In one of these.")
    model_id: strawberry.ID | None = strawberry.field(default=None, description="For this set-up model.")
    subject: str | None = strawberry.field(default=None, description="Of the person with this subject.")
    is_decidable: bool = strawberry.field(
        default=False, description="Only those for models on which the viewer decides, without their own."
    )


@strawberry.type(description="A page of applications for access to models.")
class ModelAccessRequestConnection(Connection[ModelAccessRequest]):
    query: strawberry.Private[ModelAccessQuery]

    @strawberry.field(description="How many applications the filter has in all; costs a count.")
    async def total_count(self, info: Info) -> int:
        return await requests.count_access_requests(info.context.services, info.context.actor, self.query)

    @classmethod
    def of(
        cls, page: Page[domain.ModelAccessRequest], query: ModelAccessQuery, after: str | None
    ) -> "ModelAccessRequestConnection":
        """The connection for a page of applications."""
        return cls(query=query, **numbered_page("model access request", page, ModelAccessRequest.of, after))


def model_access_query(
    chosen: ModelAccessRequestFilter | None, is_descending: bool, first: int, after: str | None
) -> ModelAccessQuery:
    """The domain's query for a filter as sent; an id that leads nowhere finds nothing."""
    chosen = chosen or ModelAccessRequestFilter()
    return ModelAccessQuery(
        statuses=frozenset(chosen.status or ()),
        model_id=None if chosen.model_id is None else ids.found(ids.set_up_model_number, chosen.model_id) or 0,
        subject=checked_text("filter.subject", chosen.subject),
        is_decidable=chosen.is_decidable,
        is_descending=is_descending,
        after=numbered_place("model access request", after),
        first=checked_first(first),
    )
