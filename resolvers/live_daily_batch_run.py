"""Watching runs of the daily batch: their list, and one of them as it goes on."""

from collections.abc import AsyncIterator, Mapping, Sequence

from domain.actor import Actor
from domain.batch_query import DailyBatchRunQuery
from domain.daily_batch_run import DailyBatchRun
from domain.live import Topic
from domain.storage import UnitOfWork
from domain.visibility import Visibility
from resolvers.authorisation import visibility_of
from resolvers.daily_batch_run import find_daily_batch_runs
from resolvers.live_list import ListFrame, LiveList, StateFrame, Versions, watch_list
from resolvers.live_thing import watch_thing
from resolvers.services import Services


class LiveDailyBatchRuns(LiveList[DailyBatchRunQuery, Visibility, DailyBatchRun]):
    """The watchers of lists of runs; the scope is what exists for them."""

    topic = Topic.DAILY_BATCH_RUN

    async def read_versions(self, work: UnitOfWork, query: DailyBatchRunQuery, scope: Visibility) -> Mapping[int, Versions]:
        """See `LiveList.read_versions`."""
        found = await work.daily_batch_runs.versions_on_page(query, scope)
        return {number: (version,) for number, version in found.items()}

    async def read_bodies(self, work: UnitOfWork, ids: Sequence[int], scope: Visibility) -> Mapping[int, DailyBatchRun]:
        """See `LiveList.read_bodies`."""
        return await work.daily_batch_runs.get_many(ids, scope)


def watch_daily_batch_runs(
    live: LiveDailyBatchRuns, actor: Actor, query: DailyBatchRunQuery
) -> AsyncIterator[ListFrame[DailyBatchRun]]:
    """The first page of the runs that exist for the person now, then whenever one on it, or the page itself, has changed."""
    return watch_list(live, query, visibility_of(actor))


def watch_daily_batch_run(services: Services, actor: Actor, number: int) -> AsyncIterator[StateFrame[DailyBatchRun]]:
    """The run now, then whenever it has changed; what came in between is merged into one frame."""

    async def read() -> DailyBatchRun | None:
        return (await find_daily_batch_runs(services, actor, [number])).get(number)

    return watch_thing(services, Topic.DAILY_BATCH_RUN, "daily batch run", number, read)
