"""The audit: who decided what for whom, when and why."""

from datetime import datetime

import strawberry

from domain import audit_entry as domain
from domain.query import AuditQuery, Page
from gql import ids
from gql.context import Info
from gql.types.connection import Connection, checked_first, checked_names, checked_text, numbered_page, numbered_place
from gql.types.enums import AuditAction
from resolvers import audit_entry as audit


@strawberry.type(description="One decision, as it was put on record; nothing of it ever changes.")
class AuditEntry:
    number: int = strawberry.field(description="Its number.")
    recorded_at: datetime = strawberry.field(description="When.")
    action: AuditAction = strawberry.field(description="What was done.")
    kind: str | None = strawberry.field(description="The name of the permission that it is about; null of other things.")
    person: str = strawberry.field(description="The subject of the person whom it concerns.")
    person_name: str = strawberry.field(description="That person's name, as it was then.")
    actor: str | None = strawberry.field(description="The subject of the person who did it; null: PLOG, as time had come.")
    actor_name: str | None = strawberry.field(description="That person's name, as it was then.")
    reason: str | None = strawberry.field(description="Why; null where nobody said.")
    expires_at: datetime | None = strawberry.field(description="The end that a permission or access was given; null: none.")
    permission_request_id: strawberry.ID | None = strawberry.field(description="The id of the application that it is about.")
    grant_id: strawberry.ID | None = strawberry.field(description="The id of the grant that it is about.")
    model_id: strawberry.ID | None = strawberry.field(description="The id of the set-up model that it is about.")
    model_access_request_id: strawberry.ID | None = strawberry.field(
        description="The id of the application for access to that model that it is about."
    )
    model_version: int | None = strawberry.field(description="The number of the version added, promoted, returned to or copied.")
    daily_batch_run_id: strawberry.ID | None = strawberry.field(description="The id of the run of the daily batch.")

    @classmethod
    def of(cls, entry: domain.AuditEntry) -> "AuditEntry":
        """The type for an entry of the domain."""
        assert entry.recorded_at is not None
        expires_at, run = entry.details.get("expiresAt"), entry.details.get("dailyBatchRunId")
        request, grant, model, access = entry.request_id, entry.grant_id, entry.model_id, entry.model_access_request_id
        return cls(
            number=entry.id,
            recorded_at=entry.recorded_at,
            action=entry.action,
            kind=entry.kind,
            person=entry.person,
            person_name=entry.person_name,
            actor=entry.actor,
            actor_name=entry.actor_name,
            reason=entry.reason,
            expires_at=None if expires_at is None else datetime.fromisoformat(expires_at),
            permission_request_id=None if request is None else strawberry.ID(ids.encode("PermissionRequest", request)),
            grant_id=None if grant is None else strawberry.ID(ids.encode("Grant", grant)),
            model_id=None if model is None else strawberry.ID(ids.encode("SetUpModel", model)),
            model_access_request_id=None if access is None else strawberry.ID(ids.encode("ModelAccessRequest", access)),
            model_version=entry.details.get("version"),
            daily_batch_run_id=None if run is None else strawberry.ID(ids.encode("DailyBatchRun", run)),
        )


@strawberry.input(description="Which entries. What is left out does not restrict; times are half-open.")
class AuditFilter:
    actions: list[AuditAction] | None = strawberry.field(default=None, description="One of these.")
    kinds: list[str] | None = strawberry.field(default=None, description="About one of these permissions.")
    model_id: strawberry.ID | None = strawberry.field(default=None, description="About this set-up model.")
    person: str | None = strawberry.field(default=None, description="Concerning the person with this subject.")
    actor: str | None = strawberry.field(default=None, description="Done by the person with this subject.")
    recorded_from: datetime | None = strawberry.field(default=None, description="At this time or later.")
    recorded_to: datetime | None = strawberry.field(default=None, description="Before this time.")


@strawberry.type(description="A page of the audit.")
class AuditEntryConnection(Connection[AuditEntry]):
    query: strawberry.Private[AuditQuery]

    @strawberry.field(description="How many entries the filter has in all; costs a count.")
    async def total_count(self, info: Info) -> int:
        return await audit.count_audit_entries(info.context.services, info.context.actor, self.query)

    @classmethod
    def of(cls, page: Page[domain.AuditEntry], query: AuditQuery, after: str | None) -> "AuditEntryConnection":
        """The connection for a page of entries."""
        return cls(query=query, **numbered_page("audit", page, AuditEntry.of, after))


def audit_query(chosen: AuditFilter | None, is_descending: bool, first: int, after: str | None) -> AuditQuery:
    """The domain's query for a filter as sent."""
    chosen = chosen or AuditFilter()
    return AuditQuery(
        actions=frozenset(chosen.actions or ()),
        kinds=checked_names("filter.kinds", chosen.kinds),
        model_id=None if chosen.model_id is None else ids.found(ids.set_up_model_number, chosen.model_id) or 0,
        person=checked_text("filter.person", chosen.person),
        actor=checked_text("filter.actor", chosen.actor),
        recorded_from=chosen.recorded_from,
        recorded_to=chosen.recorded_to,
        is_descending=is_descending,
        after=numbered_place("audit", after),
        first=checked_first(first),
    )
