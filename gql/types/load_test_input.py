"""The definition of a load test as GraphQL inputs; the domain decides what may be left out and what is wrong, field by field."""

import strawberry
from strawberry.scalars import JSON

from gql.types.enums import CheckKind, ExecutorKind, ExtractionSource, ParameterLocation
from gql.types.login import LoginInput


@strawberry.input(description="A value for a parameter of the endpoint, in place of the document's or one made by its schema.")
class ParameterInput:
    location: ParameterLocation | None = strawberry.field(default=None, description="Where a request carries it. Required.")
    name: str | None = strawberry.field(default=None, description="The parameter's name. Required.")
    value: JSON | None = strawberry.field(default=None, description="Its value; null leaves an optional parameter out.")


@strawberry.input(description="A header that is sent, also in the place of one of the document or of the content type.")
class HeaderInput:
    name: str | None = strawberry.field(default=None, description="Its name. Required.")
    value: str | None = strawberry.field(default=None, description="Its value, of printable ASCII characters.")


@strawberry.input(
    description="Something that has to hold of an answer besides its status; which fields there are depends on the kind."
)
class CheckInput:
    kind: CheckKind | None = strawberry.field(default=None, description="What it looks at. Required.")
    text: str | None = strawberry.field(default=None, description="What the body or header has to be or to have in it.")
    pointer: str | None = strawberry.field(
        default=None, description="Where to look in a JSON body, as in `/items/0/id` (RFC 6901); the whole body by default."
    )
    value: JSON | None = strawberry.field(default=None, description="What has to be there, as JSON; null by default.")
    header: str | None = strawberry.field(default=None, description="The header's name, in any case.")
    milliseconds: float | None = strawberry.field(default=None, description="What the response time has to stay below.")


@strawberry.input(description="A value of the answer that later requests of the scenario send, as `${name}` in their texts.")
class ExtractionInput:
    name: str | None = strawberry.field(
        default=None, description="What texts call it: letters, digits and `_`, not a digit first. Required."
    )
    source: ExtractionSource | None = strawberry.field(default=None, description="Where it is taken from. Required.")
    pointer: str | None = strawberry.field(
        default=None, description="Of JSON: where it is in the body, as in `/items/0/id` (RFC 6901); the whole body by default."
    )
    key: str | None = strawberry.field(default=None, description="The name of the header, in any case, or of the cookie.")


@strawberry.input(
    description=(
        "One request of a scenario. Values of parameters and headers and the texts in the body may refer to what an earlier "
        "request of the scenario extracted, as `${name}` (docs/load-tests.md); a `$` before a brace is written `${$}`."
    )
)
class ScenarioRequestInput:
    endpoint: str | None = strawberry.field(default=None, description="Method and path, as in `GET /pets/{id}`. Required.")
    parameters: list[ParameterInput] | None = strawberry.field(default=None, description="Values of parameters.")
    headers: list[HeaderInput] | None = strawberry.field(default=None, description="Headers that are sent besides.")
    body: JSON | None = strawberry.field(
        default=None, description="Text is sent as it is, anything else as JSON; made from the document where it is left out."
    )
    media_type: str | None = strawberry.field(
        default=None, description="What the body is, of those that the document offers; JSON where it offers that."
    )
    expected_statuses: list[int] | None = strawberry.field(
        default=None, description="The statuses of a good answer; 200 to 399 where none are given."
    )
    checks: list[CheckInput] | None = strawberry.field(default=None, description="What else has to hold of the answer.")
    extract: list[ExtractionInput] | None = strawberry.field(
        default=None, description="What later requests of the scenario take from the answer."
    )


@strawberry.input(description="A part of a ramp.")
class StageInput:
    duration: float | None = strawberry.field(default=None, description="How long it takes to get there, in seconds. Required.")
    target: int | None = strawberry.field(default=None, description="VUs or iterations each time unit at its end. Required.")


