"""What an operation finds as `info.context`: who asks, the services, and loaders that live as long as one result."""

from collections import defaultdict
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import strawberry
from strawberry.dataloader import DataLoader
from strawberry.types.graphql import OperationType

from domain.actor import Actor, Person
from domain.artifact import Artifact, AttemptArtifact, RunArtifact
from domain.attempt import Attempt
from domain.daily_batch_run import BatchPart, BatchRefusal, DailyBatchRun
from domain.deck_request import DeckRequest
from domain.event import Event
from domain.grant import Grant
from domain.job import Job
from domain.kit import Kit
from domain.load_test import LoadTest, LoadTestDefinition
from domain.load_test_analysis import LoadTestAnalysis
from domain.load_test_run import LoadTestRun, RunEvent
from domain.lot_import import LotImport
from domain.lot_result import LotResult
from domain.lot_row import LotRow, LotRowVersion
from domain.metric_series import MetricSeries, RunFigures
from domain.model_access_request import ModelAccessRequest
from domain.model_assignment import ModelAssignment
from domain.model_version import ModelActivation, ModelVersion, VersionKey
from domain.permission_request import PermissionRequest
from domain.project import Project, ProjectDefinition
from domain.query import EventQuery, HistoryQuery, Page, SetUpModelQuery, WindowQuery
from domain.resource_usage import ResourceSeries
from domain.run_queue import Wait
from domain.secret import Secret
from domain.set_up_model import ModelDefinition, ModelFile, SetUpModel
from domain.stale_scenario import StaleScenario
from domain.target import Target, TargetAnalysis, TargetDefinition
from domain.version import Version
from domain.visibility import Visibility
from gql.sharing import SharedResults
from resolvers import artifact as artifacts
from resolvers import daily_batch_run as batch_runs
from resolvers import grant as grants
from resolvers import job as jobs
from resolvers import kit as kits
from resolvers import load_test as load_tests
from resolvers import load_test_analysis as analyses
from resolvers import load_test_run as runs
from resolvers import lot_import as lot_imports
from resolvers import lot_result as lot_results
from resolvers import lot_row as lot_rows
from resolvers import model_access_request as model_access
from resolvers import model_assignment as assignments
from resolvers import model_version as model_versions
from resolvers import permission_request as permission_requests
from resolvers import project as projects
from resolvers import secret as secrets
from resolvers import set_up_model as models
from resolvers import target as targets
from resolvers.authorisation import require_person, visibility_of
from resolvers.job_log import LogFrame, LogPlace, read_logs
from resolvers.live_feeds import LiveFeeds
from resolvers.open_streams import OpenStream
from resolvers.rights import with_rights
from resolvers.services import Services

Key = TypeVar("Key")
Value = TypeVar("Value")


class Histories:
    """All that things became, in pages."""

    def __init__(self, services: Services) -> None:
        self.projects: DataLoader[HistoryQuery, Page[Version[ProjectDefinition]]] = DataLoader(
            load_fn=lambda queries: projects.versions_of_projects(services, queries)
        )
        self.targets: DataLoader[HistoryQuery, Page[Version[TargetDefinition]]] = DataLoader(
            load_fn=lambda queries: targets.versions_of_targets(services, queries)
        )
        self.target_analyses: DataLoader[HistoryQuery, Page[TargetAnalysis]] = DataLoader(
            load_fn=lambda queries: targets.analyses_of_targets(services, queries)
        )
        self.load_tests: DataLoader[HistoryQuery, Page[Version[LoadTestDefinition]]] = DataLoader(
            load_fn=lambda queries: load_tests.versions_of_load_tests(services, queries)
        )
        self.runs: DataLoader[HistoryQuery, Page[RunEvent]] = DataLoader(
            load_fn=lambda queries: runs.events_of_runs(services, queries)
        )
        self.set_up_models: DataLoader[HistoryQuery, Page[Version[ModelDefinition]]] = DataLoader(
            load_fn=lambda queries: models.revisions_of_models(services, queries)
        )
        self.model_versions: DataLoader[HistoryQuery, Page[ModelVersion]] = DataLoader(
            load_fn=lambda queries: model_versions.versions_of_models(services, queries)
        )
        self.model_activations: DataLoader[HistoryQuery, Page[ModelActivation]] = DataLoader(
            load_fn=lambda queries: model_versions.activations_of_models(services, queries)
        )


