"""Requests to collect decks."""

from datetime import datetime

import strawberry
from strawberry.scalars import JSON

from domain import deck_request as domain
from domain.job import Job
from gql import ids
from gql.types.enums import Status
from gql.types.node import Node


@strawberry.type(description="A collection of decks as it was asked for.")
class DeckRequest(Node):
    request_id: int = strawberry.field(description="The integer that people quote.")
    job_id: strawberry.ID = strawberry.field(description="The id of the job that carries it out.")
    status: Status = strawberry.field(description="The status of that job.")
    deck: JSON = strawberry.field(description="The source and options as sent.")
    created_at: datetime = strawberry.field(description="When it was recorded.")

    @classmethod
    def of(cls, request: domain.DeckRequest, job: Job) -> "DeckRequest":
        """The type for a request of the domain and the job that carries it out."""
        return cls(
            id=strawberry.ID(ids.encode("DeckRequest", request.id)),
            request_id=request.id,
            job_id=strawberry.ID(ids.encode("Job", request.job_id)),
            status=job.status,
            deck=JSON(request.deck),
            created_at=request.created_at,
        )
