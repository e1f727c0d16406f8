"""Reading load tests: what can be asked of them, as the root of a query."""

from typing import Annotated

import strawberry

from domain.template import shown
from gql import errors, ids
from gql.context import Info
from gql.types.enums import NamedOrder
from gql.types.kit_input import as_document
from gql.types.load_test import LoadTest, LoadTestConnection, LoadTestFilter, Scenario, load_test_query
from gql.types.load_test_input import LoadTestInput
from resolvers import load_test as load_tests


@strawberry.type(description="A request as it is sent.")
class PlannedRequest:
    name: str = strawberry.field(description="Method and path, with the parameters in braces.")
    url: str = strawberry.field(description="The address that is called; what is put in while it runs stands as `${name}`.")
    headers: list[str] = strawberry.field(description="The headers that PLOG sets, as in `Accept: */*`; k6 adds its own.")
    body: str | None = strawberry.field(description="The body's text; null for none.")


@strawberry.type(description="A scenario as it would run.")
class PlannedScenario:
    scenario: Scenario = strawberry.field(description="The scenario with all defaults.")
    requests: list[PlannedRequest] = strawberry.field(description="Its requests as they are sent.")
    expected_requests: float | None = strawberry.field(
        description=(
            "Requests that it sends if the API keeps up, a whole number; null for `CONSTANT_VUS` and `RAMPING_VUS`, whose "
            "virtual users send the next request when the last one was answered, so that it depends on response times."
        )
    )


@strawberry.type(description="What a load test would do. Either `problems` is empty or all else is.")
class LoadTestPreview:
    problems: list[errors.FieldProblem] = strawberry.field(description="Why the definition would be refused, field by field.")
    script: str | None = strawberry.field(description="The k6 script.")
    scenarios: list[PlannedScenario] = strawberry.field(description="The scenarios as they would run.")
    server: str | None = strawberry.field(description="The base address that is called.")
    last_second: float | None = strawberry.field(description="When, after the start, nothing of it can run any more.")
    most_vus: int | None = strawberry.field(description="The most virtual users of all scenarios together, at their peaks.")
    remarks: list[str] = strawberry.field(
        description=(
            "What should be known before it runs, in a sentence each: what of the document's schemas could not be followed, and "
            "whether its load is too short, in all, for a run to be compared or analysed. How a load goes within its time can "
            "stand in the way as well: an analysis says so."
        )
    )


@strawberry.type
class LoadTestQueries:
    @strawberry.field(description="The load test of that id; null where it does not exist.")
    async def load_test(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The load test's id.")]
    ) -> LoadTest | None:
        number = ids.found(ids.load_test_number, id)
        load_test = None if number is None else await info.context.loaders.load_test_by_id.load(number)
        return None if load_test is None else LoadTest.of(load_test)

    @strawberry.field(description="The load test of that number; null where it does not exist.")
    async def load_test_by_number(
        self, info: Info, number: Annotated[int, strawberry.argument(description="The load test's number.")]
    ) -> LoadTest | None:
        load_test = await info.context.loaders.load_test_by_id.load(number)
        return None if load_test is None else LoadTest.of(load_test)

    @strawberry.field(description="Load tests, of all projects or of one, newest first unless ordered otherwise.")
    async def load_tests(
        self,
        info: Info,
        filter: Annotated[LoadTestFilter | None, strawberry.argument(description="Which load tests.")] = None,
        order_by: Annotated[NamedOrder, strawberry.argument(description="What they are sorted by.")] = NamedOrder.NUMBER,
        descending: Annotated[bool, strawberry.argument(description="Greatest first.")] = True,
        first: Annotated[int, strawberry.argument(description="How many at most, 1 to 100.")] = 50,
        after: Annotated[str | None, strawberry.argument(description="Go on after this cursor.")] = None,
    ) -> LoadTestConnection:
        query = load_test_query(filter, order_by, descending, first, after)
        page = await load_tests.list_load_tests(info.context.services, info.context.actor, query)
        return LoadTestConnection.of(page, query, after)

    @strawberry.field(
        description=(
            "What a load test of this target would do: its script, load, requests, and what would be refused. What is not of its "
            "field's GraphQL type, such as an executor that does not exist or text for a number, is an error of the operation "
            "that names the place, as in every operation; `problems` are of inputs that have the right types."
        )
    )
    async def load_test_preview(
        self,
        info: Info,
        target_id: Annotated[strawberry.ID, strawberry.argument(description="The target's id.")],
        input: Annotated[LoadTestInput, strawberry.argument(description="The load test.")],
    ) -> LoadTestPreview | None:
        number = ids.found(ids.target_number, target_id)
        if number is None or await info.context.loaders.target_by_id.load(number) is None:
            return None
        services, actor = info.context.services, info.context.actor
        return _preview(await load_tests.preview_load_test(services, actor, number, as_document(input)))


def _preview(preview: load_tests.LoadTestPreview) -> LoadTestPreview:
    problems = [errors.FieldProblem(field=each.field, message=each.message) for each in preview.problems]
    planned = preview.planned
    if planned is None:
        return LoadTestPreview(
            problems=problems, script=None, scenarios=[], server=None, last_second=None, most_vus=None, remarks=[]
        )
    scenarios = [
        PlannedScenario(
            scenario=Scenario.of(scenario),
            requests=[
                PlannedRequest(
                    name=each.name,
                    url=shown(each.url),
                    headers=[f"{name}: {shown(value)}" for name, value in each.headers],
                    body=None if each.body is None else shown(each.body),
                )
                for each in written.requests
            ],
            expected_requests=scenario.planned_requests,
        )
        for scenario, written in zip(planned.definition.scenarios, planned.plan.scenarios, strict=True)
    ]
    return LoadTestPreview(
        problems=problems,
        script=planned.plan.script,
        scenarios=scenarios,
        server=planned.definition.server,
        last_second=planned.definition.last_second,
        most_vus=sum(each.executor.most_vus for each in planned.definition.scenarios),
        remarks=list(preview.remarks),
    )
