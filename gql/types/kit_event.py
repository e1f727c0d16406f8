"""Events: the history of kits."""

from datetime import datetime

import strawberry
from strawberry.scalars import JSON

from domain import event as domain
from domain.query import Page
from gql import ids
from gql.types.connection import Connection, encode_cursor, page_parts
from gql.types.enums import EventKind, JobType, Status
from gql.types.node import Node


@strawberry.type(description="One change of a kit, job or task. Events are never changed or removed.")
class KitEvent(Node):
    version: int = strawberry.field(description="The kit's version that the event made; each event makes the next one.")
    kind: EventKind = strawberry.field(description="What the event says.")
    actor: str = strawberry.field(description="Who or what caused it: a person's subject, `worker` or `runner`.")
    recorded_at: datetime = strawberry.field(description="When it was recorded, by the database's clock.")
    reported_at: datetime | None = strawberry.field(description="The worker's clock when it reported it.")
    job_id: strawberry.ID | None = strawberry.field(description="The job it is about; null for the kit's own events.")
    job_type: JobType | None = strawberry.field(description="That job's type.")
    attempt: int | None = strawberry.field(description="That job's attempt.")
    task: str | None = strawberry.field(description="The task it is about; null for events of a job or kit.")
    order: int | None = strawberry.field(description="The place of the job in the kit, or of the task in the job.")
    status: Status | None = strawberry.field(description="The new status, in a `STATUS` event.")
    percent: float | None = strawberry.field(description="The task's progress from 0 to 100, where it was reported.")
    sequence: int | None = strawberry.field(description="The number of the worker's report that caused it.")
    metadata: JSON = strawberry.field(description="The trial, point, note or cause.")

    @classmethod
    def of(cls, event: domain.Event) -> "KitEvent":
        """The type for an event of the domain."""
        return cls(
            id=strawberry.ID(ids.encode("KitEvent", event.kit_id, event.version)),
            version=event.version,
            kind=event.kind,
            actor=event.actor,
            recorded_at=event.recorded_at,
            reported_at=event.reported_at,
            job_id=strawberry.ID(ids.encode("Job", event.job_id)) if event.job_id else None,
            job_type=event.job_type,
            attempt=event.attempt,
            task=event.task,
            order=event.order,
            status=event.status,
            percent=None if event.progress is None else round(event.progress * 100, 2),
            sequence=event.sequence,
            metadata=JSON(event.metadata),
        )


@strawberry.type(description="A page of a kit's events, oldest first.")
class KitEventConnection(Connection[KitEvent]):
    @classmethod
    def of(cls, page: Page[domain.Event], after: str | None) -> "KitEventConnection":
        """The connection for a page of events."""
        cursors = [encode_cursor("event", event.version) for event in page.items]
        nodes = [KitEvent.of(event) for event in page.items]
        return cls(**page_parts(nodes, cursors, has_more=page.has_more, after=after))
