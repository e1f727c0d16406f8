"""Set-up models, and what the viewer may do with them."""

from datetime import datetime
from typing import Annotated

import strawberry
from strawberry.scalars import JSON

from domain import set_up_model as domain
from domain.model_version import VersionKey
from domain.query import NamedOrder, Page, SetUpModelQuery
from domain.version import Version
from gql import ids
from gql.context import Info
from gql.sharing import Volatile
from gql.types import version as versions
from gql.types.capability import Capability
from gql.types.connection import After, Connection, First, NewestFirst, checked_first, checked_text, history_query, page_parts
from gql.types.enums import ProductLine
from gql.types.model_access_request import ModelAccessRequest
from gql.types.model_version import ModelActivation, ModelActivationConnection, ModelVersion, ModelVersionConnection
from gql.types.node import Node
from gql.types.project import named_cursor, named_place
from resolvers import set_up_model as models
from resolvers.model_access_request import why_not_apply, why_not_use


@strawberry.type(description="What a set-up model was.")
class SetUpModelRevision(versions.Version):
    name: str = strawberry.field(description="Its name.")
    attributes: JSON = strawberry.field(description="Its attributes then.")
    description: str = strawberry.field(description="What was said of it.")

    @classmethod
    def of(cls, revision: Version[domain.ModelDefinition]) -> "SetUpModelRevision":
        """The type for a revision of the domain."""
        said = revision.definition
        parts = versions.version_parts(revision)
        return cls(**parts, name=said.name, attributes=JSON(said.attributes), description=said.description)


@strawberry.type(description="A page of what a model was, oldest first.")
class SetUpModelRevisionConnection(Connection[SetUpModelRevision]):
    @classmethod
    def of(cls, page: Page[Version[domain.ModelDefinition]], after: str | None) -> "SetUpModelRevisionConnection":
        """The connection for a page of revisions."""
        return cls(**versions.version_page(page, SetUpModelRevision.of, after))


@strawberry.type(
    description=(
        "A trained model made ready for use in a product line, with its settings. Everybody who sees the product line sees that "
        "it is there; its files are for those who may use it."
    )
)
class SetUpModel(Node):
    number: int = strawberry.field(description="The short number that people quote.")
    name: str = strawberry.field(description="Its name; no other model of its product line that is not archived has it.")
    product_line: ProductLine = strawberry.field(description="The product line it belongs to.")
    owner: str = strawberry.field(description="The subject of the person who made it.")
    owner_name: str = strawberry.field(description="That person's name, as it was then.")
    attributes: JSON = strawberry.field(description="Its settings: text, numbers, true or false, by name.")
    description: str = strawberry.field(description="What it is for.")
    version: int = strawberry.field(
        description="Grows by one with each change, and with each version that comes to it or in use."
    )
    created_at: datetime = strawberry.field(description="When it was made.")
    updated_at: datetime = strawberry.field(description="When it was last changed.")
    archived_at: datetime | None = strawberry.field(description="When it was taken out of the lists.")
    model: strawberry.Private[domain.SetUpModel]

    @strawberry.field(description="The version in use.")
    async def active_version(self, info: Info) -> ModelVersion:
        version = await info.context.loaders.of_models.version_by_key.load(VersionKey(self.number, self.model.active_version))
        assert version is not None
        return ModelVersion.of(version)

    @strawberry.field(description="Its versions, oldest first.")
    async def versions(self, info: Info, first: First = 50, after: After = None) -> ModelVersionConnection:
        query = history_query("model version", self.number, first, after)
        return ModelVersionConnection.of(await info.context.loaders.histories.model_versions.load(query), after)

    @strawberry.field(description="Which version came in use when, and by whom: oldest first.")
    async def activations(self, info: Info, first: First = 50, after: After = None) -> ModelActivationConnection:
        query = history_query("model activation", self.number, first, after)
        return ModelActivationConnection.of(await info.context.loaders.histories.model_activations.load(query), after)

    @strawberry.field(description="What was in use at a time, and since when and by whom; null where it was not there yet.")
    async def active_at(
        self, info: Info, time: Annotated[datetime, strawberry.argument(description="The time.")]
    ) -> ModelActivation | None:
        found = await info.context.loaders.of_models.active_at.load((self.number, time))
        return None if found is None else ModelActivation.of(found)

    @strawberry.field(description="What it was and is: its revisions, oldest first.")
    async def revisions(self, info: Info, first: First = 50, after: After = None) -> SetUpModelRevisionConnection:
        query = history_query("version", self.number, first, after)
        return SetUpModelRevisionConnection.of(await info.context.loaders.histories.set_up_models.load(query), after)

    @strawberry.field(description="The model that it was copied from; null where it was not.")
    async def source_model(self, info: Info) -> Annotated["SetUpModel", strawberry.lazy("gql.types.set_up_model")] | None:
        source_id = self.model.source_id
        source = None if source_id is None else await info.context.loaders.of_models.by_id.load(source_id)
        return None if source is None else SetUpModel.of(source)

    @strawberry.field(description="The models that were copied from it, archived ones too.")
    async def copies(
        self, info: Info, descending: NewestFirst = True, first: First = 50, after: After = None
    ) -> Annotated["SetUpModelConnection", strawberry.lazy("gql.types.set_up_model")]:
        query = SetUpModelQuery(
            source_id=self.number,
            is_archived=None,
            is_descending=descending,
            after=named_place("set-up model", NamedOrder.NUMBER, after),
            first=checked_first(first),
        )
        return SetUpModelConnection.of(await info.context.loaders.of_models.copies.load(query), query, after)

    @strawberry.field(description="Whether the viewer may use it and download its files.", directives=[Volatile()])
    async def viewer_can_use(self, info: Info) -> Capability:
        held = await info.context.loaders.of_models.requests_of_viewer.load(self.number) or []
        return Capability.of(why_not_use(info.context.services, info.context.actor, self.model, held))

    @strawberry.field(description="Whether the viewer may apply for access to it.", directives=[Volatile()])
    async def viewer_can_apply(self, info: Info) -> Capability:
        held = await info.context.loaders.of_models.requests_of_viewer.load(self.number) or []
        return Capability.of(why_not_apply(info.context.actor, self.model, held))

    @strawberry.field(
        description="The viewer's own application for it that is pending or has given access, the newest; null for none.",
        directives=[Volatile()],
    )
    async def viewer_access_request(self, info: Info) -> ModelAccessRequest | None:
        held = await info.context.loaders.of_models.requests_of_viewer.load(self.number)
        return ModelAccessRequest.of(held[-1]) if held else None

    @strawberry.field(description="Whether the viewer may copy it.", directives=[Volatile()])
    def viewer_can_copy(self, info: Info) -> Capability:
        return Capability.of(models.why_not_set_up(info.context.services, info.context.actor, self.model))

    @strawberry.field(description="Whether the viewer may change, promote, roll back and archive it.", directives=[Volatile()])
    def viewer_can_set_up(self, info: Info) -> Capability:
        return Capability.of(models.why_not_set_up(info.context.services, info.context.actor, self.model))

    @classmethod
    def of(cls, model: domain.SetUpModel) -> "SetUpModel":
        """The type for a model of the domain."""
        return cls(
            id=strawberry.ID(ids.encode("SetUpModel", model.id)),
            number=model.id,
            name=model.definition.name,
            product_line=model.product_line,
            owner=model.owner,
            owner_name=model.owner_name,
            attributes=JSON(model.definition.attributes),
            description=model.definition.description,
            version=model.version,
            created_at=model.created_at,
            updated_at=model.updated_at,
            archived_at=model.archived_at,
            model=model,
        )


