"""Watching what the viewer has and has applied for."""

from collections.abc import AsyncGenerator

import strawberry

from gql.context import Info
from gql.types.viewer import Viewer
from resolvers.live_permission_request import watch_viewer


@strawberry.type
class ViewerSubscription:
    @strawberry.subscription(
        description=(
            "The viewer: first as they are, then again whenever a permission of theirs or an application for one has changed. "
            "Where a permission was lost the connection is closed instead: subscribe again."
        )
    )
    async def viewer(self, info: Info) -> AsyncGenerator[Viewer, None]:
        async for person in watch_viewer(info.context.services, info.context.actor):
            yield Viewer.of(person)
