"""Which set-up models exist for a person, and which are theirs to use: conditions on their rows."""

from typing import Any

from sqlalchemy import Column, ColumnElement, and_, false, or_, select, true

from domain.kit import ProductLine
from domain.model_access_request import ModelAccessStatus
from domain.visibility import ModelReach
from persistence.dialect import clock_column
from persistence.model_tables import model_access_request, set_up_model

MODEL, REQUEST = set_up_model, model_access_request


def exists_for(reach: ModelReach) -> ColumnElement[bool]:
    """The condition on `set_up_model` under which a model exists for the caller."""
    return _in_lines(reach.product_lines)


def is_decided_by(reach: ModelReach) -> ColumnElement[bool]:
    """The condition under which the caller decides on access to a model that exists for them."""
    if reach.subject is None:
        return true()
    return or_(_in_lines(reach.set_up_lines), MODEL.c.owner == reach.subject)


def is_usable_by(reach: ModelReach, dialect_name: str) -> ColumnElement[bool]:
    """The condition under which the caller may use and download a model: theirs to decide on, or opened to them until later."""
    if reach.subject is None:
        return true()
    granted = select(REQUEST.c.model_id).where(
        REQUEST.c.subject == reach.subject,
        REQUEST.c.status == ModelAccessStatus.APPROVED,
        REQUEST.c.until > clock_column(dialect_name),
    )
    return and_(exists_for(reach), or_(is_decided_by(reach), MODEL.c.id.in_(granted)))


def models_existing_for(reach: ModelReach, model_id: Column[Any]) -> ColumnElement[bool]:
    """The condition on rows that name a model under which that model exists for the caller."""
    return model_id.in_(select(MODEL.c.id).where(exists_for(reach)))


def models_decided_by(reach: ModelReach, model_id: Column[Any]) -> ColumnElement[bool]:
    """The same of rows that name a model: it exists for the caller, who decides on access to it."""
    return model_id.in_(select(MODEL.c.id).where(exists_for(reach), is_decided_by(reach)))


def _in_lines(lines: frozenset[ProductLine]) -> ColumnElement[bool]:
    return MODEL.c.product_line.in_(sorted(lines)) if lines else false()
