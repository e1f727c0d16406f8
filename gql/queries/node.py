"""Finding anything again by its id, and who asks."""

import asyncio
from typing import Annotated, Any
from uuid import UUID

import strawberry

from domain.attempt import AttemptKey
from domain.errors import NotFound, ValidationFailed
from domain.job import Job as DomainJob
from domain.model_version import VersionKey
from domain.permission_kind import PERMISSION_KINDS
from domain.query import EndpointQuery, EventQuery
from gql import ids
from gql.context import Context, Info
from gql.types.artifact import Artifact
from gql.types.attempt import Attempt
from gql.types.daily_batch_run import DailyBatchRun
from gql.types.deck_request import DeckRequest
from gql.types.endpoint import Endpoint
from gql.types.grant import Grant
from gql.types.job import Job
from gql.types.kit import Kit
from gql.types.kit_event import KitEvent
from gql.types.load_test import LoadTest
from gql.types.load_test_analysis import LoadTestAnalysis
from gql.types.load_test_run import LoadTestRun
from gql.types.lot_import import LotImport
from gql.types.lot_result import LotResult
from gql.types.lot_row import LotRow
from gql.types.model_access_request import ModelAccessRequest
from gql.types.model_assignment import ModelAssignment
from gql.types.model_version import ModelVersion
from gql.types.node import Node
from gql.types.permission_kind import PermissionKind
from gql.types.permission_request import PermissionRequest
from gql.types.project import Project
from gql.types.set_up_model import SetUpModel
from gql.types.step_template import StepTemplate
from gql.types.target import Target
from gql.types.task import Task
from gql.types.viewer import Viewer
from resolvers.authorisation import require_person
from resolvers.target import list_endpoints

MAX_IDS = 100


@strawberry.type
class NodeQueries:
    @strawberry.field(description="The one who asks.")
    def viewer(self, info: Info) -> Viewer:
        return Viewer.of(require_person(info.context.actor))

    @strawberry.field(description="The thing of that id; null where it does not exist.")
    async def node(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The thing's id.")]
    ) -> Node | None:
        return await _find(info.context, id)  # type: ignore[no-any-return]

    @strawberry.field(description="The things of these ids, in their order, null for each that does not exist. At most 100.")
    async def nodes(
        self, info: Info, ids: Annotated[list[strawberry.ID], strawberry.argument(description="The things' ids.")]
    ) -> list[Node | None]:
        if len(ids) > MAX_IDS:
            raise ValidationFailed.of("ids", f"are {len(ids)}; {MAX_IDS} are allowed")
        return list(await asyncio.gather(*(_find(info.context, each) for each in ids)))


async def _find(context: Context, id: str) -> Any:
    try:
        kind, key = ids.decode(id)
        return await FINDERS[kind](context, *key)
    except (NotFound, ValueError, TypeError, OverflowError):
        return None


async def _kit(context: Context, number: str) -> Kit | None:
    kit = await context.loaders.kit_by_id.load(ids.kit_number(ids.encode("Kit", number)))
    return None if kit is None else Kit.of(kit)


async def _domain_job(context: Context, job_id: str) -> DomainJob | None:
    return await context.loaders.job_by_id.load(UUID(job_id))


async def _job(context: Context, job_id: str) -> Job | None:
    job = await _domain_job(context, job_id)
    return None if job is None else Job.of(job)


async def _task(context: Context, job_id: str, order: str) -> Task | None:
    job = await _domain_job(context, job_id)
    return next((Task.of(task) for task in job.tasks if str(task.order) == order), None) if job else None


async def _attempt(context: Context, job_id: str, number: str) -> Attempt | None:
    if await _domain_job(context, job_id) is None:
        return None
    key = AttemptKey(UUID(job_id), int(number))
    found = await context.loaders.attempts_by_job.load(key.job_id)
    return next((Attempt.of(attempt) for attempt in found if attempt.key == key), None)


async def _event(context: Context, number: str, version: str) -> KitEvent | None:
    if await context.loaders.kit_by_id.load(int(number)) is None:
        return None
    page = await context.loaders.events.load(EventQuery(kit_id=int(number), after=int(version) - 1, first=1))
    return next((KitEvent.of(event) for event in page.items if event.version == int(version)), None)


async def _artifact(context: Context, artifact_id: str) -> Artifact | None:
    artifact = await context.loaders.artifact_by_id.load(UUID(artifact_id))
    return None if artifact is None else Artifact.of(artifact)


async def _deck_request(context: Context, number: str) -> DeckRequest | None:
    request = await context.loaders.deck_request_by_id.load(int(number))
    job = None if request is None else await _domain_job(context, str(request.job_id))
    return None if request is None or job is None else DeckRequest.of(request, job)


