"""The one who asks, and what they may do."""

from datetime import datetime

import strawberry

from domain.actor import Person
from domain.permission_kind import PERMISSION_KINDS
from gql.context import Info
from gql.types.capability import Capability
from gql.types.enums import ProductLine
from gql.types.grant import Grant
from gql.types.permission_kind import PermissionKind
from gql.types.permission_request import PermissionRequest
from resolvers.live_permission_request import HeldPermissions, held_permissions
from resolvers.permission_request import why_not_apply


@strawberry.type(description="How the viewer stands to one permission.")
class ViewerPermission:
    kind: PermissionKind = strawberry.field(description="The permission.")
    grant: Grant | None = strawberry.field(description="What the viewer has of it now; null for nothing.")
    pending_request: PermissionRequest | None = strawberry.field(
        description="The viewer's application for it that nobody has decided yet."
    )
    decides: bool = strawberry.field(description="Whether the viewer decides on others' applications for it.")
    viewer_can_apply: Capability = strawberry.field(
        description="Whether the viewer may apply for it; who has it until some time may apply to have it renewed."
    )


@strawberry.type(description="The one who asks.")
class Viewer:
    subject: str = strawberry.field(description="The issuer's name for the person.")
    name: str = strawberry.field(description="A name to show.")
    groups: list[str] = strawberry.field(description="The groups that the issuer tells of.")
    expires_at: datetime = strawberry.field(description="When the sign-in ends.")
    product_lines: list[ProductLine] = strawberry.field(
        description="The product lines that exist for the person: those in which a permission opens something."
    )
    person: strawberry.Private[Person]

    @strawberry.field(description="Every permission there is, and how the viewer stands to it.")
    async def permissions(self, info: Info) -> list[ViewerPermission]:
        held = await held_permissions(info.context.services, self.person)
        decided = info.context.services.approvers.kinds_of(self.person)
        return [_permission(held, name, name in decided) for name in PERMISSION_KINDS]

    @classmethod
    def of(cls, person: Person) -> "Viewer":
        """The type for a person of the domain."""
        return cls(
            subject=person.subject,
            name=person.name,
            groups=sorted(person.groups),
            expires_at=person.expires_at,
            product_lines=sorted({right.product_line for right in person.rights}),
            person=person,
        )


def _permission(held: HeldPermissions, kind: str, decides: bool) -> ViewerPermission:
    grant, pending = held.grants.get(kind), held.pending.get(kind)
    return ViewerPermission(
        kind=PermissionKind.of(PERMISSION_KINDS[kind]),
        grant=None if grant is None else Grant.of(grant),
        pending_request=None if pending is None else PermissionRequest.of(pending),
        decides=decides,
        viewer_can_apply=Capability.of(why_not_apply(grant, pending)),
    )
