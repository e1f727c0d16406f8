"""Events: the history of runs of load tests."""

from datetime import datetime

import strawberry

from domain import load_test_run as domain
from domain.query import Page
from gql.types.connection import Connection, encode_cursor, page_parts
from gql.types.enums import RunStatus


@strawberry.type(
    description=(
        "Something that happened to a run: it came to another status, was warned of its deadline, its server fell silent or "
        "was heard of again, or its windows were removed. Events are never changed or removed."
    )
)
class LoadTestRunEvent:
    version: int = strawberry.field(description="The run's version that the event made; each event makes the next one.")
    from_status: RunStatus | None = strawberry.field(description="Where the run stood before; null: it was asked for.")
    to_status: RunStatus = strawberry.field(description="Where it then stood; the same where only something was told.")
    actor: str = strawberry.field(description="Who or what caused it: a person's subject, `runner` or `housekeeping`.")
    recorded_at: datetime = strawberry.field(description="When it was recorded, by the database's clock.")
    message: str = strawberry.field(description="Why, for people; often empty.")


@strawberry.type(description="A page of a run's events, oldest first.")
class LoadTestRunEventConnection(Connection[LoadTestRunEvent]):
    @classmethod
    def of(cls, page: Page[domain.RunEvent], after: str | None) -> "LoadTestRunEventConnection":
        """The connection for a page of events."""
        nodes = [
            LoadTestRunEvent(
                version=each.version,
                from_status=each.before,
                to_status=each.status,
                actor=each.actor,
                recorded_at=each.recorded_at,
                message=each.message,
            )
            for each in page.items
        ]
        cursors = [encode_cursor("run event", each.version) for each in page.items]
        return cls(**page_parts(nodes, cursors, has_more=page.has_more, after=after))
