"""Scenarios of a load test that were made for something else than its target now is."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from domain.api_document import EndpointChange, endpoint_change
from domain.endpoint import Endpoint
from domain.load_test import LoadTestDefinition, is_there
from domain.target import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class StaleScenario:
    """What of a scenario does not fit its target any more.

    Some endpoints are `gone`, some are `changed`: they want other requests, another login or are elsewhere; `details` say what of
    these has changed. With `is_server_gone` the target is not where the load goes.
    """

    name: str
    gone: tuple[str, ...]
    changed: tuple[str, ...]
    is_server_gone: bool = False
    details: tuple[EndpointChange, ...] = ()


def stale_scenarios(definition: LoadTestDefinition, target: Target, endpoints: Mapping[str, Endpoint]) -> Iterator[StaleScenario]:
    """The scenarios whose endpoints or server are not what they were when it was made; `endpoints` are those of now by key."""
    is_offered = not definition.is_server_offered or definition.server in target.servers
    is_server_gone = not (is_offered and is_there(definition.server, target))
    for scenario in definition.scenarios:
        gone = dict.fromkeys(each.endpoint for each in scenario.requests if each.endpoint not in endpoints)
        changed = dict.fromkeys(
            each.endpoint
            for each in scenario.requests
            if each.endpoint in endpoints and not each.is_for(endpoints[each.endpoint])
        )
        if gone or changed or is_server_gone:
            parts = {each.endpoint: each.parts for each in scenario.requests if each.endpoint in changed and each.parts}
            yield StaleScenario(
                name=scenario.name,
                gone=tuple(gone),
                changed=tuple(changed),
                is_server_gone=is_server_gone,
                details=tuple(endpoint_change(key, known, endpoints[key].parts) for key, known in parts.items()),
            )