class OfRuns:
    """What belongs to runs of load tests; `WindowsRemoved` where what they measured is gone."""

    def __init__(self, services: Services) -> None:
        self.series: DataLoader[WindowQuery, Sequence[MetricSeries]] = DataLoader(
            load_fn=lambda queries: runs.series_of_runs(services, queries)
        )
        self.figures: DataLoader[int, Sequence[RunFigures]] = DataLoader(
            load_fn=lambda keys: runs.figures_of_runs(services, keys)
        )
        self.resources: DataLoader[WindowQuery, list[ResourceSeries]] = DataLoader(
            load_fn=lambda queries: runs.resources_of_runs(services, queries)
        )
        self.scripts: DataLoader[int, str | None] = DataLoader(load_fn=_found(lambda keys: runs.scripts_of_runs(services, keys)))
        self.waits: DataLoader[int, Wait | None] = DataLoader(load_fn=_found(lambda keys: runs.waits_of_runs(services, keys)))
        self.reports: DataLoader[int, list[RunArtifact]] = DataLoader(
            load_fn=_grouped(lambda keys: artifacts.reports_of_runs(services, keys), lambda artifact: artifact.run_id)
        )


class OfLots:
    """Lot rows with their versions, and imports of them."""

    def __init__(self, services: Services, actor: Actor) -> None:
        self.row_by_id: DataLoader[int, LotRow | None] = DataLoader(
            load_fn=_found(lambda keys: lot_rows.find_lot_rows(services, actor, keys))
        )
        self.versions: DataLoader[HistoryQuery, Page[LotRowVersion]] = DataLoader(
            load_fn=lambda queries: lot_rows.versions_of_lot_rows(services, actor, queries)
        )
        self.import_by_id: DataLoader[int, LotImport | None] = DataLoader(
            load_fn=_found(lambda keys: lot_imports.find_lot_imports(services, actor, keys))
        )


class OfModels:
    """Set-up models, and what belongs to them."""

    def __init__(self, services: Services, actor: Actor) -> None:
        self.by_id: DataLoader[int, SetUpModel | None] = DataLoader(
            load_fn=_found(lambda keys: models.find_models(services, actor, keys))
        )
        self.copies: DataLoader[SetUpModelQuery, Page[SetUpModel]] = DataLoader(
            load_fn=lambda queries: models.copies_of_models(services, actor, queries)
        )
        self.version_by_key: DataLoader[VersionKey, ModelVersion | None] = DataLoader(
            load_fn=_found(lambda keys: model_versions.find_versions(services, actor, keys))
        )
        self.file_by_output: DataLoader[UUID, ModelFile | None] = DataLoader(
            load_fn=_found(lambda keys: artifacts.model_files(services, actor, keys))
        )
        self.active_at: DataLoader[tuple[int, datetime], ModelActivation | None] = DataLoader(
            load_fn=_found(lambda places: model_versions.active_at(services, places))
        )
        self.requests_of_viewer: DataLoader[int, list[ModelAccessRequest] | None] = DataLoader(
            load_fn=_found(lambda keys: model_access.open_requests(services, actor, keys))
        )
        self.access_request_by_id: DataLoader[int, ModelAccessRequest | None] = DataLoader(
            load_fn=_found(lambda keys: model_access.find_access_requests(services, actor, keys))
        )


class OfPermissions:
    """Applications for permissions, and permissions."""

    def __init__(self, services: Services, actor: Actor) -> None:
        self.request_by_id: DataLoader[int, PermissionRequest | None] = DataLoader(
            load_fn=_found(lambda keys: permission_requests.find_permission_requests(services, actor, keys))
        )
        self.grant_by_id: DataLoader[int, Grant | None] = DataLoader(
            load_fn=_found(lambda keys: grants.find_grants(services, actor, keys))
        )