@strawberry.input(description="How a scenario makes its load; which options there are depends on the kind (docs/load-tests.md).")
class ExecutorInput:
    kind: ExecutorKind | None = strawberry.field(default=None, description="Which of k6's executors. Required.")
    start_time: float | None = strawberry.field(default=None, description="When it begins, in seconds after the test's start.")
    graceful_stop: float | None = strawberry.field(
        default=None, description="How long iterations may go on at its end, in seconds; 30 by default."
    )
    vus: int | None = strawberry.field(default=None, description="Virtual users.")
    duration: float | None = strawberry.field(default=None, description="How long it lasts, in seconds.")
    start_vus: int | None = strawberry.field(default=None, name="startVUs", description="Virtual users at the start of a ramp.")
    stages: list[StageInput] | None = strawberry.field(default=None, description="The parts of a ramp.")
    graceful_ramp_down: float | None = strawberry.field(
        default=None, description="How long iterations may go on when VUs are taken away, in seconds; 30 by default."
    )
    rate: int | None = strawberry.field(default=None, description="Iterations each time unit.")
    start_rate: int | None = strawberry.field(default=None, description="Iterations each time unit at the start of a ramp.")
    time_unit: float | None = strawberry.field(default=None, description="The time unit of rates, in seconds; 1 by default.")
    pre_allocated_vus: int | None = strawberry.field(
        default=None, name="preAllocatedVUs", description="Virtual users that are there from the start."
    )
    max_vus: int | None = strawberry.field(
        default=None, name="maxVUs", description="Virtual users at most; those allocated before where it is left out."
    )
    iterations: int | None = strawberry.field(default=None, description="Iterations, of all or of each virtual user.")
    max_duration: float | None = strawberry.field(default=None, description="When iterations end that are not done, in seconds.")


@strawberry.input(description="The pause after each iteration, as long as chance decides.")
class ThinkTimeInput:
    shortest: float | None = strawberry.field(default=None, description="In seconds; 0 by default.")
    longest: float | None = strawberry.field(default=None, description="In seconds; the shortest by default.")


@strawberry.input(description="What some of the virtual users do.")
class ScenarioInput:
    name: str | None = strawberry.field(default=None, description="Its name; no other of the test has it. Required.")
    requests: list[ScenarioRequestInput] | None = strawberry.field(default=None, description="In their order. Required.")
    executor: ExecutorInput | None = strawberry.field(default=None, description="How it makes its load. Required.")
    think_time: ThinkTimeInput | None = strawberry.field(default=None, description="The pause after each iteration; none.")
    percentile: float | None = strawberry.field(
        default=None, description="Which percentile `responseTime` judges; 95 by default."
    )
    response_time: float | None = strawberry.field(default=None, description="What that may be at most, in milliseconds.")
    error_rate: float | None = strawberry.field(default=None, description="The most of all requests that may fail, 0 to 1.")
    timeout: float | None = strawberry.field(
        default=None, description="Seconds after which a request without an answer has failed; 30 by default, 600 at most."
    )
    allow_unsafe: bool | None = strawberry.field(
        default=None, description="Whether requests may have methods that change something (POST, PUT, PATCH, DELETE)."
    )


@strawberry.input(description="A load test as people define it. What is missing or wrong is answered as `ValidationFailed`.")
class LoadTestInput:
    title: str | None = strawberry.field(default=None, description="Its title; no other of the project has it. Required.")
    description: str | None = strawberry.field(default=None, description="What it is for.")
    server: str | None = strawberry.field(
        default=None,
        description=(
            "The base address that is called: where the target is, or one of the servers that its document names. By default the "
            "first of those that is where the target is."
        ),
    )
    target_tps: float | None = strawberry.field(
        default=None, description="The least rate of requests a second that passes; the load itself comes from the executors."
    )
    percentile: float | None = strawberry.field(
        default=None, description="Which percentile `responseTime` judges, of all scenarios together; 95 by default."
    )
    response_time: float | None = strawberry.field(default=None, description="What that may be at most, in milliseconds.")
    error_rate: float | None = strawberry.field(
        default=None, description="The most of the requests of all scenarios together that may fail, 0 to 1."
    )
    seed: int | None = strawberry.field(default=None, description="The same seed makes the same values; 1 by default.")
    fill_optional: bool | None = strawberry.field(
        default=None, description="Whether made bodies and queries have what is optional too; only what is required by default."
    )
    login: LoginInput | None = strawberry.field(default=None, description="How its requests identify themselves; not at all.")
    scenarios: list[ScenarioInput] | None = strawberry.field(default=None, description="What is done, side by side. Required.")
