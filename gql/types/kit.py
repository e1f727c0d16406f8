"""Kits, the first depth of the state."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

import strawberry
from strawberry.scalars import JSON

from domain import commands
from domain import kit as domain
from domain.change import Change
from domain.query import EventQuery, KitOrder, KitQuery, Page
from gql import ids
from gql.context import Info
from gql.sharing import Volatile
from gql.types.capability import Capability
from gql.types.connection import (
    Connection,
    checked_attempt,
    checked_first,
    checked_text,
    checked_version,
    decode_cursor,
    encode_cursor,
    page_parts,
)
from gql.types.enums import EventKind, JobType, ProductLine, Status
from gql.types.job import Job
from gql.types.kit_event import KitEventConnection
from gql.types.node import Node
from resolvers import kit as kits


@strawberry.input(description="Which events. What is left out does not restrict.")
class KitEventFilter:
    kinds: list[EventKind] | None = strawberry.field(default=None, description="One of these kinds.")
    job_type: JobType | None = strawberry.field(default=None, description="Of the job of this type.")
    task: str | None = strawberry.field(default=None, description="Of the task of this name.")
    attempt: int | None = strawberry.field(default=None, description="Of attempts of this number.")


@strawberry.type(description="A machine-learning pipeline of a design team: four jobs that run one after the other.")
class Kit(Node):
    number: int = strawberry.field(description="The short number that people quote.")
    name: str = strawberry.field(description="Its name; not necessarily single.")
    owner: str = strawberry.field(description="The subject of the person who created it.")
    product_line: ProductLine = strawberry.field(description="The product line it belongs to.")
    status: Status = strawberry.field(description="Where it stands; derived from its jobs.")
    percent: float = strawberry.field(description="The mean progress of its jobs, each weighing the same, from 0 to 100.")
    is_started: bool = strawberry.field(description="Whether its jobs follow one another by themselves.")
    version: int = strawberry.field(description="Grows by one with each event of the kit, its jobs and tasks.")
    status_version: int = strawberry.field(description="The version at the last change of the kit's own status.")
    created_at: datetime = strawberry.field(description="When it was created.")
    updated_at: datetime = strawberry.field(description="When its last event was recorded.")
    status_changed_at: datetime = strawberry.field(description="When its status last changed.")
    started_at: datetime | None = strawberry.field(description="When its first job began to run.")
    ended_at: datetime | None = strawberry.field(description="When it ended; null while any job of it is queued or running.")
    archived_at: datetime | None = strawberry.field(description="When it was taken out of the lists.")
    definition: JSON = strawberry.field(description="What its jobs are to do, with all defaults filled in.")
    metadata: JSON = strawberry.field(description="What its creator has attached to it.")
    jobs: list[Job] = strawberry.field(description="Its four jobs, in order.")
    current_job: Job = strawberry.field(description="The job it stands at: the first that has not succeeded, else the last.")
    is_past: strawberry.Private[bool]
    kit: strawberry.Private[domain.Kit]

    @strawberry.field(description="Whether the viewer may run its remaining jobs.", directives=[Volatile()])
    def viewer_can_start(self, info: Info) -> Capability:
        return self._capability(info, commands.start_kit)

    @strawberry.field(description="Whether the viewer may end what of it has not ended.", directives=[Volatile()])
    def viewer_can_cancel(self, info: Info) -> Capability:
        return self._capability(info, commands.cancel_kit)

    @strawberry.field(description="Whether the viewer may take it out of the lists.", directives=[Volatile()])
    def viewer_can_archive(self, info: Info) -> Capability:
        return self._capability(info, commands.archive_kit)

    def _capability(self, info: Info, command: Callable[[Change], None]) -> Capability:
        return Capability.of_the_past() if self.is_past else Capability.of(kits.why_not(info.context.actor, self.kit, command))

    @strawberry.field(description="Its history, oldest event first; of a past kit up to its version then.")
    async def events(
        self,
        info: Info,
        first: Annotated[int, strawberry.argument(description="How many at most, 1 to 100.")] = 50,
        after: Annotated[str | None, strawberry.argument(description="Go on after this cursor.")] = None,
        after_version: Annotated[
            int | None, strawberry.argument(description="Go on after this version, as a merged frame of `kitState` names it.")
        ] = None,
        filter: Annotated[KitEventFilter | None, strawberry.argument(description="Which events.")] = None,
    ) -> KitEventConnection:
        place = decode_cursor("event", after, int) or (checked_version(after_version),)
        chosen = filter or KitEventFilter()
        query = EventQuery(
            kit_id=self.number,
            after=place[0],
            until=self.version if self.is_past else None,
            kinds=frozenset(chosen.kinds or ()),
            job_type=chosen.job_type,
            task=checked_text("filter.task", chosen.task),
            attempt=checked_attempt(chosen.attempt),
            first=checked_first(first),
        )
        return KitEventConnection.of(await info.context.loaders.events.load(query), after)

    @classmethod
    def of(cls, kit: domain.Kit, *, is_past: bool = False) -> "Kit":
        """The type for a kit of the domain; of a past one everything below it but logs is shown as it was."""
        jobs = [Job.of(job, kit if is_past else None) for job in kit.jobs]
        return cls(
            id=strawberry.ID(ids.encode("Kit", kit.id)),
            number=kit.id,
            name=kit.name,
            owner=kit.owner,
            product_line=kit.product_line,
            status=kit.status,
            percent=round(kit.progress * 100, 2),
            is_started=kit.is_started,
            version=kit.version,
            status_version=kit.status_version,
            created_at=kit.created_at,
            updated_at=kit.updated_at,
            status_changed_at=kit.status_changed_at,
            started_at=kit.started_at,
            ended_at=kit.ended_at,
            archived_at=kit.archived_at,
            definition=JSON(kit.definition),
            metadata=JSON(kit.metadata),
            jobs=jobs,
            current_job=jobs[kit.current_job.order - 1],
            is_past=is_past,
            kit=kit,
        )


@strawberry.input(description="Which kits. What is left out does not restrict; archived kits are left out unless asked for.")
class KitFilter:
    status: list[Status] | None = strawberry.field(default=None, description="In one of these states.")
    name_prefix: str | None = strawberry.field(default=None, description="Whose name begins so, letter by letter.")
    owner: str | None = strawberry.field(default=None, description="Created by the person with this subject.")
    product_line: ProductLine | None = strawberry.field(default=None, description="Of this product line.")
    created_from: datetime | None = strawberry.field(default=None, description="Created at this time or later.")
    created_to: datetime | None = strawberry.field(default=None, description="Created before this time.")
    is_archived: bool | None = strawberry.field(default=False, description="Archived or not; null for both.")


@strawberry.type(description="A page of kits.")
class KitConnection(Connection[Kit]):
    query: strawberry.Private[KitQuery]

    @strawberry.field(description="How many kits the filter has in all; costs a count.")
    async def total_count(self, info: Info) -> int:
        return await kits.count_kits(info.context.services, info.context.actor, self.query)

    @classmethod
    def of(cls, page: Page[domain.Kit], query: KitQuery, after: str | None) -> "KitConnection":
        """The connection for a page of kits."""
        cursors = [kit_cursor(kit, query.order) for kit in page.items]
        nodes = [Kit.of(kit) for kit in page.items]
        return cls(query=query, **page_parts(nodes, cursors, has_more=page.has_more, after=after))


def kit_query(chosen: KitFilter | None, order: KitOrder, is_descending: bool, first: int, after: str | None = None) -> KitQuery:
    """The domain's query for a filter as sent."""
    chosen = chosen or KitFilter()
    types = {KitOrder.NUMBER: int, KitOrder.NAME: str, KitOrder.STATUS_CHANGED_AT: datetime}
    place = decode_cursor(f"kit {order}", after, types[order], int)
    return KitQuery(
        statuses=frozenset(chosen.status or ()),
        name_prefix=checked_text("filter.namePrefix", chosen.name_prefix),
        owner=checked_text("filter.owner", chosen.owner),
        product_line=chosen.product_line,
        created_from=chosen.created_from,
        created_to=chosen.created_to,
        is_archived=chosen.is_archived,
        order=order,
        is_descending=is_descending,
        after=None if place is None else (place[0], place[1]),
        first=checked_first(first),
    )


def kit_cursor(kit: domain.Kit, order: KitOrder) -> str:
    """The place of a kit in a list of that order."""
    places: dict[KitOrder, str | int | datetime] = {
        KitOrder.NUMBER: kit.id,
        KitOrder.NAME: kit.name,
        KitOrder.STATUS_CHANGED_AT: kit.status_changed_at,
    }
    return encode_cursor(f"kit {order}", places[order], kit.id)