class OfBatch:
    """What belongs to the daily batch: assignments, runs and results."""

    def __init__(self, services: Services, actor: Actor) -> None:
        self.assignment_by_id: DataLoader[int, ModelAssignment | None] = DataLoader(
            load_fn=_found(lambda keys: assignments.find_assignments(services, actor, keys))
        )
        self.in_force: DataLoader[tuple[int, str], bool | None] = DataLoader(
            load_fn=_found(lambda pairs: assignments.in_force(services, pairs))
        )
        self.run_by_id: DataLoader[int, DailyBatchRun | None] = DataLoader(
            load_fn=_found(lambda keys: batch_runs.find_daily_batch_runs(services, actor, keys))
        )
        self.parts: DataLoader[int, list[BatchPart]] = DataLoader(
            load_fn=_grouped(lambda keys: batch_runs.parts_of_runs(services, keys), lambda part: part.run_id)
        )
        self.refusals: DataLoader[HistoryQuery, Page[BatchRefusal]] = DataLoader(
            load_fn=lambda queries: batch_runs.refusals_of_runs(services, queries)
        )
        self.result_by_id: DataLoader[int, LotResult | None] = DataLoader(
            load_fn=_found(lambda keys: lot_results.find_lot_results(services, actor, keys))
        )
        self.results_of_row: DataLoader[HistoryQuery, Page[LotResult]] = DataLoader(
            load_fn=lambda queries: lot_results.results_of_lot_rows(services, actor, queries)
        )


class Loaders:
    """Crossing from one aggregate to another without a statement for each: keys of one moment go in one read."""

    def __init__(self, services: Services, actor: Actor) -> None:
        self.kit_by_id: DataLoader[int, Kit | None] = DataLoader(
            load_fn=_found(lambda keys: kits.find_kits(services, actor, keys))
        )
        self.job_by_id: DataLoader[UUID, Job | None] = DataLoader(
            load_fn=_found(lambda keys: jobs.find_jobs(services, actor, keys))
        )
        self.artifact_by_id: DataLoader[UUID, Artifact | None] = DataLoader(
            load_fn=_found(lambda keys: artifacts.find_artifacts(services, actor, keys))
        )
        self.deck_request_by_id: DataLoader[int, DeckRequest | None] = DataLoader(
            load_fn=_found(lambda keys: jobs.find_deck_requests(services, actor, keys))
        )
        self.project_by_id: DataLoader[int, Project | None] = DataLoader(
            load_fn=_found(lambda keys: projects.find_projects(services, actor, keys))
        )
        self.target_by_id: DataLoader[int, Target | None] = DataLoader(
            load_fn=_found(lambda keys: targets.find_targets(services, actor, keys))
        )
        self.secrets_by_target: DataLoader[int, list[Secret]] = DataLoader(
            load_fn=_grouped(lambda keys: secrets.secrets_of_targets(services, keys), lambda secret: secret.target_id)
        )
        self.load_test_by_id: DataLoader[int, LoadTest | None] = DataLoader(
            load_fn=_found(lambda keys: load_tests.find_load_tests(services, actor, keys))
        )
        self.stale_scenarios_by_load_test: DataLoader[int, list[StaleScenario] | None] = DataLoader(
            load_fn=_found(lambda keys: load_tests.stale_scenarios(services, keys))
        )
        self.run_by_id: DataLoader[int, LoadTestRun | None] = DataLoader(
            load_fn=_found(lambda keys: runs.find_runs(services, actor, keys))
        )
        self.last_run_by_load_test: DataLoader[int, LoadTestRun | None] = DataLoader(
            load_fn=_found(lambda keys: runs.last_runs(services, keys))
        )
        self.analysis_by_id: DataLoader[int, LoadTestAnalysis | None] = DataLoader(
            load_fn=_found(lambda keys: analyses.find_analyses(services, actor, keys))
        )
        self.permissions = OfPermissions(services, actor)
        self.lots = OfLots(services, actor)
        self.batch = OfBatch(services, actor)
        self.histories = Histories(services)
        self.of_runs = OfRuns(services)
        self.of_models = OfModels(services, actor)
        self.events: DataLoader[EventQuery, Page[Event]] = DataLoader(
            load_fn=lambda queries: kits.events_of_kits(services, queries)
        )
        self.log_at: DataLoader[LogPlace, LogFrame | None] = DataLoader(load_fn=lambda places: read_logs(services, places))
        self.attempts_by_job: DataLoader[UUID, list[Attempt]] = DataLoader(
            load_fn=_grouped(lambda keys: jobs.attempts_of_jobs(services, keys), lambda attempt: attempt.job_id)
        )
        self.artifacts_by_job: DataLoader[UUID, list[AttemptArtifact]] = DataLoader(
            load_fn=_grouped(lambda keys: jobs.artifacts_of_jobs(services, keys), lambda artifact: artifact.attempt.job_id)
        )
        self.deck_requests_by_job: DataLoader[UUID, list[DeckRequest]] = DataLoader(
            load_fn=_grouped(lambda keys: jobs.deck_requests_of_jobs(services, keys), lambda request: request.job_id)
        )


