"""Watching applications for permissions: the approver's inbox."""

from collections.abc import AsyncGenerator

import strawberry

from domain import permission_request as domain
from gql.context import Info
from gql.types.connection import First, checked_first
from gql.types.frame import ListFrame, StateFrame, list_parts, state_parts
from gql.types.permission_request import PermissionRequest
from resolvers import live_list
from resolvers.live_permission_request import watch_inbox


@strawberry.type(description="An application's state. Versions only rise from frame to frame.")
class PermissionRequestStateFrame(StateFrame):
    permission_request: PermissionRequest = strawberry.field(description="The application at `toVersion`.")

    @classmethod
    def of(cls, frame: live_list.StateFrame[domain.PermissionRequest]) -> "PermissionRequestStateFrame":
        """The type for a frame of the use case."""
        return cls(permission_request=PermissionRequest.of(frame.body), **state_parts(frame))


@strawberry.type(description="The applications that wait for the viewer's decision, as they now are, the oldest first.")
class PermissionInboxFrame(ListFrame):
    changed: list[PermissionRequestStateFrame] = strawberry.field(
        description="The applications that are new on the page or have changed since the last frame."
    )

    @classmethod
    def of(cls, frame: live_list.ListFrame[domain.PermissionRequest]) -> "PermissionInboxFrame":
        """The type for a frame of the use case."""
        changed = [PermissionRequestStateFrame.of(each) for each in frame.changed]
        return cls(**list_parts("PermissionRequest", frame, changed))


@strawberry.type
class PermissionRequestSubscription:
    @strawberry.subscription(
        description=(
            "The applications that wait for a decision which the viewer may make: first as they are, then whenever that has "
            "changed. Always empty for who decides on nothing."
        )
    )
    async def permission_inbox(self, info: Info, first: First = 50) -> AsyncGenerator[PermissionInboxFrame, None]:
        context = info.context
        frames = watch_inbox(context.services, context.live.permission_requests, context.actor, checked_first(first))
        async for frame in frames:
            yield PermissionInboxFrame.of(frame)
