"""Tasks, the third depth of the state."""

from datetime import datetime

import strawberry
from strawberry.scalars import JSON

from domain import task as domain
from gql import ids
from gql.types.enums import Status
from gql.types.node import Node


@strawberry.type(description="A detail of a job.")
class Task(Node):
    name: str = strawberry.field(description="The task's name, single within its job.")
    order: int = strawberry.field(description="Its place within the job, from 1.")
    status: Status = strawberry.field(description="Where it stands in the job's latest attempt.")
    percent: float = strawberry.field(description="How far it is, from 0 to 100.")
    version: int = strawberry.field(description="The kit's version at the task's last event.")
    status_version: int = strawberry.field(description="The kit's version at the task's last change of status.")
    created_at: datetime = strawberry.field(description="When it was recorded.")
    updated_at: datetime = strawberry.field(description="When its last event was recorded.")
    started_at: datetime | None = strawberry.field(description="When it began in the latest attempt; null where it never ran.")
    ended_at: datetime | None = strawberry.field(description="When it ended in the latest attempt.")
    metadata: JSON = strawberry.field(description="What the worker has told about it.")

    @classmethod
    def of(cls, task: domain.Task) -> "Task":
        """The type for a task of the domain."""
        return cls(
            id=strawberry.ID(ids.encode("Task", task.job_id, task.order)),
            name=task.name,
            order=task.order,
            status=task.status,
            percent=round(task.progress * 100, 2),
            version=task.version,
            status_version=task.status_version,
            created_at=task.created_at,
            updated_at=task.updated_at,
            started_at=task.started_at,
            ended_at=task.ended_at,
            metadata=JSON(task.metadata),
        )
