"""Attempts: each try of a job."""

from datetime import datetime

import strawberry

from domain import attempt as domain
from gql import ids
from gql.types.connection import Connection
from gql.types.enums import Cause, Status
from gql.types.node import Node


@strawberry.type(description="One try of a job. A retry is a new attempt; the old ones stay on record.")
class Attempt(Node):
    number: int = strawberry.field(description="The attempt's number within its job, from 1.")
    status: Status = strawberry.field(description="Where it stands, or how it ended.")
    version: int = strawberry.field(description="The kit's version at the attempt's last change.")
    created_at: datetime = strawberry.field(description="When it was recorded.")
    started_at: datetime | None = strawberry.field(description="When its program began to run.")
    ended_at: datetime | None = strawberry.field(description="When it ended.")
    cause: Cause | None = strawberry.field(description="Why it did not succeed; null while it runs and where it did.")
    message: str | None = strawberry.field(description="What its program or runner said of its end, in a sentence.")
    exit_code: int | None = strawberry.field(description="The exit code of its program; null where it was killed or lost.")

    @classmethod
    def of(cls, attempt: domain.Attempt) -> "Attempt":
        """The type for an attempt of the domain."""
        return cls(
            id=strawberry.ID(ids.encode("Attempt", attempt.job_id, attempt.number)),
            number=attempt.number,
            status=attempt.status,
            version=attempt.version,
            created_at=attempt.created_at,
            started_at=attempt.started_at,
            ended_at=attempt.ended_at,
            cause=attempt.cause,
            message=attempt.message or None,
            exit_code=attempt.exit_code,
        )


@strawberry.type(description="A page of a job's attempts, oldest first.")
class AttemptConnection(Connection[Attempt]):
    pass
