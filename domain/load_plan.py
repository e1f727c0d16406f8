"""From a load test's definition to the requests that it sends: the user's values first, then the document's, then made ones."""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from domain.endpoint import Endpoint, Parameter, ParameterLocation, RequestBody
from domain.errors import FieldProblem, ValidationFailed
from domain.k6_script import ScriptScenario, write_script
from domain.load_test import LoadTestDefinition, Scenario, ScenarioRequest
from domain.request import Request, build_request
from domain.schema_value import NoValue, SchemaValues
from domain.target import origin

FORM = "application/x-www-form-urlencoded"
MAX_BODY = 2_000_000
MAX_HEAD = 100_000  # characters of the address and all headers together: no server takes more
MAX_CHARACTERS = 20_000_000  # of all requests of a load test


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadPlan:
    """What a load test does, down to the bytes.

    `scenarios` stand in the order of the definition. `problems` say, in a sentence each, what of the document could not be
    followed.
    """

    scenarios: tuple[ScriptScenario, ...]
    script: str
    problems: tuple[str, ...]


def plan_load(definition: LoadTestDefinition, endpoints: Mapping[str, Endpoint], document: Mapping[str, Any]) -> LoadPlan:
    """The plan of a definition, the same for the same input.

    Args:
        definition: what is to be done.
        endpoints: those that it uses, by key, as they are now.
        document: the text of the target's document, read, in which the references of schemas lead on.

    Raises:
        ValidationFailed: names each request that can't be made, and why.
    """
    values = SchemaValues(document, seed=definition.seed, fills_optional=definition.fills_optional)
    found: list[FieldProblem] = []
    scenarios = tuple(
        _scenario(definition, scenario, endpoints, values, f"scenarios.{place}", found)
        for place, scenario in enumerate(definition.scenarios)
    )
    if found:
        raise ValidationFailed(found)
    size = sum(_size(request) for scenario in scenarios for request in scenario.requests)
    if size > MAX_CHARACTERS:
        raise ValidationFailed.of("scenarios", f"have requests of {size} characters, and {MAX_CHARACTERS} are allowed")
    script = write_script(scenarios, target_tps=definition.target_tps)
    return LoadPlan(scenarios=scenarios, script=script, problems=tuple(dict.fromkeys(values.problems)))


def _scenario(
    definition: LoadTestDefinition,
    scenario: Scenario,
    endpoints: Mapping[str, Endpoint],
    values: SchemaValues,
    field: str,
    found: list[FieldProblem],
) -> ScriptScenario:
    requests = []
    for place, wanted in enumerate(scenario.requests):
        at = f"{field}.requests.{place}"
        try:
            requests.append(_request(definition, wanted, endpoints.get(wanted.endpoint), values, at))
        except ValidationFailed as error:
            found += [FieldProblem(f"{at}.{each.field}", each.message) for each in error.problems]
    return ScriptScenario(
        title=scenario.name,
        executor=scenario.executor,
        requests=tuple(requests),
        think_time=scenario.think_time,
        percentile=scenario.percentile,
        response_time=scenario.response_time,
        error_rate=scenario.error_rate,
    )


def _request(
    definition: LoadTestDefinition, wanted: ScenarioRequest, endpoint: Endpoint | None, values: SchemaValues, place: str
) -> Request:
    if endpoint is None:
        raise ValidationFailed.of("endpoint", "is not in the target's document any more")
    if endpoint.servers and origin(endpoint.servers[0]) != origin(definition.server):
        raise ValidationFailed.of("endpoint", f"is served at {endpoint.servers[0]!r:.300}, not where the test calls")
    given = {(each.location, each.name): each.value for each in wanted.parameters}
    parameters = dict(_parameters(definition, endpoint, given, values, place))
    media_type, body = _body(definition, wanted, endpoint, values, place)
    if body is not None and len(body) > MAX_BODY:
        raise ValidationFailed.of("body", f"has {len(body)} characters, and {MAX_BODY} are allowed")
    request = build_request(
        endpoint, definition.server, parameters, dict(wanted.headers), body, media_type, wanted.expected_statuses
    )
    if _size(request) - len(body or "") > MAX_HEAD:
        raise ValidationFailed.of("parameters", f"make an address and headers of more than {MAX_HEAD} characters")
    return request


def _size(request: Request) -> int:
    """The characters of a request."""
    return len(request.url) + sum(len(name) + len(text) for name, text in request.headers) + len(request.body or "")


def _parameters(
    definition: LoadTestDefinition,
    endpoint: Endpoint,
    given: Mapping[tuple[ParameterLocation, str], Any],
    values: SchemaValues,
    place: str,
) -> Iterator[tuple[tuple[ParameterLocation, str], Any]]:
    for parameter in endpoint.parameters:
        key = (parameter.location, parameter.name)
        if given.get(key) is not None:
            yield key, given[key]
        elif key not in given and (parameter.is_required or definition.fills_optional):
            try:
                yield key, _parameter(parameter, values, f"{place}.{parameter.location}.{parameter.name}")
            except NoValue as problem:
                if parameter.is_required:
                    raise ValidationFailed.of(f"parameters.{parameter.name[:100]}", f"has to be given: {problem}") from None


def _parameter(parameter: Parameter, values: SchemaValues, place: str) -> Any:
    return parameter.examples[0] if parameter.examples else values.value(parameter.schema, place)


def _body(
    definition: LoadTestDefinition, wanted: ScenarioRequest, endpoint: Endpoint, values: SchemaValues, place: str
) -> tuple[str | None, str | None]:
    """Media type and text of the body; the text is None where none is sent."""
    form = _form(endpoint, wanted.media_type)
    media_type = wanted.media_type or (form.media_type if form is not None else None)
    if wanted.body is not None:
        return media_type, wanted.body if isinstance(wanted.body, str) else _written(wanted.body, media_type or "")
    if form is None or not (form.is_required or definition.fills_optional):
        return media_type, None
    for example in form.examples:  # one that its media type can't carry is passed over, as documents have such
        with suppress(NoValue):
            return media_type, _written(example, form.media_type)
    try:
        return media_type, _written(values.value(form.schema, f"{place}.body"), form.media_type)
    except NoValue as problem:
        raise ValidationFailed.of("body", f"has to be given: {problem}") from None


def _form(endpoint: Endpoint, media_type: str | None) -> RequestBody | None:
    """The form in which the body is sent: the one wanted, else JSON, else the first."""
    named = [each for each in endpoint.bodies if each.media_type == media_type]
    json_like = [each for each in endpoint.bodies if _is_json(each.media_type)]
    return next(iter([*named, *json_like, *endpoint.bodies]), None)


def _written(value: Any, media_type: str) -> str:
    """The value as that media type writes it."""
    if _is_json(media_type) or not media_type:
        return _json(value)
    if media_type.startswith(FORM) and isinstance(value, Mapping):
        return urlencode([(name, text) for name, each in value.items() for text in _form_texts(each)])
    if isinstance(value, str):
        return value
    raise NoValue(f"bodies of {media_type[:100]} are not made from schemas")


def _form_texts(value: Any) -> list[str]:
    """A field of a form: a list is one field for each of its elements, as OpenAPI 3 has it where no encoding is given."""
    return [each if isinstance(each, str) else _json(each) for each in (value if isinstance(value, list) else [value])]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _is_json(media_type: str) -> bool:
    essence = media_type.partition(";")[0].strip().lower()
    return essence == "application/json" or essence.endswith("+json")
