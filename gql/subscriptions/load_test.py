"""Watching lists of load tests live."""

from collections.abc import AsyncGenerator
from typing import Annotated

import strawberry

from domain import load_test as domain
from gql.context import Info
from gql.types.enums import NamedOrder
from gql.types.frame import ListFrame, StateFrame, list_parts, state_parts
from gql.types.load_test import LoadTest, LoadTestFilter, load_test_query
from resolvers import live_list
from resolvers.live_load_test import watch_load_tests


@strawberry.type(
    description=(
        "A load test's state. A frame comes with each new version of it, and when its last run, its target or its project has "
        "changed. Versions never fall from frame to frame."
    )
)
class LoadTestStateFrame(StateFrame):
    load_test: LoadTest = strawberry.field(description="The load test at `toVersion`.")

    @classmethod
    def of(cls, frame: live_list.StateFrame[domain.LoadTest]) -> "LoadTestStateFrame":
        """The type for a frame of the use case."""
        return cls(load_test=LoadTest.of(frame.body), **state_parts(frame))


@strawberry.type(description="The first page of a list of load tests, as it now is.")
class LoadTestListFrame(ListFrame):
    changed: list[LoadTestStateFrame] = strawberry.field(
        description="The load tests that are new on the page or have changed since the last frame."
    )

    @classmethod
    def of(cls, frame: live_list.ListFrame[domain.LoadTest]) -> "LoadTestListFrame":
        """The type for a frame of the use case."""
        return cls(**list_parts("LoadTest", frame, [LoadTestStateFrame.of(each) for each in frame.changed]))


@strawberry.type
class LoadTestSubscription:
    @strawberry.subscription(description="The first page of a list of load tests: first as it is, then whenever it has changed.")
    async def load_tests(
        self,
        info: Info,
        filter: Annotated[LoadTestFilter | None, strawberry.argument(description="Which load tests.")] = None,
        order_by: Annotated[NamedOrder, strawberry.argument(description="What they are sorted by.")] = NamedOrder.NUMBER,
        descending: Annotated[bool, strawberry.argument(description="Greatest first.")] = True,
        first: Annotated[int, strawberry.argument(description="How many at most, 1 to 100.")] = 50,
    ) -> AsyncGenerator[LoadTestListFrame, None]:
        query = load_test_query(filter, order_by, descending, first)
        async for frame in watch_load_tests(info.context.live.load_tests, info.context.actor, query):
            yield LoadTestListFrame.of(frame)
