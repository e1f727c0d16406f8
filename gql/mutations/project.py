"""What people do with projects of load tests."""

from typing import Annotated

import strawberry

from gql import errors, ids
from gql.context import Info
from gql.mutation import mutation
from gql.mutations.kit import IdempotencyKey
from gql.types.project import Project, ProjectInput
from resolvers import project as projects

ProjectId = Annotated[strawberry.ID, strawberry.argument(description="The project's id.")]
ExpectedVersion = Annotated[
    int | None, strawberry.argument(description="The version that you have seen; refused if it was changed since.")
]
GivenProject = Annotated[ProjectInput, strawberry.argument(description="The project.")]


@strawberry.type(description="The project was created.")
class ProjectCreatePayload:
    project: Project = strawberry.field(description="The new project.")


@strawberry.type(description="The project was changed.")
class ProjectCommandPayload:
    project: Project = strawberry.field(description="The project after the change.")


ProjectCreateAnswer = Annotated[
    ProjectCreatePayload | errors.ValidationFailed | errors.IdempotencyKeyReused | errors.PermissionDenied,
    strawberry.union("ProjectCreateAnswer", description="The new project, or why there is none."),
]
ProjectCommandAnswer = Annotated[
    ProjectCommandPayload
    | errors.ValidationFailed
    | errors.NotFound
    | errors.IllegalTransition
    | errors.VersionConflict
    | errors.InUse
    | errors.IdempotencyKeyReused
    | errors.PermissionDenied,
    strawberry.union("ProjectCommandAnswer", description="The project after the change, or why it was refused."),
]


@strawberry.type
class ProjectMutation:
    @mutation(description="Create a project for load tests.")
    async def project_create(
        self, info: Info, input: GivenProject, idempotency_key: IdempotencyKey = None
    ) -> ProjectCreateAnswer:
        context = info.context
        project = await projects.create_project(context.services, context.actor, input.document(), idempotency_key)
        return ProjectCreatePayload(project=Project.of(project))

    @mutation(description="Give the project another name, description and members, as an owner. What it was stays on record.")
    async def project_update(
        self,
        info: Info,
        id: ProjectId,
        input: GivenProject,
        expected_version: ExpectedVersion = None,
        idempotency_key: IdempotencyKey = None,
    ) -> ProjectCommandAnswer:
        services, actor = info.context.services, info.context.actor
        project = await projects.update_project(
            services, actor, ids.project_number(id), input.document(), expected_version, idempotency_key
        )
        return ProjectCommandPayload(project=Project.of(project))

    @mutation(
        description="Take the project out of the lists, while no run in it goes on. Its history stays, its name is free again."
    )
    async def project_archive(
        self, info: Info, id: ProjectId, expected_version: ExpectedVersion = None, idempotency_key: IdempotencyKey = None
    ) -> ProjectCommandAnswer:
        services, actor = info.context.services, info.context.actor
        project = await projects.archive_project(services, actor, ids.project_number(id), expected_version, idempotency_key)
        return ProjectCommandPayload(project=Project.of(project))
