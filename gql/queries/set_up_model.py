"""Reading set-up models: what can be asked of them, as the root of a query."""

from typing import Annotated

import strawberry

from gql import ids
from gql.context import Info
from gql.types.connection import After, First
from gql.types.enums import NamedOrder
from gql.types.set_up_model import SetUpModel, SetUpModelConnection, SetUpModelFilter, set_up_model_query
from resolvers import set_up_model as models


@strawberry.type
class SetUpModelQueries:
    @strawberry.field(description="The set-up model of that id; null where it does not exist.")
    async def set_up_model(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The model's id.")]
    ) -> SetUpModel | None:
        number = ids.found(ids.set_up_model_number, id)
        model = None if number is None else await info.context.loaders.of_models.by_id.load(number)
        return None if model is None else SetUpModel.of(model)

    @strawberry.field(description="The set-up models of the viewer's product lines, newest first unless ordered otherwise.")
    async def set_up_models(
        self,
        info: Info,
        filter: Annotated[SetUpModelFilter | None, strawberry.argument(description="Which models.")] = None,
        order_by: Annotated[NamedOrder, strawberry.argument(description="What they are sorted by.")] = NamedOrder.NUMBER,
        descending: Annotated[bool, strawberry.argument(description="Greatest first.")] = True,
        first: First = 50,
        after: After = None,
    ) -> SetUpModelConnection:
        query = set_up_model_query(filter, order_by, descending, first, after)
        page = await models.list_models(info.context.services, info.context.actor, query)
        return SetUpModelConnection.of(page, query, after)