@strawberry.input(description="Which models. What is left out does not restrict; archived ones are left out unless asked for.")
class SetUpModelFilter:
    product_line: list[ProductLine] | None = strawberry.field(default=None, description="Of one of these product lines.")
    name_prefix: str | None = strawberry.field(default=None, description="Whose name begins so, letter by letter.")
    owner: str | None = strawberry.field(default=None, description="Made by the person with this subject.")
    is_archived: bool | None = strawberry.field(default=False, description="Archived or not; null for both.")


@strawberry.type(description="A page of set-up models.")
class SetUpModelConnection(Connection[SetUpModel]):
    query: strawberry.Private[SetUpModelQuery]

    @strawberry.field(description="How many models the filter has in all; costs a count.")
    async def total_count(self, info: Info) -> int:
        return await models.count_models(info.context.services, info.context.actor, self.query)

    @classmethod
    def of(cls, page: Page[domain.SetUpModel], query: SetUpModelQuery, after: str | None) -> "SetUpModelConnection":
        """The connection for a page of models."""
        cursors = [named_cursor("set-up model", query.order, each.definition.name, each.id) for each in page.items]
        nodes = [SetUpModel.of(each) for each in page.items]
        return cls(query=query, **page_parts(nodes, cursors, has_more=page.has_more, after=after))


def set_up_model_query(
    chosen: SetUpModelFilter | None, order: NamedOrder, is_descending: bool, first: int, after: str | None
) -> SetUpModelQuery:
    """The domain's query for a filter as sent."""
    chosen = chosen or SetUpModelFilter()
    return SetUpModelQuery(
        product_lines=frozenset(chosen.product_line or ()),
        name_prefix=checked_text("filter.namePrefix", chosen.name_prefix),
        owner=checked_text("filter.owner", chosen.owner),
        is_archived=chosen.is_archived,
        order=order,
        is_descending=is_descending,
        after=named_place("set-up model", order, after),
        first=checked_first(first),
    )
