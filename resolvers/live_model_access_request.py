"""Watching applications for access to models: the viewer's own, and those that wait for a decision of the viewer."""

from collections.abc import AsyncIterator, Mapping, Sequence

from domain.actor import Actor
from domain.live import Topic
from domain.model_access_request import ModelAccessRequest, ModelAccessStatus
from domain.query import ModelAccessQuery
from domain.storage import UnitOfWork
from domain.visibility import ModelReach
from resolvers.authorisation import reach_of
from resolvers.live_list import ListFrame, LiveList, Versions, watch_list


class LiveModelAccessRequests(LiveList[ModelAccessQuery, ModelReach, ModelAccessRequest]):
    """The watchers of lists of applications for access to models."""

    topic = Topic.MODEL_ACCESS

    async def read_versions(self, work: UnitOfWork, query: ModelAccessQuery, scope: ModelReach) -> Mapping[int, Versions]:
        """See `LiveList.read_versions`."""
        found = await work.model_access.versions_on_page(query, scope)
        return {number: (version,) for number, version in found.items()}

    async def read_bodies(self, work: UnitOfWork, ids: Sequence[int], scope: ModelReach) -> Mapping[int, ModelAccessRequest]:
        """See `LiveList.read_bodies`."""
        return await work.model_access.get_many(ids, scope)


def watch_access_inbox(live: LiveModelAccessRequests, actor: Actor, first: int) -> AsyncIterator[ListFrame[ModelAccessRequest]]:
    """The applications that the viewer may decide on, the oldest first: now, then whenever that has changed."""
    pending = frozenset({ModelAccessStatus.PENDING})
    query = ModelAccessQuery(statuses=pending, is_decidable=True, is_descending=False, first=first)
    return watch_access_requests(live, actor, query)


def watch_access_requests(
    live: LiveModelAccessRequests, actor: Actor, query: ModelAccessQuery
) -> AsyncIterator[ListFrame[ModelAccessRequest]]:
    """The first page of the applications that exist for the viewer: now, then whenever it has changed."""
    return watch_list(live, query, reach_of(actor))
