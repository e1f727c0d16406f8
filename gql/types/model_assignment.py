"""Assignments of set-up models to lots."""

from datetime import datetime

import strawberry

from domain import model_assignment as domain
from domain.batch_query import ModelAssignmentQuery
from domain.query import Page
from gql import ids
from gql.context import Info
from gql.sharing import Volatile
from gql.types.capability import Capability
from gql.types.connection import Connection, checked_first, checked_text, numbered_page, numbered_place
from gql.types.enums import ProductLine
from gql.types.lot_row import LotRow
from gql.types.node import Node
from gql.types.set_up_model import SetUpModel
from resolvers import model_assignment as assignments


@strawberry.type(description="Which rows a model is assigned to: all of its product line that meet what is given, now and later.")
class LotRule:
    product: str | None = strawberry.field(description="Of this product; null: of any.")
    step: str | None = strawberry.field(description="Of this process step; null: of any.")
    measured_from: datetime | None = strawberry.field(description="Measured then or later.")
    measured_to: datetime | None = strawberry.field(description="Measured before then.")


@strawberry.type(description="That a set-up model is to predict for lots: the daily batch stores what it predicts, once.")
class ModelAssignment(Node):
    number: int = strawberry.field(description="The short number that people quote.")
    version: int = strawberry.field(description="Grows by one when it is taken back.")
    product_line: ProductLine = strawberry.field(description="The product line of the model and its lots.")
    rule: LotRule | None = strawberry.field(description="Which rows it is about; null where it is about one.")
    actor: str = strawberry.field(description="The subject of the person who has made it.")
    actor_name: str = strawberry.field(description="That person's name, as it was then.")
    created_at: datetime = strawberry.field(description="When it was made.")
    ended_at: datetime | None = strawberry.field(description="When it was taken back; null: it was not.")
    ended_by: str | None = strawberry.field(description="The subject of the person who has taken it back.")
    ended_by_name: str | None = strawberry.field(description="That person's name, as it was then.")
    assignment: strawberry.Private[domain.ModelAssignment]

    @strawberry.field(description="The model.")
    async def model(self, info: Info) -> SetUpModel | None:
        model = await info.context.loaders.of_models.by_id.load(self.assignment.order.model_id)
        return None if model is None else SetUpModel.of(model)

    @strawberry.field(description="The row that it is about; null where it is about those of a rule.")
    async def lot_row(self, info: Info) -> LotRow | None:
        number = self.assignment.order.lot_row_id
        row = None if number is None else await info.context.loaders.lots.row_by_id.load(number)
        return None if row is None else LotRow.of(row)

    @strawberry.field(
        description="Whether the daily batch goes by it: it was not taken back, and who has made it may use the model now.",
        directives=[Volatile()],
    )
    async def is_in_force(self, info: Info) -> bool:
        pair = (self.assignment.order.model_id, self.assignment.actor)
        return self.ended_at is None and bool(await info.context.loaders.batch.in_force.load(pair))

    @strawberry.field(description="Whether the viewer may take it back.", directives=[Volatile()])
    async def viewer_can_unassign(self, info: Info) -> Capability:
        of_models = info.context.loaders.of_models
        model = await of_models.by_id.load(self.assignment.order.model_id)
        held = await of_models.requests_of_viewer.load(self.assignment.order.model_id) or []
        assert model is not None  # it is of the assignment's product line, which the viewer sees
        services, actor = info.context.services, info.context.actor
        return Capability.of(assignments.why_not_unassign(services, actor, self.assignment, model, held))

    @classmethod
    def of(cls, assignment: domain.ModelAssignment) -> "ModelAssignment":
        """The type for an assignment of the domain."""
        rule = assignment.order.rule
        return cls(
            id=strawberry.ID(ids.encode("ModelAssignment", assignment.id)),
            number=assignment.id,
            version=assignment.version,
            product_line=assignment.product_line,
            rule=None
            if rule is None
            else LotRule(product=rule.product, step=rule.step, measured_from=rule.measured_from, measured_to=rule.measured_to),
            actor=assignment.actor,
            actor_name=assignment.actor_name,
            created_at=assignment.created_at,
            ended_at=assignment.ended_at,
            ended_by=assignment.ended_by,
            ended_by_name=assignment.ended_by_name,
            assignment=assignment,
        )


@strawberry.input(description="Which rows: those that meet all that is given. At least one of the fields has to be.")
class LotRuleInput:
    product: str | None = strawberry.field(default=None, description="Of this product.")
    step: str | None = strawberry.field(default=None, description="Of this process step.")
    measured_from: datetime | None = strawberry.field(default=None, description="Measured then or later.")
    measured_to: datetime | None = strawberry.field(default=None, description="Measured before then.")


@strawberry.input(
    description=(
        "A model, and the rows that it is to predict for: one, or those of a rule. It can be sent without what is required, to "
        "be told what is missing."
    )
)
class ModelAssignInput:
    model_id: strawberry.ID | None = strawberry.field(default=None, description="Required. The id of the model.")
    lot_row_id: strawberry.ID | None = strawberry.field(default=None, description="The id of the row.")
    rule: LotRuleInput | None = strawberry.field(default=None, description="The rule, in place of one row.")


@strawberry.input(
    description="Which assignments. What is left out does not restrict; those taken back are left out unless asked for."
)
class ModelAssignmentFilter:
    product_line: ProductLine | None = strawberry.field(default=None, description="Of this product line.")
    model_id: strawberry.ID | None = strawberry.field(default=None, description="Of this model.")
    lot_row_id: strawberry.ID | None = strawberry.field(default=None, description="About this one row, not by a rule.")
    actor: str | None = strawberry.field(default=None, description="Made by the person with this subject.")
    has_ended: bool | None = strawberry.field(default=False, description="Taken back or not; null for both.")


@strawberry.type(description="A page of assignments.")
class ModelAssignmentConnection(Connection[ModelAssignment]):
    query: strawberry.Private[ModelAssignmentQuery]

    @strawberry.field(description="How many assignments the filter has in all; costs a count.")
    async def total_count(self, info: Info) -> int:
        return await assignments.count_assignments(info.context.services, info.context.actor, self.query)

    @classmethod
    def of(
        cls, page: Page[domain.ModelAssignment], query: ModelAssignmentQuery, after: str | None
    ) -> "ModelAssignmentConnection":
        """The connection for a page of assignments."""
        return cls(query=query, **numbered_page("model assignment", page, ModelAssignment.of, after))


def model_assignment_query(
    chosen: ModelAssignmentFilter | None, is_descending: bool, first: int, after: str | None
) -> ModelAssignmentQuery:
    """The domain's query for a filter as sent; an id that leads nowhere finds nothing."""
    chosen = chosen or ModelAssignmentFilter()
    return ModelAssignmentQuery(
        product_line=chosen.product_line,
        model_id=ids.wanted(ids.set_up_model_number, chosen.model_id),
        lot_row_id=ids.wanted(ids.lot_row_number, chosen.lot_row_id),
        actor=checked_text("filter.actor", chosen.actor),
        has_ended=chosen.has_ended,
        is_descending=is_descending,
        after=numbered_place("model assignment", after),
        first=checked_first(first),
    )