async def _step_template(context: Context, name: str) -> StepTemplate | None:
    template = context.services.steps.templates.get(name)
    return None if template is None else StepTemplate.of(template)


async def _project(context: Context, number: str) -> Project | None:
    project = await context.loaders.project_by_id.load(int(number))
    return None if project is None else Project.of(project)


async def _target(context: Context, number: str) -> Target | None:
    target = await context.loaders.target_by_id.load(int(number))
    return None if target is None else Target.of(target)


async def _load_test(context: Context, number: str) -> LoadTest | None:
    load_test = await context.loaders.load_test_by_id.load(int(number))
    return None if load_test is None else LoadTest.of(load_test)


async def _load_test_run(context: Context, number: str) -> LoadTestRun | None:
    run = await context.loaders.run_by_id.load(int(number))
    return None if run is None else LoadTestRun.of(run)


async def _load_test_analysis(context: Context, number: str) -> LoadTestAnalysis | None:
    analysis = await context.loaders.analysis_by_id.load(int(number))
    return None if analysis is None else LoadTestAnalysis.of(analysis)


async def _endpoint(context: Context, target: str, analysis: str, place: str) -> Endpoint | None:
    query = EndpointQuery(target_id=int(target), analysis=int(analysis), after=int(place) - 1, first=1)
    page = await list_endpoints(context.services, context.actor, query)
    found = (each for at, each in page.items if at == int(place))
    return next((Endpoint.of(int(target), int(analysis), int(place), each) for each in found), None)


async def _permission_kind(context: Context, name: str) -> PermissionKind | None:
    kind = PERMISSION_KINDS.get(name)
    return None if kind is None else PermissionKind.of(kind)


async def _permission_request(context: Context, number: str) -> PermissionRequest | None:
    request = await context.loaders.permissions.request_by_id.load(int(number))
    return None if request is None else PermissionRequest.of(request)


async def _grant(context: Context, number: str) -> Grant | None:
    grant = await context.loaders.permissions.grant_by_id.load(int(number))
    return None if grant is None else Grant.of(grant)


async def _lot_row(context: Context, number: str) -> LotRow | None:
    row = await context.loaders.lots.row_by_id.load(int(number))
    return None if row is None else LotRow.of(row)


async def _lot_import(context: Context, number: str) -> LotImport | None:
    found = await context.loaders.lots.import_by_id.load(int(number))
    return None if found is None else LotImport.of(found)


async def _set_up_model(context: Context, number: str) -> SetUpModel | None:
    model = await context.loaders.of_models.by_id.load(int(number))
    return None if model is None else SetUpModel.of(model)


async def _model_version(context: Context, model: str, number: str) -> ModelVersion | None:
    version = await context.loaders.of_models.version_by_key.load(VersionKey(int(model), int(number)))
    return None if version is None else ModelVersion.of(version)


async def _model_access_request(context: Context, number: str) -> ModelAccessRequest | None:
    request = await context.loaders.of_models.access_request_by_id.load(int(number))
    return None if request is None else ModelAccessRequest.of(request)


async def _model_assignment(context: Context, number: str) -> ModelAssignment | None:
    assignment = await context.loaders.batch.assignment_by_id.load(int(number))
    return None if assignment is None else ModelAssignment.of(assignment)


async def _lot_result(context: Context, number: str) -> LotResult | None:
    result = await context.loaders.batch.result_by_id.load(int(number))
    return None if result is None else LotResult.of(result)


async def _daily_batch_run(context: Context, number: str) -> DailyBatchRun | None:
    run = await context.loaders.batch.run_by_id.load(int(number))
    return None if run is None else DailyBatchRun.of(run)


FINDERS: dict[str, Any] = {
    "Kit": _kit,
    "Job": _job,
    "Task": _task,
    "Attempt": _attempt,
    "KitEvent": _event,
    "Artifact": _artifact,
    "DeckRequest": _deck_request,
    "StepTemplate": _step_template,
    "Project": _project,
    "Target": _target,
    "LoadTest": _load_test,
    "LoadTestRun": _load_test_run,
    "LoadTestAnalysis": _load_test_analysis,
    "Endpoint": _endpoint,
    "PermissionKind": _permission_kind,
    "PermissionRequest": _permission_request,
    "Grant": _grant,
    "LotRow": _lot_row,
    "LotImport": _lot_import,
    "SetUpModel": _set_up_model,
    "ModelVersion": _model_version,
    "ModelAccessRequest": _model_access_request,
    "ModelAssignment": _model_assignment,
    "LotResult": _lot_result,
    "DailyBatchRun": _daily_batch_run,
}
