"""Reading assignments of set-up models to lots."""

from typing import Annotated

import strawberry

from gql.context import Info
from gql.types.connection import After, First, NewestFirst
from gql.types.model_assignment import ModelAssignmentConnection, ModelAssignmentFilter, model_assignment_query
from resolvers import model_assignment as assignments


@strawberry.type
class ModelAssignmentQueries:
    @strawberry.field(description="Assignments of models to lots, of the product lines that the viewer can see.")
    async def model_assignments(
        self,
        info: Info,
        filter: Annotated[ModelAssignmentFilter | None, strawberry.argument(description="Which assignments.")] = None,
        descending: NewestFirst = True,
        first: First = 50,
        after: After = None,
    ) -> ModelAssignmentConnection:
        query = model_assignment_query(filter, descending, first, after)
        page = await assignments.list_assignments(info.context.services, info.context.actor, query)
        return ModelAssignmentConnection.of(page, query, after)
