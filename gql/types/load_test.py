"""Load tests: what is asked of a target, how often, and how good the answers have to be."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import strawberry
from strawberry.scalars import JSON

from domain import answer, executor, scenario_request
from domain import load_test as domain
from domain.query import LoadTestQuery, NamedOrder, Page
from domain.version import Version
from gql import ids
from gql.context import Info
from gql.types import version as versions
from gql.types.connection import After, Connection, First, checked_first, checked_text, history_query, page_parts
from gql.types.enums import CheckKind, ExecutorKind, ExtractionSource, ParameterLocation
from gql.types.login import Login
from gql.types.node import Node
from gql.types.project import Project, named_cursor, named_place
from gql.types.target import EndpointChange, Target
from resolvers import load_test as load_tests

if TYPE_CHECKING:
    from gql.types.load_test_run import LoadTestRun


@strawberry.type(description="A value of a parameter, given by a user.")
class GivenParameter:
    location: ParameterLocation = strawberry.field(description="Where a request carries it.")
    name: str = strawberry.field(description="The parameter's name.")
    value: JSON | None = strawberry.field(description="Its value; null where the parameter is left out.")


@strawberry.type(description="A header, given by a user.")
class Header:
    name: str = strawberry.field(description="Its name.")
    value: str = strawberry.field(description="Its value.")


@strawberry.type(description="Something that has to hold of an answer besides its status; what a kind does not look at is null.")
class Check:
    kind: CheckKind = strawberry.field(description="What it looks at.")
    text: str | None = strawberry.field(description="What the body or header has to be or to contain.")
    pointer: str | None = strawberry.field(description="Where it looks in a JSON body (RFC 6901).")
    value: JSON | None = strawberry.field(description="What has to be there.")
    header: str | None = strawberry.field(description="The header's name.")
    milliseconds: float | None = strawberry.field(description="What the response time has to stay below.")


@strawberry.type(description="A value that later requests of the scenario take from an answer.")
class Extraction:
    name: str = strawberry.field(description="What texts call it, as in `${name}`.")
    source: ExtractionSource = strawberry.field(description="Where it is taken from.")
    pointer: str = strawberry.field(description="Of JSON: where it is in the body (RFC 6901).")
    key: str = strawberry.field(description="The name of the header or cookie.")


@strawberry.type(description="One request of a scenario.")
class ScenarioRequest:
    endpoint: str = strawberry.field(description="Method and path, as in `GET /pets/{id}`.")
    parameters: list[GivenParameter] = strawberry.field(description="The values that take the place of the document's.")
    headers: list[Header] = strawberry.field(description="The headers that are sent besides.")
    body: JSON | None = strawberry.field(description="The body that was given; null where it is made from the document.")
    media_type: str | None = strawberry.field(description="What the body is; null where the document decides.")
    expected_statuses: list[int] = strawberry.field(description="The statuses of a good answer; none stand for 200 to 399.")
    checks: list[Check] = strawberry.field(description="What else has to hold of the answer.")
    extract: list[Extraction] = strawberry.field(description="What later requests take from the answer.")


@strawberry.type(description="A point of a load, between which it goes in straight lines.")
class LoadPoint:
    second: float = strawberry.field(description="Seconds after the start of the test.")
    level: float = strawberry.field(description="Virtual users, or iterations a second of arrival-rate executors.")


@strawberry.type(description="How a scenario makes its load.")
class Executor:
    kind: ExecutorKind = strawberry.field(description="Which of k6's executors.")
    options: JSON = strawberry.field(
        description="Its options with all defaults, as `ExecutorInput` names them; times in seconds."
    )
    profile: list[LoadPoint] = strawberry.field(description="The load over time, as points to draw.")
    most_vus: int = strawberry.field(description="The most virtual users there can be at a time.")
    planned_iterations: float | None = strawberry.field(
        description="Iterations that it starts if the API keeps up, a whole number; null where that depends on its answers."
    )
    last_second: float = strawberry.field(description="When, after the start of the test, nothing of it can run any more.")


@strawberry.type(description="What some of the virtual users do: requests in order, then a pause, over and over.")
class Scenario:
    name: str = strawberry.field(description="Its name.")
    requests: list[ScenarioRequest] = strawberry.field(description="Its requests, in their order.")
    executor: Executor = strawberry.field(description="How it makes its load.")
    shortest_think_time: float = strawberry.field(description="The shortest pause after an iteration, in seconds.")
    longest_think_time: float = strawberry.field(description="The longest pause after an iteration, in seconds.")
    percentile: float = strawberry.field(description="Which percentile of the response times is judged, 0 to 100.")
    response_time: float | None = strawberry.field(description="What that may be at most, in milliseconds; null: anything.")
    error_rate: float | None = strawberry.field(description="The most of all requests that may fail, 0 to 1; null: any.")
    timeout: float = strawberry.field(description="Seconds after which a request without an answer has failed.")
    allow_unsafe: bool = strawberry.field(description="Whether its requests may have methods that change something.")

    @classmethod
    def of(cls, scenario: domain.Scenario) -> "Scenario":
        """The type for a scenario of the domain."""
        return cls(
            name=scenario.name,
            requests=[_request(each) for each in scenario.requests],
            executor=_executor(scenario.executor),
            shortest_think_time=scenario.think_time[0],
            longest_think_time=scenario.think_time[1],
            percentile=scenario.percentile,
            response_time=scenario.response_time,
            error_rate=scenario.error_rate,
            timeout=scenario.timeout,
            allow_unsafe=scenario.allows_unsafe,
        )


def _request(request: scenario_request.ScenarioRequest) -> ScenarioRequest:
    return ScenarioRequest(
        endpoint=request.endpoint,
        parameters=[
            GivenParameter(location=each.location, name=each.name, value=None if each.value is None else JSON(each.value))
            for each in request.parameters
        ],
        headers=[Header(name=name, value=value) for name, value in request.headers],
        body=None if request.body is None else JSON(request.body),
        media_type=request.media_type,
        expected_statuses=list(request.expected_statuses),
        checks=[_check(each) for each in request.checks],
        extract=[
            Extraction(name=each.name, source=each.source, pointer=each.pointer, key=each.key) for each in request.extractions
        ],
    )


def _check(check: answer.Check) -> Check:
    told = {name: value for name, value in check.as_json().items() if name != "kind"}
    names = ("text", "pointer", "value", "header", "milliseconds")
    return Check(kind=check.kind, **{name: told.get(name) for name in names})


def _executor(given: executor.Executor) -> Executor:
    return Executor(
        kind=given.kind,
        options=JSON(given.as_json()),
        profile=[LoadPoint(second=second, level=level) for second, level in given.profile()],
        most_vus=given.most_vus,
        planned_iterations=given.planned_iterations,
        last_second=given.last_second,
    )


@strawberry.type(description="A scenario that was made for something else than its target now is.")
class StaleScenario:
    name: str = strawberry.field(description="The scenario's name.")
    gone: list[str] = strawberry.field(description="Endpoints that the target's last document has no more.")
    changed: list[str] = strawberry.field(
        description="Endpoints that want other requests or another login than they did, or are at another server."
    )
    is_server_gone: bool = strawberry.field(
        description="The load test's server is not one that the target's document names any more, or the target has moved away."
    )
    details: list[EndpointChange] = strawberry.field(
        description="What of these has changed since the load test was saved; empty for one that was before that was noted."
    )


@strawberry.interface(
    description="What people say of a load test: of one as it is, of a version as it was, of a run as it was at its start."
)
class LoadTestDefinition:
    title: str = strawberry.field(
        description="The load test's title. Among the load tests of a project that are not archived each is there once."
    )
    description: str = strawberry.field(description="What it is for.")
    server: str = strawberry.field(description="The base address that is called.")
    target_tps: float | None = strawberry.field(description="The least rate of requests a second that passes; null: any.")
    percentile: float = strawberry.field(description="Which percentile of all response times is judged, 0 to 100.")
    response_time: float | None = strawberry.field(
        description="What that may be at most, in milliseconds, of all scenarios together; null: anything."
    )
    error_rate: float | None = strawberry.field(
        description="The most of the requests of all scenarios together that may fail, 0 to 1; null: any."
    )
    seed: int = strawberry.field(description="Decides over all values that are made.")
    fill_optional: bool = strawberry.field(description="Whether made bodies and queries have what is optional too.")
    login: Login | None = strawberry.field(description="How its requests identify themselves; null for not at all.")
    scenarios: list[Scenario] = strawberry.field(description="What is done, side by side.")
    last_second: float = strawberry.field(description="When, after its set-up, nothing of it can run any more, in seconds.")

    @staticmethod
    def parts(definition: domain.LoadTestDefinition) -> dict[str, Any]:
        """The fields for a definition of the domain."""
        return {
            "title": definition.title,
            "description": definition.description,
            "server": definition.server,
            "target_tps": definition.target_tps,
            "percentile": definition.percentile,
            "response_time": definition.response_time,
            "error_rate": definition.error_rate,
            "seed": definition.seed,
            "fill_optional": definition.fills_optional,
            "login": None if definition.login is None else Login.of(definition.login),
            "scenarios": [Scenario.of(each) for each in definition.scenarios],
            "last_second": definition.last_second,
        }


@strawberry.type(description="What a load test was.")
class LoadTestVersion(LoadTestDefinition, versions.Version):
    @classmethod
    def of(cls, version: Version[domain.LoadTestDefinition]) -> "LoadTestVersion":
        """The type for a version of the domain."""
        return cls(**versions.version_parts(version), **cls.parts(version.definition))


@strawberry.type(description="A page of a load test's versions, oldest first.")
class LoadTestVersionConnection(Connection[LoadTestVersion]):
    @classmethod
    def of(cls, page: Page[Version[domain.LoadTestDefinition]], after: str | None) -> "LoadTestVersionConnection":
        """The connection for a page of versions."""
        return cls(**versions.version_page(page, LoadTestVersion.of, after))


@strawberry.type(description="A load test: scenarios that run side by side against a target, and what passes.")
class LoadTest(LoadTestDefinition, Node):
    number: int = strawberry.field(description="The short number that people quote.")
    owner: str = strawberry.field(description="The subject of the person who created it.")
    version: int = strawberry.field(description="Grows by one with each change.")
    created_at: datetime = strawberry.field(description="When it was created.")
    updated_at: datetime = strawberry.field(description="When it was last changed.")
    archived_at: datetime | None = strawberry.field(description="When it was taken out of the lists.")
    project_id: strawberry.Private[int]
    target_id: strawberry.Private[int]

    @strawberry.field(description="The project that it belongs to.")
    async def project(self, info: Info) -> Project | None:
        project = await info.context.loaders.project_by_id.load(self.project_id)
        return None if project is None else Project.of(project)

    @strawberry.field(description="The API that it tests.")
    async def target(self, info: Info) -> Target | None:
        target = await info.context.loaders.target_by_id.load(self.target_id)
        return None if target is None else Target.of(target)

    @strawberry.field(
        description="The scenarios that the target's last analysis makes stale; saving the load test again accepts what is there."
    )
    async def stale_scenarios(self, info: Info) -> list[StaleScenario]:
        found = await info.context.loaders.stale_scenarios_by_load_test.load(self.number) or []
        return [
            StaleScenario(
                name=each.name,
                gone=list(each.gone),
                changed=list(each.changed),
                is_server_gone=each.is_server_gone,
                details=[EndpointChange.of(change) for change in each.details],
            )
            for each in found
        ]

    @strawberry.field(description="Its last run, wherever that stands; null before the first.")
    async def last_run(self, info: Info) -> Annotated["LoadTestRun", strawberry.lazy("gql.types.load_test_run")] | None:
        run = await info.context.loaders.last_run_by_load_test.load(self.number)
        return None if run is None else info.context.present_run(run)

    @strawberry.field(description="What it was and is: its versions, oldest first.")
    async def versions(self, info: Info, first: First = 50, after: After = None) -> LoadTestVersionConnection:
        query = history_query("version", self.number, first, after)
        return LoadTestVersionConnection.of(await info.context.loaders.histories.load_tests.load(query), after)

    @classmethod
    def of(cls, load_test: domain.LoadTest) -> "LoadTest":
        """The type for a load test of the domain."""
        return cls(
            id=strawberry.ID(ids.encode("LoadTest", load_test.id)),
            number=load_test.id,
            **cls.parts(load_test.definition),
            owner=load_test.owner,
            version=load_test.version,
            created_at=load_test.created_at,
            updated_at=load_test.updated_at,
            archived_at=load_test.archived_at,
            project_id=load_test.project_id,
            target_id=load_test.target_id,
        )


@strawberry.input(
    description="Which load tests. What is left out does not restrict; archived ones are left out unless asked for."
)
class LoadTestFilter:
    project_id: strawberry.ID | None = strawberry.field(default=None, description="Of the project with this id.")
    target_id: strawberry.ID | None = strawberry.field(default=None, description="Of the target with this id.")
    title_prefix: str | None = strawberry.field(default=None, description="Whose title begins so, letter by letter.")
    is_archived: bool | None = strawberry.field(default=False, description="Archived or not; null for both.")


@strawberry.type(description="A page of load tests.")
class LoadTestConnection(Connection[LoadTest]):
    query: strawberry.Private[LoadTestQuery]

    @strawberry.field(description="How many load tests the filter has in all; costs a count.")
    async def total_count(self, info: Info) -> int:
        return await load_tests.count_load_tests(info.context.services, info.context.actor, self.query)

    @classmethod
    def of(cls, page: Page[domain.LoadTest], query: LoadTestQuery, after: str | None) -> "LoadTestConnection":
        """The connection for a page of load tests."""
        cursors = [named_cursor("load test", query.order, each.definition.title, each.id) for each in page.items]
        nodes = [LoadTest.of(each) for each in page.items]
        return cls(query=query, **page_parts(nodes, cursors, has_more=page.has_more, after=after))


def load_test_query(
    chosen: LoadTestFilter | None, order: NamedOrder, is_descending: bool, first: int, after: str | None = None
) -> LoadTestQuery:
    """The domain's query for a filter as sent; a project or target that does not exist has no load tests."""
    chosen = chosen or LoadTestFilter()
    return LoadTestQuery(
        project_id=None if chosen.project_id is None else ids.found(ids.project_number, chosen.project_id) or 0,
        target_id=None if chosen.target_id is None else ids.found(ids.target_number, chosen.target_id) or 0,
        title_prefix=checked_text("filter.titlePrefix", chosen.title_prefix),
        is_archived=chosen.is_archived,
        order=order,
        is_descending=is_descending,
        after=named_place("load test", order, after),
        first=checked_first(first),
    )
