"""Load tests: what is asked of a target, how often, and how good the answers have to be."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from domain.endpoint import SAFE, Endpoint
from domain.executor import Executor, LoadLimits, read_executor
from domain.login import Login, checked_login, read_login
from domain.scenario_request import ScenarioRequest, read_request
from domain.secret import Secret, refusal
from domain.target import MAX_URL, Target, is_base_address, origin, shown_origin
from domain.template import Encoding, Marks, ReferenceKind, WrongReference
from domain.validation import Problems, check_document

MAX_TITLE = 200
MAX_SCENARIOS = 50
MAX_REQUESTS = 20
MAX_DEFINITION = 4_000_000
MAX_SEED = 2**32 - 1
MAX_TPS = 1_000_000.0
MAX_SECONDS = 3_600.0
DEFAULT_PERCENTILE = 95.0
DEFAULT_TIMEOUT = 30.0  # not longer than the graceful stop by default: what never answers has failed before it is interrupted
SHORTEST_TIMEOUT, MAX_TIMEOUT = 0.001, 600.0
TARGETS = ("percentile", "responseTime", "errorRate")
FIELDS = ("title", "description", "server", "serverOffered", "targetTps", *TARGETS, "seed", "fillOptional", "login", "scenarios")
NO_LIMITS = LoadLimits(vus=2**53, rate=2.0**53, seconds=2.0**53)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What some of the virtual users do: requests in order, then time to think, over and over as the executor says.

    `think_time` is the shortest and the longest pause, in seconds. `response_time` is the most that the percentile (0 to 100) of
    the response times may be, in milliseconds; `error_rate` the most of all requests that may fail, 0 to 1. A request without an
    answer after `timeout` seconds has failed. `allows_unsafe` opts into methods that change something.
    """

    name: str
    requests: tuple[ScenarioRequest, ...]
    executor: Executor
    think_time: tuple[float, float] = (0.0, 0.0)
    percentile: float = DEFAULT_PERCENTILE
    response_time: float | None = None
    error_rate: float | None = None
    timeout: float = DEFAULT_TIMEOUT
    allows_unsafe: bool = False

    @property
    def planned_requests(self) -> int | None:
        """How many requests it sends if the API keeps up; None where that depends on how fast the API answers."""
        iterations = self.executor.planned_iterations
        return None if iterations is None else iterations * len(self.requests)

    def as_json(self) -> dict[str, Any]:
        """The document from which the same scenario is read."""
        return {
            "name": self.name,
            "requests": [each.as_json() for each in self.requests],
            "executor": self.executor.as_json(),
            "thinkTime": {"shortest": self.think_time[0], "longest": self.think_time[1]},
            "percentile": self.percentile,
            "responseTime": self.response_time,
            "errorRate": self.error_rate,
            "timeout": self.timeout,
            "allowUnsafe": self.allows_unsafe,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadTestDefinition:
    """What people say of a load test; each change of it makes a new version.

    `target_tps` is the least rate of requests a second that passes; the load itself comes from the executors. `percentile`,
    `response_time` and `error_rate` are, as those of a scenario, what passes of all scenarios together. `seed` decides over all
    values that are made. `server` is the base address that is called. `fills_optional` says whether bodies and queries
    have more than what is required. `login` is how its requests identify themselves. `is_server_offered` says whether the
    target's document named the server when the definition was made.
    """

    title: str
    scenarios: tuple[Scenario, ...]
    server: str
    description: str = ""
    target_tps: float | None = None
    percentile: float = DEFAULT_PERCENTILE
    response_time: float | None = None
    error_rate: float | None = None
    seed: int = 1
    fills_optional: bool = False
    login: Login | None = None
    is_server_offered: bool = False

    @property
    def endpoints(self) -> tuple[str, ...]:
        """The keys of all endpoints that its scenarios use, each once."""
        return tuple(dict.fromkeys(request.endpoint for scenario in self.scenarios for request in scenario.requests))

    @property
    def last_second(self) -> float:
        """When, after the start, nothing of it can run any more."""
        return max(scenario.executor.last_second for scenario in self.scenarios)

    @property
    def secrets(self) -> dict[str, frozenset[str]]:
        """The names of the secrets that it sends, each with the origins of the servers that get it."""
        found: dict[str, set[str]] = {}
        for scenario in self.scenarios:
            for request in scenario.requests:
                for name in request.secrets:
                    found.setdefault(name, set()).add(shown_origin(self.server))
        for _, name, place in () if self.login is None else self.login.secrets(self.server):
            found.setdefault(name, set()).add(place)
        return {name: frozenset(origins) for name, origins in found.items()}

    @property
    def addresses(self) -> dict[str, str]:
        """All that it calls, by the field that says it."""
        found = {"server": self.server}
        if self.login is not None and self.login.fetches_token:
            found["login.tokenUrl"] = self.login.token_url
        return found

    def as_json(self) -> dict[str, Any]:
        """The document from which `stored_definition` reads the same definition.

        What passes of all together is written only where it is said: the version before, which may run beside this one, does
        not know it.
        """
        wanted, default = (self.percentile, self.response_time, self.error_rate), (DEFAULT_PERCENTILE, None, None)
        return {
            "title": self.title,
            "description": self.description,
            "server": self.server,
            "targetTps": self.target_tps,
            **{name: value for name, value, usual in zip(TARGETS, wanted, default, strict=True) if value != usual},
            "seed": self.seed,
            "fillOptional": self.fills_optional,
            "serverOffered": self.is_server_offered,
            "login": None if self.login is None else self.login.as_json(),
            "scenarios": [each.as_json() for each in self.scenarios],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadTest:
    """The current state of one load test; `project_id` is its target's."""

    id: int
    project_id: int
    target_id: int
    definition: LoadTestDefinition
    owner: str
    version: int
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None = None


def load_test_definition(given: Mapping[str, Any], limits: LoadLimits) -> LoadTestDefinition:
    """The definition that an input document says, as far as it can be told without the target; `ValidationFailed` names all that
    is wrong.
    """
    check_document("input", given, most=MAX_DEFINITION)
    problems = Problems("input.")
    definition = _definition(given, problems, limits)
    for place, scenario in enumerate(definition.scenarios):
        _check_references(scenario, problems.at("scenarios").at(place).at("requests"))
    problems.check()
    return definition


def checked_definition(
    definition: LoadTestDefinition, target: Target, endpoints: Mapping[str, Endpoint], secrets: Iterable[Secret] = ()
) -> LoadTestDefinition:
    """The definition with the server that is called and the fingerprints of its endpoints, as they are in the target's last
    analysis.

    `endpoints` are those that it names, by key; `secrets` are the target's. `ValidationFailed` lists what the target does not
    offer.
    """
    problems = Problems("input.")
    if target.analysis is None:
        problems.add("scenarios", f"name endpoints, and target {target.id} has not been analysed yet")
        problems.check()
    server = _server(definition.server, target, problems)
    at_scenarios = problems.at("scenarios")
    scenarios = tuple(
        _checked_scenario(scenario, endpoints, at_scenarios.at(place)) for place, scenario in enumerate(definition.scenarios)
    )
    login = definition.login
    if login is not None and target.analysis is not None:
        login = checked_login(login, server, target.definition.url, target.analysis.api, problems.at("login"))
    problems.check()
    is_offered = server in target.servers
    checked = replace(definition, server=server, is_server_offered=is_offered, scenarios=scenarios, login=login)
    _check_secrets(checked, {each.name: each for each in secrets}, problems)
    problems.check()
    return checked


def check_startable(definition: LoadTestDefinition, target: Target, limits: LoadLimits) -> None:
    """`ValidationFailed` where the target is elsewhere by now than the definition says, or that asks for more than is allowed."""
    problems = Problems("input.")
    _server(definition.server, target, problems)
    problems.check()
    check_limits(definition, limits)


def check_limits(definition: LoadTestDefinition, limits: LoadLimits) -> None:
    """`ValidationFailed` where the stored definition asks for more than is allowed by now."""
    problems = Problems("input.")
    _definition(definition.as_json(), problems, limits)
    problems.check()


def stored_definition(document: Mapping[str, Any]) -> LoadTestDefinition:
    """The definition that `as_json` wrote, whatever the server's limits are by now."""
    problems = Problems()
    definition = _definition(document, problems, NO_LIMITS)
    problems.check()
    return definition


def _definition(given: Mapping[str, Any], problems: Problems, limits: LoadLimits) -> LoadTestDefinition:
    problems.no_others(given, FIELDS)
    login = problems.mapping(given, "login")
    scenarios = problems.items(given, "scenarios", most=MAX_SCENARIOS)
    if not given.get("scenarios"):
        problems.add("scenarios", "must have at least one")
    nested = problems.at("scenarios")
    read = tuple(
        _scenario(nested.mapping({str(place): each}, str(place)), nested.at(place), limits)
        for place, each in enumerate(scenarios)
    )
    if problems.is_clean:
        _check_sums([each.executor for each in read], problems, limits)
    names = [each.name for each in read]
    for place, name in enumerate(names):
        if name in names[:place]:
            nested.at(place).add("name", "is that of another scenario of the test")
    return LoadTestDefinition(
        title=problems.text(given, "title", most=MAX_TITLE).strip(),
        description=problems.text(given, "description", ""),
        server=problems.text(given, "server", "", most=MAX_URL).strip(),
        target_tps=_optional(problems, given, "targetTps", MAX_TPS),
        **_targets(given, problems),
        seed=problems.integer(given, "seed", 1, 0, MAX_SEED),
        fills_optional=given.get("fillOptional") is True,
        is_server_offered=given.get("serverOffered") is True,
        login=read_login(login, problems.at("login")) if given.get("login") is not None else None,
        scenarios=read,
    )


def _server(wanted: str, target: Target, problems: Problems) -> str:
    """The base address that is called: nobody is to be put under load because a document of somebody else says so."""
    if not wanted:
        near = next((each for each in target.servers if origin(each) == origin(target.definition.url)), None)
        if near is None and target.servers:
            message = f"has to be said: the document names {target.servers[0]!r:.300}, which is not where the target is"
            problems.add("server", message)
        elif near is None:
            problems.add("server", "has to be said: the target is not where it was when it was analysed")
        return near or target.definition.url
    if not is_base_address(wanted):
        message = "must be an http or https address without a user, a query or a fragment, with its path percent-encoded"
        problems.add("server", message)
    elif not is_there(wanted, target):
        problems.add("server", "is neither where the target is nor among the servers that its document names")
    return wanted


def is_there(server: str, target: Target) -> bool:
    """Whether the address is where the target is, or at a server that its document names."""
    return origin(server) in {origin(target.definition.url), *map(origin, target.servers)}


def _scenario(raw: Mapping[str, Any], problems: Problems, limits: LoadLimits) -> Scenario:
    problems.no_others(raw, ("name", "requests", "executor", "thinkTime", *TARGETS, "timeout", "allowUnsafe"))
    requests = problems.items(raw, "requests", most=MAX_REQUESTS)
    if not raw.get("requests"):
        problems.add("requests", "must have at least one")
    nested = problems.at("requests")
    pause, at_pause = problems.mapping(raw, "thinkTime"), problems.at("thinkTime")
    at_pause.no_others(pause, ("shortest", "longest"))
    shortest = at_pause.number(pause, "shortest", 0.0, 0.0, MAX_SECONDS)
    return Scenario(
        name=problems.text(raw, "name", most=MAX_TITLE),
        requests=tuple(read_request(nested.mapping({str(at): each}, str(at)), nested.at(at)) for at, each in enumerate(requests)),
        executor=read_executor(problems.at("executor"), problems.mapping(raw, "executor"), limits),
        think_time=(shortest, at_pause.number(pause, "longest", shortest, shortest, MAX_SECONDS)),
        **_targets(raw, problems),
        timeout=problems.number(raw, "timeout", DEFAULT_TIMEOUT, SHORTEST_TIMEOUT, MAX_TIMEOUT),
        allows_unsafe=raw.get("allowUnsafe") is True,
    )


def _targets(raw: Mapping[str, Any], problems: Problems) -> dict[str, Any]:
    """What passes, of a scenario or of all together."""
    return {
        "percentile": problems.number(raw, "percentile", DEFAULT_PERCENTILE, 0.0, 100.0),
        "response_time": _optional(problems, raw, "responseTime", MAX_SECONDS * 1000),
        "error_rate": _optional(problems, raw, "errorRate", 1.0),
    }


def _check_references(scenario: Scenario, problems: Problems) -> None:
    """Record references that are none, and those to values that no earlier request of the scenario takes from its answer."""
    first = {each.name: at for at, request in reversed(list(enumerate(scenario.requests))) for each in request.extractions}
    for place, request in enumerate(scenario.requests):
        for field, text in request.texts():
            marks = Marks(None)
            try:
                marks.text(text, *((Encoding.JSON,) if field.startswith("body.") else ()))
            except WrongReference as problem:
                problems.at(place).add(field, str(problem))
                continue
            for each in marks.references:
                if each.kind is ReferenceKind.SECRET:
                    continue
                if each.name not in first:
                    problems.at(place).add(field, f"refers to `{each.name}`, which no request of the scenario extracts")
                elif first[each.name] >= place:
                    problems.at(place).add(field, f"refers to `{each.name}` before a request has extracted it")


def _check_sums(executors: Sequence[Executor], problems: Problems, limits: LoadLimits) -> None:
    """Record where those that run at the same time ask for too much together."""
    for at in {each.start_time for each in executors}:
        now = [each for each in executors if each.start_time <= at < each.last_second]
        vus, rate = sum(each.most_vus for each in now), sum(each.most_rate for each in now)
        if vus > limits.vus:
            problems.add("scenarios", f"have up to {vus} virtual users at a time together; {limits.vus} are allowed")
        if rate > limits.rate:
            problems.add("scenarios", f"start up to {rate:g} iterations a second together; {limits.rate:g} are allowed")
        if not problems.is_clean:
            return


def _optional(problems: Problems, raw: Mapping[str, Any], field: str, high: float) -> float | None:
    return None if raw.get(field) is None else problems.number(raw, field, None, 0.0, high)


def _checked_scenario(scenario: Scenario, endpoints: Mapping[str, Endpoint], problems: Problems) -> Scenario:
    """The scenario with the fingerprints of its endpoints as they are; what the target does not offer is recorded."""
    known = []
    for place, request in enumerate(scenario.requests):
        inner = problems.at("requests").at(place)
        endpoint = endpoints.get(request.endpoint)
        if endpoint is None:
            inner.add("endpoint", "is not among those that the target's document describes")
            continue
        if endpoint.method not in SAFE and not scenario.allows_unsafe:
            inner.add("endpoint", f"is a {endpoint.method}, which may change something: the scenario has to set allowUnsafe")
        _check_parameters(request, endpoint, inner.at("parameters"))
        if request.body is not None and not endpoint.bodies:
            inner.add("body", "can't be given: the endpoint takes none")
        known.append(replace(request, demands=endpoint.demands, access=endpoint.access, parts=endpoint.parts))
    return replace(scenario, requests=tuple(known))


def _check_secrets(definition: LoadTestDefinition, secrets: Mapping[str, Secret], problems: Problems) -> None:
    """Record secrets that the target does not have, or that are not for the server that gets them."""
    for field, name, receiver in () if definition.login is None else definition.login.secrets(definition.server):
        if problem := refusal(secrets.get(name), [receiver]):
            problems.at("login").add(field, f"names the secret `{name}`, which {problem}")
    at_scenarios = problems.at("scenarios")
    for at, scenario in enumerate(definition.scenarios):
        for place, request in enumerate(scenario.requests):
            for field, name in request.secret_places():
                if problem := refusal(secrets.get(name), [shown_origin(definition.server)]):
                    at_scenarios.at(at).at("requests").at(place).add(field, f"refers to the secret `{name}`, which {problem}")


def _check_parameters(request: ScenarioRequest, endpoint: Endpoint, problems: Problems) -> None:
    offered = {(each.location, each.name): each for each in endpoint.parameters}
    for place, given in enumerate(request.parameters):
        parameter = offered.get((given.location, given.name))
        if parameter is None:
            problems.at(place).add("name", f"is no {given.location} parameter of {endpoint.key}"[:300])
        elif given.value is None and parameter.is_required:
            problems.at(place).add("value", "is required by the endpoint")
        elif any((each.location, each.name) == (given.location, given.name) for each in request.parameters[:place]):
            problems.at(place).add("name", "is given twice")
