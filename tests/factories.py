"""Objects for tests, complete where it matters and short where it does not."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from domain import commands
from domain.actor import Person
from domain.change import Change
from domain.executor import Executor, ExecutorKind
from domain.job_type import DEFAULT_TASKS, JobType
from domain.kit import Kit, KitIdentity, ProductLine
from domain.load_test import LoadTest, LoadTestDefinition, Scenario
from domain.load_test_run import LoadTestRun, RunStatus
from domain.permission_kind import PERMISSION_KINDS, PermissionAction, Right
from domain.project import ProjectDefinition, ProjectMember, ProjectRole
from domain.projection import empty_kit
from domain.scenario_request import ScenarioRequest
from domain.storage import Database, UnitOfWork
from domain.target import TargetDefinition, server_origin
from resolvers.live_permission_request import held_permissions
from resolvers.permission_request import approve_permission_request, create_permission_requests
from resolvers.services import Services

ADA = Person(
    subject="demo:ada",
    name="Ada",
    expires_at=datetime(2100, 1, 1, tzinfo=UTC),
    rights=frozenset(Right(line, action) for line in ProductLine for action in PermissionAction),
)
OWNER = ProjectMember("demo:ada", ProjectRole.OWNER)
DEFINITION: Mapping[str, Any] = {"template": "builtin", "deck": {"kind": "TABLE"}, "design": {}, "ml": {}, "optimize": {}}


def identity(name: str = "kit", *, id: int = 0, owner: str = "ada", line: ProductLine = ProductLine.LOGIC) -> KitIdentity:
    """What of a kit never changes."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return KitIdentity(id=id, name=name, owner=owner, product_line=line, definition=DEFINITION, created_at=at)


def created(kit: Kit, actor: str = "ada") -> Change:
    """The change that gives a kit its jobs and tasks."""
    change = Change.of(kit, actor)
    commands.create(change, DEFAULT_TASKS, {job_type: uuid4() for job_type in JobType})
    return change


def new_kit(at: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> Kit:
    """A kit as it is after its creation, without a database."""
    return created(empty_kit(identity(id=1))).recorded(at).kit


async def store(work: UnitOfWork, change: Change) -> Kit:
    """Store a change that nobody interferes with."""
    recorded = await work.kits.append([change])
    return change.recorded(recorded[change.kit.id]).kit


async def store_kit(database: Database, name: str = "kit", **values: Any) -> Kit:
    """Create a kit in the database."""
    async with database.transaction() as work:
        return await store(work, created(await work.kits.add(identity(name, **values))))


async def store_load_tests(database: Database, count: int) -> list[LoadTest]:
    """Load tests of one target that was never analysed."""
    asked = Executor(kind=ExecutorKind.CONSTANT_VUS, vus=1, duration=1)
    scenarios = (Scenario(name="s", requests=(ScenarioRequest(endpoint="GET /"),), executor=asked),)
    async with database.transaction() as work:
        project = await work.projects.add(ProjectDefinition(name="p", members=(OWNER,)), "ada")
        target = await work.targets.add(project.id, TargetDefinition(name="t", url="http://x.test"), "ada")
        named = [LoadTestDefinition(title=f"t{number}", server="http://x.test", scenarios=scenarios) for number in range(count)]
        return [await work.load_tests.add(target, each, "ada") for each in named]


async def store_run(database: Database, load_test: LoadTest) -> LoadTestRun:
    """A run of a load test, queued."""
    async with database.transaction() as work:
        return await work.load_test_runs.add(queued_run(load_test), "")


def queued_run(load_test: LoadTest) -> LoadTestRun:
    """A run of a load test as it is before it is stored."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return LoadTestRun(
        id=0,
        uuid=uuid4(),
        load_test_id=load_test.id,
        load_test_version=load_test.version,
        target_id=load_test.target_id,
        project_id=load_test.project_id,
        definition=load_test.definition,
        origin=server_origin(load_test.definition.server),
        document_sha256="",
        window_seconds=5,
        actor="ada",
        status=RunStatus.QUEUED,
        version=1,
        created_at=at,
        updated_at=at,
    )


async def change(database: Database, kit: Kit, *decisions: Any) -> Kit:
    """Apply commands to a kit and store what they cause."""
    made = Change.of(kit, "ada")
    for decide in decisions:
        decide(made)
    async with database.transaction() as work:
        return await store(work, made)


async def grant_everything(services: Services, *usernames: str, kinds: Iterable[str] = tuple(PERMISSION_KINDS)) -> None:
    """Let these demo users have every permission, or these kinds, applied for and approved as people do."""
    at = datetime.now(UTC)
    approver = Person(subject="demo:chris", name="Chris", expires_at=at, groups=frozenset({"approvers"}))
    for username in usernames:
        person = Person(subject=f"demo:{username}", name=username, expires_at=at)
        held = (await held_permissions(services, person)).grants
        if wanted := [kind for kind in kinds if kind not in held]:
            for request in await create_permission_requests(services, person, {"kinds": wanted, "reason": "for tests"}):
                await approve_permission_request(services, approver, request.id, "for tests")