def _found(
    find: Callable[[list[Key]], Coroutine[Any, Any, Mapping[Key, Value]]],
) -> Callable[[list[Key]], Coroutine[Any, Any, list[Value | None]]]:
    async def load_each(keys: list[Key]) -> list[Value | None]:
        found = await find(keys)
        return [found.get(key) for key in keys]

    return load_each


def _grouped(
    load: Callable[[list[Key]], Coroutine[Any, Any, Sequence[Value]]], key_of: Callable[[Value], Key]
) -> Callable[[list[Key]], Coroutine[Any, Any, list[list[Value]]]]:
    async def load_groups(keys: list[Key]) -> list[list[Value]]:
        groups: dict[Key, list[Value]] = defaultdict(list)
        for value in await load(keys):
            groups[key_of(value)].append(value)
        return [groups[key] for key in keys]

    return load_groups


@dataclass(frozen=True)
class Context:
    """The context of one operation. Its actor's rights are those of the moment when it was admitted; `stream` lasts as they do.

    `present_kit` is `gql.types.kit.Kit.of`: types of jobs lead to kits and those to jobs, and modules can't. So do load tests and
    their runs: `present_run` is `gql.types.load_test_run.LoadTestRun.of`; results and lot rows: `present_lot_row`; and
    applications for access and models: `present_model`.
    """

    actor: Actor
    services: Services
    live: LiveFeeds
    present_kit: Callable[..., Any]
    present_run: Callable[..., Any]
    present_lot_row: Callable[..., Any]
    present_model: Callable[..., Any]
    shared_results: SharedResults
    stream: OpenStream | None = None
    loaders: Loaders = field(init=False)

    def __post_init__(self) -> None:
        self._speak_for(self.actor)

    @property
    def visibility(self) -> Visibility:
        """What the actor can see."""
        return visibility_of(self.actor)

    async def admit(self, operation: OperationType) -> None:
        """Refuse what the actor may not run: a worker reports, and reads nothing. Read what a person's permissions open now.

        Each field of a mutation does that itself (`gql/mutation.py`).
        """
        if operation is OperationType.MUTATION:
            return
        require_person(self.actor)
        await self.renew_rights()
        if self.stream is not None and operation is OperationType.SUBSCRIPTION and isinstance(self.actor, Person):
            self.stream.hold(self.actor.rights)

    async def renew_rights(self) -> None:
        """Read what a person's permissions open now; nothing that was loaded before is kept."""
        self._speak_for(await with_rights(self.services, self.actor))

    def _speak_for(self, actor: Actor) -> None:
        object.__setattr__(self, "actor", actor)
        object.__setattr__(self, "loaders", Loaders(self.services, actor))

    def fresh(self) -> "Context":
        """The same context with new, empty loaders."""
        return replace(self)


Info = strawberry.Info[Context, None]
