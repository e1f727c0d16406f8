"""Reading applications for access to set-up models."""

from typing import Annotated

import strawberry

from gql.context import Info
from gql.types.connection import After, First, NewestFirst
from gql.types.model_access_request import ModelAccessRequestConnection, ModelAccessRequestFilter, model_access_query
from resolvers import model_access_request as requests


@strawberry.type
class ModelAccessRequestQueries:
    @strawberry.field(description="The viewer's own applications for access to models, and all on which the viewer decides.")
    async def model_access_requests(
        self,
        info: Info,
        filter: Annotated[ModelAccessRequestFilter | None, strawberry.argument(description="Which applications.")] = None,
        descending: NewestFirst = True,
        first: First = 50,
        after: After = None,
    ) -> ModelAccessRequestConnection:
        query = model_access_query(filter, descending, first, after)
        page = await requests.list_access_requests(info.context.services, info.context.actor, query)
        return ModelAccessRequestConnection.of(page, query, after)
