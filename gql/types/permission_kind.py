"""Kinds of permissions and what each opens."""

import strawberry

from domain import permission_kind as domain
from gql import ids
from gql.types.enums import PermissionAction, ProductLine
from gql.types.node import Node


@strawberry.type(description="One thing that may be done in one product line.")
class Right:
    product_line: ProductLine = strawberry.field(description="Where.")
    action: PermissionAction = strawberry.field(description="What.")


@strawberry.type(description="A permission that people apply for.")
class PermissionKind(Node):
    name: str = strawberry.field(description="The name by which one applies, as in `LOGIC_GENERAL`.")
    title: str = strawberry.field(description="What people call it.")
    description: str = strawberry.field(description="What it is for.")
    opens: list[Right] = strawberry.field(description="All that it opens.")

    @classmethod
    def of(cls, kind: domain.PermissionKind) -> "PermissionKind":
        """The type for a kind of the domain."""
        return cls(
            id=strawberry.ID(ids.encode("PermissionKind", kind.name)),
            name=kind.name,
            title=kind.title,
            description=kind.description,
            opens=[Right(product_line=right.product_line, action=right.action) for right in sorted(kind.opens)],
        )
