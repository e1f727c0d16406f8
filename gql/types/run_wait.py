"""Why runs of load tests wait."""

from typing import TYPE_CHECKING, Annotated

import strawberry

from gql.types.enums import WaitReason

if TYPE_CHECKING:
    from gql.types.load_test_run import LoadTestRun


@strawberry.type(description="What a run waits for.")
class RunWait:
    """See `domain.run_queue`."""

    reason: WaitReason = strawberry.field(description="What keeps it from beginning.")
    behind: list[Annotated["LoadTestRun", strawberry.lazy("gql.types.load_test_run")]] = strawberry.field(
        description="The runs under way that are in its way, by number: those at its target, else all; none for `SERVER`."
    )
