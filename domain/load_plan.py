"""From a load test's definition to the requests that it sends: the user's values first, then the document's, then made ones."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

from domain.effort import Effort
from domain.endpoint import Endpoint, FormField, Parameter, ParameterLocation, RequestBody
from domain.errors import FieldProblem, ValidationFailed
from domain.form import MULTIPART, URLENCODED, essence, is_json, is_xml, level_of_texts, write_form
from domain.k6_script import ScriptScenario, write_script
from domain.load_test import LoadTestDefinition, Scenario
from domain.login import identified, token_request
from domain.request import MAX_DEPTH, Request, build_request, text_levels
from domain.scenario_request import ScenarioRequest
from domain.schema_value import NoValue, SchemaValues
from domain.template import Encoding, Marks, WrongReference, free_prefix, shown
from domain.xml_body import write_xml

RANGES = {"*/*": "application/json", "application/*": "application/json", "text/*": "text/plain", "multipart/*": MULTIPART}
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


def plan_load(
    definition: LoadTestDefinition,
    endpoints: Mapping[str, Endpoint],
    document: Mapping[str, Any],
    effort: Effort | None = None,
) -> LoadPlan:
    """The plan of a definition, the same for the same input.

    Args:
        definition: what is to be done.
        endpoints: those that it uses, by key, as they are now.
        document: the text of the target's document, read, in which the references of schemas lead on.
        effort: the steps that may be taken to make values, where several plans share them.

    Raises:
        ValidationFailed: names each request that can't be made, and why.
    """
    values = SchemaValues(document, seed=definition.seed, fills_optional=definition.fills_optional, effort=effort)
    found: list[FieldProblem] = []
    scenarios = tuple(
        _scenario(definition, scenario, endpoints, values, f"scenarios.{place}", found)
        for place, scenario in enumerate(definition.scenarios)
    )
    if found:
        raise ValidationFailed(found)
    size = sum(_size(request) for scenario in scenarios for request in scenario.requests)
    if size > MAX_CHARACTERS:
        raise ValidationFailed.of("input.scenarios", f"have requests of {size} characters, and {MAX_CHARACTERS} are allowed")
    login = None if definition.login is None else token_request(definition.login)
    script = write_script(scenarios, login=login)
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
            found += [FieldProblem(f"input.{at}.{each.field}", each.message) for each in error.problems]
    return ScriptScenario(
        title=scenario.name,
        executor=scenario.executor,
        requests=tuple(requests),
        think_time=scenario.think_time,
        percentile=scenario.percentile,
        response_time=scenario.response_time,
        error_rate=scenario.error_rate,
        timeout=scenario.timeout,
    )


def _request(
    definition: LoadTestDefinition, wanted: ScenarioRequest, endpoint: Endpoint | None, values: SchemaValues, place: str
) -> Request:
    if endpoint is None:
        raise ValidationFailed.of("endpoint", "is not in the target's document any more")
    writing = _Writing(definition, wanted, endpoint, values, place)
    request, marks = writing.request("")
    _check_size(request)
    if marks.references:
        # Written again with marks that occur nowhere in it, which is known only of what has been written.
        texts = (request.url, *(text for _, text in request.headers), request.body or "")
        request, marks = writing.request(free_prefix("".join(shown(text) for text in texts)))
        request = replace(
            request,
            url=marks.split(shown(request.url)),
            headers=tuple((name, marks.split(shown(text))) for name, text in request.headers),
            body=None if request.body is None else marks.split(shown(request.body)),
        )
    if definition.login is not None:
        request = identified(request, definition.login, wanted.places)
    return replace(request, expected_statuses=wanted.expected_statuses, checks=wanted.checks, extractions=wanted.extractions)


def _check_size(request: Request) -> None:
    body = len(shown(request.body or ""))
    if body > MAX_BODY:
        raise ValidationFailed.of("body", f"has {body} characters, and {MAX_BODY} are allowed")
    if _size(request) - body > MAX_HEAD:
        raise ValidationFailed.of("parameters", f"make an address and headers of more than {MAX_HEAD} characters")


def _size(request: Request) -> int:
    """The characters of a request."""
    texts = (request.url, request.body or "", *(text for header in request.headers for text in header))
    return sum(len(shown(text)) for text in texts)


class _Writing:
    """Writes one request of a definition, with marks where its texts refer to something."""

    def __init__(
        self, definition: LoadTestDefinition, wanted: ScenarioRequest, endpoint: Endpoint, values: SchemaValues, place: str
    ) -> None:
        self._definition = definition
        self._wanted = wanted
        self._endpoint = endpoint
        self._values = values
        self._place = place

    def request(self, prefix: str) -> tuple[Request, Marks]:
        """The request with marks that begin so."""
        marks = Marks(prefix)
        parameters = dict(self._parameters(marks))
        media_type, body = self._body(marks)
        headers = list(self._headers(marks))
        try:
            return build_request(self._endpoint, self._definition.server, parameters, headers, body, media_type), marks
        except ValidationFailed as error:
            raise ValidationFailed([self._placed(each) for each in error.problems]) from None

    def _placed(self, problem: FieldProblem) -> FieldProblem:
        """The problem of a parameter by its place where the user gives it; else it has to be given."""
        for place, each in enumerate(self._wanted.parameters):
            if each.location is ParameterLocation.HEADER and problem.field == f"parameters.{each.name}"[:200]:
                return FieldProblem(f"parameters.{place}.value", problem.message)
        is_made = problem.field.startswith("parameters.")
        return FieldProblem(problem.field, f"has to be given: {problem.message}") if is_made else problem

    def _headers(self, marks: Marks) -> Iterator[tuple[str, str]]:
        for place, (name, text) in enumerate(self._wanted.headers):
            with _naming(f"headers.{place}.value"):
                yield name, marks.text(text)

    def _parameters(self, marks: Marks) -> Iterator[tuple[tuple[ParameterLocation, str], Any]]:
        given = {(each.location, each.name): (at, each.value) for at, each in enumerate(self._wanted.parameters)}
        for parameter in self._endpoint.parameters:
            key = (parameter.location, parameter.name)
            if key in given:
                place, value = given[key]
                if value is not None:
                    with _naming(f"parameters.{place}.value"):
                        yield key, _marked(parameter, value, marks)
            elif not self._is_of_login(parameter) and (parameter.is_required or self._definition.fills_optional):
                try:
                    yield key, _parameter(parameter, self._values, f"{self._place}.{parameter.location}.{parameter.name}")
                except NoValue as problem:
                    if parameter.is_required:
                        raise ValidationFailed.of(f"parameters.{parameter.name[:100]}", f"has to be given: {problem}") from None

    def _is_of_login(self, parameter: Parameter) -> bool:
        """Whether the login sends it."""
        login = self._definition.login
        return login is not None and (parameter.location, parameter.name) == (login.location, login.parameter)

    def _body(self, marks: Marks) -> tuple[str | None, str | None]:
        """Media type and text of the body; the text is None where none is sent."""
        wanted, form = self._wanted, _form(self._endpoint, self._wanted.media_type)
        media_type = wanted.media_type or (form.media_type if form is not None else None)
        fields = form.fields if form is not None and form.media_type == media_type else ()
        media_type = _chosen(media_type)
        try:
            if wanted.body is not None:
                with _naming("body"):
                    if is_xml(media_type or "") and not isinstance(wanted.body, str):
                        return media_type, self._xml(_plain(wanted.body, marks), form)
                    return _given_body(wanted.body, media_type, fields, marks)
            if form is None or not (form.is_required or self._definition.fills_optional):
                return media_type, None
            for example in form.examples:  # one that its media type can't carry is passed over, as documents have such
                with suppress(NoValue):
                    if is_xml(form.media_type) and not isinstance(example, str):
                        return media_type, self._xml(example, form)
                    return _written(example, media_type, form.fields)
            made = self._values.value(form.schema, f"{self._place}.body")
            return (media_type, self._xml(made, form)) if is_xml(form.media_type) else _written(made, media_type, form.fields)
        except NoValue as problem:
            raise ValidationFailed.of("body", f"has to be given: {problem}") from None

    def _xml(self, value: Any, form: RequestBody | None) -> str:
        return write_xml(value, True if form is None else form.schema, self._values.document)


def _chosen(media_type: str | None) -> str | None:
    """The media type that is sent where a document says a range of them."""
    return RANGES.get(essence(media_type or ""), media_type)


def _plain(body: Any, marks: Marks) -> Any:
    """The body without marks, which would have to be escaped in XML; `NoValue` where it has some."""
    before = len(marks.references)
    found = marks.value(body, MAX_DEPTH)
    if len(marks.references) > before:
        raise NoValue("values are put into XML that is given as one text alone")
    return found


@contextmanager
def _naming(field: str) -> Iterator[None]:
    """Say which field it is in which a reference is wrong."""
    try:
        yield
    except WrongReference as problem:
        raise ValidationFailed.of(field, str(problem)) from None


def _marked(parameter: Parameter, value: Any, marks: Marks) -> Any:
    """The value with marks; texts too deep for its style are written as JSON, and all where it is a document."""
    encodings = () if parameter.location is ParameterLocation.HEADER else (Encoding.URL,)
    return marks.value(value, 0 if parameter.media_type else text_levels(parameter.style), *encodings)


def _given_body(body: Any, media_type: str | None, fields: Sequence[FormField], marks: Marks) -> tuple[str | None, str]:
    """Media type and text of a body that was given: text as it is, anything else as its media type writes it."""
    if isinstance(body, str):
        return media_type, marks.text(body)
    if _is_form(media_type) and isinstance(body, Mapping):
        known = {field.name: field for field in fields}
        encodings = () if essence(media_type or "") == MULTIPART else (Encoding.URL,)
        body = {name: marks.value(each, level_of_texts(known.get(name), each), *encodings) for name, each in body.items()}
        return _written(body, media_type, fields)
    return _written(marks.value(body, 0), media_type, fields)


def _parameter(parameter: Parameter, values: SchemaValues, place: str) -> Any:
    """The document's example, in a path one that leaves it as it is, else a value that is made."""
    excluded: tuple[Any, ...] = (None, "", ".", "..", [], {}) if parameter.location is ParameterLocation.PATH else ()
    usable = [each for each in parameter.examples if each not in excluded]
    return usable[0] if usable else values.value(parameter.schema, place)


def _form(endpoint: Endpoint, media_type: str | None) -> RequestBody | None:
    """The form in which the body is sent: the one wanted, else JSON, else the first."""
    named = [each for each in endpoint.bodies if each.media_type == media_type]
    json_like = [each for each in endpoint.bodies if is_json(each.media_type)]
    return next(iter([*named, *json_like, *endpoint.bodies]), None)


def _written(value: Any, media_type: str | None, fields: Sequence[FormField]) -> tuple[str | None, str]:
    """Media type and text of the value as that media type writes it."""
    if not media_type or is_json(media_type):
        return media_type, _json(value)
    if _is_form(media_type) and isinstance(value, Mapping):
        return write_form(value, fields, media_type)
    if isinstance(value, str):
        return media_type, value
    raise NoValue(f"bodies of {media_type[:100]} are not made from schemas")


def _is_form(media_type: str | None) -> bool:
    return essence(media_type or "") in (URLENCODED, MULTIPART)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
