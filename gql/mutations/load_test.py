"""What people do with load tests."""

from typing import Annotated

import strawberry

from gql import errors, ids
from gql.context import Info
from gql.mutation import mutation
from gql.mutations.kit import IdempotencyKey
from gql.mutations.project import ExpectedVersion
from gql.mutations.target import TargetId
from gql.types.kit_input import as_document
from gql.types.load_test import LoadTest
from gql.types.load_test_input import LoadTestInput
from resolvers import load_test as load_tests

LoadTestId = Annotated[strawberry.ID, strawberry.argument(description="The load test's id.")]
GivenLoadTest = Annotated[LoadTestInput, strawberry.argument(description="The load test.")]


@strawberry.type(description="The load test was created or changed.")
class LoadTestPayload:
    load_test: LoadTest = strawberry.field(description="The load test as it now is.")


LoadTestAnswer = Annotated[
    LoadTestPayload
    | errors.ValidationFailed
    | errors.NotFound
    | errors.IllegalTransition
    | errors.VersionConflict
    | errors.InUse
    | errors.IdempotencyKeyReused
    | errors.PermissionDenied,
    strawberry.union("LoadTestAnswer", description="The load test as it now is, or why the command was refused."),
]


@strawberry.type
class LoadTestMutation:
    @mutation(description="Define a load test of a target that was analysed. Nothing is sent to it yet.")
    async def load_test_create(
        self, info: Info, target_id: TargetId, input: GivenLoadTest, idempotency_key: IdempotencyKey = None
    ) -> LoadTestAnswer:
        services, actor = info.context.services, info.context.actor
        load_test = await load_tests.create_load_test(
            services, actor, ids.target_number(target_id), as_document(input), idempotency_key
        )
        return LoadTestPayload(load_test=LoadTest.of(load_test))

    @mutation(
        description="Define the load test anew, for the endpoints as they now are. What it was stays on record, and runs keep it."
    )
    async def load_test_update(
        self,
        info: Info,
        id: LoadTestId,
        input: GivenLoadTest,
        expected_version: ExpectedVersion = None,
        idempotency_key: IdempotencyKey = None,
    ) -> LoadTestAnswer:
        services, actor = info.context.services, info.context.actor
        load_test = await load_tests.update_load_test(
            services, actor, ids.load_test_number(id), as_document(input), expected_version, idempotency_key
        )
        return LoadTestPayload(load_test=LoadTest.of(load_test))

    @mutation(
        description="Take the load test out of the lists, while no run of it goes on. Its history stays, its title is free again."
    )
    async def load_test_archive(
        self, info: Info, id: LoadTestId, expected_version: ExpectedVersion = None, idempotency_key: IdempotencyKey = None
    ) -> LoadTestAnswer:
        services, actor = info.context.services, info.context.actor
        load_test = await load_tests.archive_load_test(
            services, actor, ids.load_test_number(id), expected_version, idempotency_key
        )
        return LoadTestPayload(load_test=LoadTest.of(load_test))
