"""Reading the permissions that one can apply for."""

import strawberry

from domain.permission_kind import PERMISSION_KINDS
from gql.context import Info
from gql.types.permission_kind import PermissionKind
from resolvers.authorisation import require_person


@strawberry.type
class PermissionKindQueries:
    @strawberry.field(description="All permissions that one can apply for, and what each opens.")
    def permission_kinds(self, info: Info) -> list[PermissionKind]:
        require_person(info.context.actor)
        return [PermissionKind.of(kind) for kind in PERMISSION_KINDS.values()]
