"""Which projects of load tests exist for a person: those that they are a member of."""

from typing import Any

from sqlalchemy import Column, ColumnElement, select

from domain.visibility import Membership
from persistence.load_test_tables import project_member

MEMBER = project_member


def is_member(project_id: Column[Any], membership: Membership) -> list[ColumnElement[bool]]:
    """The condition on a column of projects' ids; none for who sees every project."""
    if membership.subject is None:
        return []
    return [project_id.in_(select(MEMBER.c.project_id).where(MEMBER.c.subject == membership.subject))]
