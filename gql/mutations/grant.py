"""Renewing permissions and taking them away."""

from typing import Annotated

import strawberry

from gql import errors, ids
from gql.context import Info
from gql.mutation import mutation
from gql.mutations.kit import IdempotencyKey
from gql.mutations.permission_request import Reason
from gql.mutations.project import ExpectedVersion
from gql.types.any_value import AnyValue
from gql.types.grant import Grant
from resolvers import grant as grants

NewEnd = Annotated[
    AnyValue | None,
    strawberry.argument(
        description=(
            "Required. When the permission stops opening anything from the renewal on, as text: a `DateTime` of the future; "
            "null: never by itself."
        )
    ),
]
GrantId = Annotated[strawberry.ID, strawberry.argument(description="The grant's id.")]


@strawberry.type(description="The grant was changed.")
class GrantPayload:
    grant: Grant = strawberry.field(description="The grant after the change.")


GrantAnswer = Annotated[
    GrantPayload
    | errors.ValidationFailed
    | errors.NotFound
    | errors.IllegalTransition
    | errors.VersionConflict
    | errors.IdempotencyKeyReused
    | errors.PermissionDenied,
    strawberry.union("GrantAnswer", description="The grant after the change, or why it was refused."),
]


@strawberry.type
class GrantMutation:
    @mutation(description="Give an active permission another end. Approvers alone can, with a reason, and never for themselves.")
    async def grant_renew(
        self,
        info: Info,
        id: GrantId,
        reason: Reason = None,
        expires_at: NewEnd = strawberry.UNSET,
        expected_version: ExpectedVersion = None,
        idempotency_key: IdempotencyKey = None,
    ) -> GrantAnswer:
        services, actor = info.context.services, info.context.actor
        given = {"reason": reason} | ({} if expires_at is strawberry.UNSET else {"expiresAt": expires_at})
        grant = await grants.renew_grant(services, actor, ids.grant_number(id), given, expected_version, idempotency_key)
        return GrantPayload(grant=Grant.of(grant))

    @mutation(
        description=(
            "Take a permission away, as an approver, or give back one's own; with a reason. What it opened closes within five "
            "seconds, open subscriptions too."
        )
    )
    async def grant_revoke(
        self,
        info: Info,
        id: GrantId,
        reason: Reason = None,
        expected_version: ExpectedVersion = None,
        idempotency_key: IdempotencyKey = None,
    ) -> GrantAnswer:
        services, actor = info.context.services, info.context.actor
        grant = await grants.revoke_grant(services, actor, ids.grant_number(id), reason, expected_version, idempotency_key)
        return GrantPayload(grant=Grant.of(grant))
