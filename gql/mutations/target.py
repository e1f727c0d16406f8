"""What people do with targets."""

from typing import Annotated

import strawberry

from gql import errors, ids
from gql.context import Info
from gql.mutation import mutation
from gql.mutations.kit import IdempotencyKey
from gql.mutations.project import ExpectedVersion
from gql.types.kit_input import as_document
from gql.types.target import SecretInput, Target, TargetInput
from resolvers import secret as secrets
from resolvers import target as targets

TargetId = Annotated[strawberry.ID, strawberry.argument(description="The target's id.")]
GivenTarget = Annotated[TargetInput, strawberry.argument(description="The target.")]


@strawberry.type(description="The target was added, changed or analysed, or a secret of it was set or deleted.")
class TargetPayload:
    target: Target = strawberry.field(description="The target as it now is.")


TargetAnswer = Annotated[
    TargetPayload
    | errors.ValidationFailed
    | errors.NotFound
    | errors.IllegalTransition
    | errors.VersionConflict
    | errors.InUse
    | errors.IdempotencyKeyReused
    | errors.PermissionDenied,
    strawberry.union("TargetAnswer", description="The target as it now is, or why the command was refused."),
]


@strawberry.type
class TargetMutation:
    @mutation(description="Add an API to a project. Nothing is fetched yet: `targetAnalyze` finds its document.")
    async def target_add(
        self,
        info: Info,
        project_id: Annotated[strawberry.ID, strawberry.argument(description="The project's id.")],
        input: GivenTarget,
        idempotency_key: IdempotencyKey = None,
    ) -> TargetAnswer:
        services, actor = info.context.services, info.context.actor
        target = await targets.add_target(services, actor, ids.project_number(project_id), input.document(), idempotency_key)
        return TargetPayload(target=Target.of(target))

    @mutation(description="Give the target another name or address. Its last analysis stays until the next.")
    async def target_update(
        self,
        info: Info,
        id: TargetId,
        input: GivenTarget,
        expected_version: ExpectedVersion = None,
        idempotency_key: IdempotencyKey = None,
    ) -> TargetAnswer:
        services, actor = info.context.services, info.context.actor
        target = await targets.update_target(
            services, actor, ids.target_number(id), input.document(), expected_version, idempotency_key
        )
        return TargetPayload(target=Target.of(target))

    @mutation(
        description=(
            "Find and read the target's OpenAPI document now: at its address, through a Swagger UI page there, or at well-known "
            "paths below it. Takes seconds, at most `PLOG_TARGETS__ANALYSIS_SECONDS`. An error says what was tried and what "
            "answered; the last analysis then stays."
        )
    )
    async def target_analyze(
        self, info: Info, id: TargetId, expected_version: ExpectedVersion = None, idempotency_key: IdempotencyKey = None
    ) -> TargetAnswer:
        services, actor = info.context.services, info.context.actor
        target = await targets.analyze_target(services, actor, ids.target_number(id), expected_version, idempotency_key)
        return TargetPayload(target=Target.of(target))

    @mutation(
        description="Take the target out of the lists, while no run of it goes on. Its analyses stay, its name is free again."
    )
    async def target_archive(
        self, info: Info, id: TargetId, expected_version: ExpectedVersion = None, idempotency_key: IdempotencyKey = None
    ) -> TargetAnswer:
        services, actor = info.context.services, info.context.actor
        target = await targets.archive_target(services, actor, ids.target_number(id), expected_version, idempotency_key)
        return TargetPayload(target=Target.of(target))

    @mutation(
        description=(
            "Give the target a secret for its load tests, in the place of one of that name: a password, a token, a key. It is "
            "encrypted, reaches nothing but the load generator's environment, and is never shown again."
        )
    )
    async def target_secret_set(
        self,
        info: Info,
        id: TargetId,
        input: Annotated[SecretInput, strawberry.argument(description="The secret.")],
        idempotency_key: IdempotencyKey = None,
    ) -> TargetAnswer:
        services, actor = info.context.services, info.context.actor
        target = await secrets.set_secret(services, actor, ids.target_number(id), as_document(input), idempotency_key)
        return TargetPayload(target=Target.of(target))

    @mutation(
        description="Remove a secret of the target for good. Load tests that use it are refused to start until it is set again."
    )
    async def target_secret_delete(
        self,
        info: Info,
        id: TargetId,
        name: Annotated[str, strawberry.argument(description="The secret's name.")],
        idempotency_key: IdempotencyKey = None,
    ) -> TargetAnswer:
        services, actor = info.context.services, info.context.actor
        target = await secrets.delete_secret(services, actor, ids.target_number(id), name, idempotency_key)
        return TargetPayload(target=Target.of(target))
