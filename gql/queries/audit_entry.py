"""Reading who decided what for whom, when and why."""

from typing import Annotated

import strawberry

from gql.context import Info
from gql.types.audit_entry import AuditEntryConnection, AuditFilter, audit_query
from gql.types.connection import After, First, NewestFirst
from resolvers import audit_entry as audit


@strawberry.type
class AuditEntryQueries:
    @strawberry.field(
        description=(
            "Who decided what for whom, when and why: what concerns the viewer, what the viewer did, and all about the "
            "permissions and set-up models on which the viewer decides."
        )
    )
    async def audit_entries(
        self,
        info: Info,
        filter: Annotated[AuditFilter | None, strawberry.argument(description="Which entries.")] = None,
        descending: NewestFirst = True,
        first: First = 50,
        after: After = None,
    ) -> AuditEntryConnection:
        query = audit_query(filter, descending, first, after)
        page = await audit.list_audit_entries(info.context.services, info.context.actor, query)
        return AuditEntryConnection.of(page, query, after)
