"""Assignments of set-up models to lots."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.batch_query import ModelAssignmentQuery
from domain.batch_storage import ModelAssignmentStore
from domain.kit import ProductLine
from domain.model_assignment import AssignmentOrder, LotRule, ModelAssignment
from domain.query import Page
from domain.visibility import Visibility
from persistence.batch_tables import model_assignment
from persistence.listing import equals, is_given
from persistence.numbered import NumberedRows

ASSIGNMENT = model_assignment
RULE = ("product", "step", "measured_from", "measured_to")
OWN = ("product_line", "actor", "actor_name", "created_at", "version", "ended_at", "ended_by", "ended_by_name")


class ModelAssignmentRepository(ModelAssignmentStore):
    """The assignments of one unit of work."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._rows = NumberedRows(connection, ASSIGNMENT, select(ASSIGNMENT), _assignment)

    async def get_many(self, ids: Sequence[int], visibility: Visibility) -> dict[int, ModelAssignment]:
        return await self._rows.get_many(ids, _exists_for(visibility))

    async def page(self, query: ModelAssignmentQuery, visibility: Visibility) -> Page[ModelAssignment]:
        return await self._rows.page(query, _conditions(query, visibility))

    async def count(self, query: ModelAssignmentQuery, visibility: Visibility) -> int:
        return await self._rows.count(_conditions(query, visibility))

    async def add(
        self, order: AssignmentOrder, product_line: ProductLine, actor: str, actor_name: str, at: datetime
    ) -> ModelAssignment | int:
        made = ModelAssignment(id=0, order=order, product_line=product_line, actor=actor, actor_name=actor_name, created_at=at)
        while True:
            if (number := await self._rows.add(_values(made))) is not None:
                return replace(made, id=number)
            is_theirs = (ASSIGNMENT.c.model_id == order.model_id, ASSIGNMENT.c.actor == actor, ASSIGNMENT.c.ended_at.is_(None))
            if held := await self._rows.find(*is_theirs, ASSIGNMENT.c.scope == order.scope):
                return held[0].id

    async def change(self, before: ModelAssignment, changed: ModelAssignment) -> bool:
        return await self._rows.change(before.id, before.version, _values(changed))

    async def first_at(self, product_line: ProductLine) -> datetime | None:
        of_line = select(ASSIGNMENT.c.created_at).where(ASSIGNMENT.c.product_line == product_line)
        first: datetime | None = await self._connection.scalar(of_line.order_by(ASSIGNMENT.c.id).limit(1))
        return first

    async def models(self, product_line: ProductLine) -> list[int]:
        query = select(ASSIGNMENT.c.model_id).distinct().order_by(ASSIGNMENT.c.model_id)
        of_line = query.where(ASSIGNMENT.c.product_line == product_line, ASSIGNMENT.c.ended_at.is_(None))
        return list((await self._connection.execute(of_line)).scalars())

    async def actors_of(self, model_id: int) -> set[str]:
        query = select(ASSIGNMENT.c.actor).distinct().where(ASSIGNMENT.c.model_id == model_id, ASSIGNMENT.c.ended_at.is_(None))
        return set((await self._connection.execute(query)).scalars())


def _exists_for(visibility: Visibility) -> ColumnElement[bool]:
    return ASSIGNMENT.c.product_line.in_(sorted(visibility.product_lines))


def _conditions(query: ModelAssignmentQuery, visibility: Visibility) -> list[ColumnElement[bool]]:
    conditions = [_exists_for(visibility)]
    for name in ("product_line", "model_id", "lot_row_id", "actor"):
        conditions += equals(ASSIGNMENT.c[name], getattr(query, name))
    return [*conditions, *is_given(ASSIGNMENT.c.ended_at, query.has_ended)]


def _values(assignment: ModelAssignment) -> dict[str, Any]:
    order = assignment.order
    return {
        "model_id": order.model_id,
        "scope": order.scope,
        "lot_row_id": order.lot_row_id,
        **{name: None if order.rule is None else getattr(order.rule, name) for name in RULE},
        **{name: getattr(assignment, name) for name in OWN},
    }


def _assignment(row: Mapping[str, Any]) -> ModelAssignment:
    rule = LotRule(**{name: row[name] for name in RULE}) if row["lot_row_id"] is None else None
    order = AssignmentOrder(model_id=row["model_id"], lot_row_id=row["lot_row_id"], rule=rule)
    return ModelAssignment(id=row["id"], order=order, **{name: row[name] for name in OWN})
