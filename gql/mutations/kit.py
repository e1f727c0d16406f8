"""What people do with kits."""

from collections.abc import Awaitable, Callable
from typing import Annotated

import strawberry

from domain import kit as domain
from gql import errors, ids
from gql.context import Info
from gql.mutation import mutation
from gql.types.kit import Kit
from gql.types.kit_input import KitInput, as_document
from resolvers import kit as kits

IdempotencyKey = Annotated[
    str | None,
    strawberry.argument(
        description="Any text of up to 200 characters. The same key with the same input returns the first result, for 7 days."
    ),
]
ExpectedVersion = Annotated[
    int | None,
    strawberry.argument(description="A version that you have seen; refused if the thing's status has changed since."),
]
KitId = Annotated[strawberry.ID, strawberry.argument(description="The kit's id.")]


@strawberry.type(description="A kit was created.")
class KitCreatePayload:
    kit: Kit = strawberry.field(description="The new kit.")


@strawberry.type(description="The command was given to the kit.")
class KitCommandPayload:
    kit: Kit = strawberry.field(description="The kit after the command.")


KitCreateAnswer = Annotated[
    KitCreatePayload | errors.ValidationFailed | errors.IdempotencyKeyReused | errors.PermissionDenied,
    strawberry.union("KitCreateAnswer", description="The new kit, or why there is none."),
]
KitCommandAnswer = Annotated[
    KitCommandPayload
    | errors.ValidationFailed
    | errors.NotFound
    | errors.IllegalTransition
    | errors.VersionConflict
    | errors.IdempotencyKeyReused
    | errors.PermissionDenied,
    strawberry.union("KitCommandAnswer", description="The kit after the command, or why it was refused."),
]
Command = Callable[..., Awaitable[domain.Kit]]


@strawberry.type
class KitMutation:
    @mutation(description="Create a kit: its four jobs and all their tasks are recorded, `PENDING`. Nothing runs yet.")
    async def kit_create(
        self,
        info: Info,
        input: Annotated[KitInput, strawberry.argument(description="The kit.")],
        idempotency_key: IdempotencyKey = None,
    ) -> KitCreateAnswer:
        context = info.context
        kit = await kits.create_kit(context.services, context.actor, as_document(input), idempotency_key)
        return KitCreatePayload(kit=Kit.of(kit))

    @mutation(description="Run the kit's remaining jobs, one after the other.")
    async def kit_start(
        self, info: Info, id: KitId, expected_version: ExpectedVersion = None, idempotency_key: IdempotencyKey = None
    ) -> KitCommandAnswer:
        return await _command(kits.start_kit, info, id, expected_version, idempotency_key)

    @mutation(description="End everything of the kit that has not ended. A running job is ended by its runner.")
    async def kit_cancel(
        self, info: Info, id: KitId, expected_version: ExpectedVersion = None, idempotency_key: IdempotencyKey = None
    ) -> KitCommandAnswer:
        return await _command(kits.cancel_kit, info, id, expected_version, idempotency_key)

    @mutation(description="Take the kit out of the lists. Its history stays. Refused while a job runs or is queued.")
    async def kit_archive(
        self, info: Info, id: KitId, expected_version: ExpectedVersion = None, idempotency_key: IdempotencyKey = None
    ) -> KitCommandAnswer:
        return await _command(kits.archive_kit, info, id, expected_version, idempotency_key)


async def _command(command: Command, info: Info, id: str, expected_version: int | None, key: str | None) -> KitCommandPayload:
    context = info.context
    kit = await command(context.services, context.actor, ids.kit_number(id), expected_version, key)
    return KitCommandPayload(kit=Kit.of(kit))
