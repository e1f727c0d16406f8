"""Watching applications for access to models: one's own, and the inbox of those who decide."""

from collections.abc import AsyncGenerator
from typing import Annotated, Self

import strawberry

from domain import model_access_request as domain
from gql.context import Info
from gql.types.connection import First, NewestFirst, checked_first
from gql.types.frame import ListFrame, StateFrame, list_parts, state_parts
from gql.types.model_access_request import ModelAccessRequest, ModelAccessRequestFilter, model_access_query
from resolvers import live_list
from resolvers.live_model_access_request import watch_access_inbox, watch_access_requests


@strawberry.type(description="The state of an application for access to a model. Versions only rise from frame to frame.")
class ModelAccessRequestStateFrame(StateFrame):
    model_access_request: ModelAccessRequest = strawberry.field(description="The application at `toVersion`.")

    @classmethod
    def of(cls, frame: live_list.StateFrame[domain.ModelAccessRequest]) -> "ModelAccessRequestStateFrame":
        """The type for a frame of the use case."""
        return cls(model_access_request=ModelAccessRequest.of(frame.body), **state_parts(frame))


@strawberry.type(description="The first page of applications for access to models, as it now is.")
class ModelAccessRequestListFrame(ListFrame):
    changed: list[ModelAccessRequestStateFrame] = strawberry.field(
        description="The applications that are new on the page or have changed since the last frame."
    )

    @classmethod
    def of(cls, frame: live_list.ListFrame[domain.ModelAccessRequest]) -> Self:
        """The type for a frame of the use case."""
        changed = [ModelAccessRequestStateFrame.of(each) for each in frame.changed]
        return cls(**list_parts("ModelAccessRequest", frame, changed))


@strawberry.type(description="The applications that wait for the viewer's decision, as they now are, the oldest first.")
class ModelAccessInboxFrame(ModelAccessRequestListFrame):
    pass


@strawberry.type
class ModelAccessRequestSubscription:
    @strawberry.subscription(
        description=(
            "The first page of the viewer's own applications for access to models, and of all on which the viewer decides: first "
            "as it is, then whenever it has changed."
        )
    )
    async def model_access_requests(
        self,
        info: Info,
        filter: Annotated[ModelAccessRequestFilter | None, strawberry.argument(description="Which applications.")] = None,
        descending: NewestFirst = True,
        first: First = 50,
    ) -> AsyncGenerator[ModelAccessRequestListFrame, None]:
        query = model_access_query(filter, descending, first, None)
        async for frame in watch_access_requests(info.context.live.model_access_requests, info.context.actor, query):
            yield ModelAccessRequestListFrame.of(frame)

    @strawberry.subscription(
        description=(
            "The applications for access to models that wait for a decision which the viewer may make, as a model's owner or a "
            "set-up user: first as they are, then whenever that has changed."
        )
    )
    async def model_access_inbox(self, info: Info, first: First = 50) -> AsyncGenerator[ModelAccessInboxFrame, None]:
        context = info.context
        async for frame in watch_access_inbox(context.live.model_access_requests, context.actor, checked_first(first)):
            yield ModelAccessInboxFrame.of(frame)
