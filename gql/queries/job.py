"""Reading jobs, across kits, and what belongs to them."""

from datetime import datetime
from typing import Annotated

import strawberry

from domain.query import JobQuery, Page
from gql import ids
from gql.context import Info
from gql.types.connection import checked_first
from gql.types.deck_request import DeckRequest
from gql.types.enums import JobOrder, JobType, Status
from gql.types.job import Job, JobConnection, decode_job_cursor
from gql.types.step_template import StepTemplate
from resolvers import job as jobs


@strawberry.input(
    description="Which jobs. What is left out does not restrict; those of archived kits are left out unless asked for."
)
class JobFilter:
    type: list[JobType] | None = strawberry.field(default=None, description="Of one of these types.")
    status: list[Status] | None = strawberry.field(default=None, description="In one of these states.")
    kit_id: strawberry.ID | None = strawberry.field(default=None, description="Of this kit; none where it does not exist.")
    updated_from: datetime | None = strawberry.field(default=None, description="Whose last event was at this time or later.")
    updated_to: datetime | None = strawberry.field(default=None, description="Whose last event was before this time.")
    is_archived: bool | None = strawberry.field(default=False, description="Of archived kits or of others; null for both.")


@strawberry.type
class JobQueries:
    @strawberry.field(description="The job of that id; null where it does not exist.")
    async def job(self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The job's id.")]) -> Job | None:
        uuid = ids.found(ids.job_uuid, id)
        job = None if uuid is None else await info.context.loaders.job_by_id.load(uuid)
        return None if job is None else Job.of(job)

    @strawberry.field(description="Jobs across kits, those of the newest kit first unless ordered otherwise.")
    async def jobs(
        self,
        info: Info,
        filter: Annotated[JobFilter | None, strawberry.argument(description="Which jobs.")] = None,
        order_by: Annotated[JobOrder, strawberry.argument(description="What they are sorted by.")] = JobOrder.KIT_NUMBER,
        descending: Annotated[bool, strawberry.argument(description="Greatest first.")] = True,
        first: Annotated[int, strawberry.argument(description="How many at most, 1 to 100.")] = 50,
        after: Annotated[str | None, strawberry.argument(description="Go on after this cursor.")] = None,
    ) -> JobConnection:
        chosen = filter or JobFilter()
        kit_id = None if chosen.kit_id is None else ids.found(ids.kit_number, chosen.kit_id)
        query = JobQuery(
            types=frozenset(chosen.type or ()),
            statuses=frozenset(chosen.status or ()),
            kit_id=kit_id,
            updated_from=chosen.updated_from,
            updated_to=chosen.updated_to,
            is_archived=chosen.is_archived,
            order=order_by,
            is_descending=descending,
            after=decode_job_cursor(order_by, after),
            first=checked_first(first),
        )
        if chosen.kit_id is not None and kit_id is None:
            return JobConnection.of(Page((), has_more=False), order_by, after)
        page = await jobs.list_jobs(info.context.services, info.context.actor, query)
        return JobConnection.of(page, order_by, after)

    @strawberry.field(description="The request to collect decks of that number.")
    async def deck_request(
        self, info: Info, request_id: Annotated[int, strawberry.argument(description="The integer that people quote.")]
    ) -> DeckRequest | None:
        request = await info.context.loaders.deck_request_by_id.load(request_id)
        job = None if request is None else await info.context.loaders.job_by_id.load(request.job_id)
        return None if request is None or job is None else DeckRequest.of(request, job)

    @strawberry.field(description="The step templates that kits can choose.")
    def step_templates(self, info: Info) -> list[StepTemplate]:
        return [StepTemplate.of(template) for template in info.context.services.steps.templates.values()]
