"""A load test that someone who has none can begin with: safe endpoints of an API, called gently for half a minute."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from domain.endpoint import Endpoint
from domain.load_test import MAX_TITLE
from domain.target import Target

MOST_ENDPOINTS = 5
TITLE = "Quick start"


def target_name(url: str) -> str:
    """What the target of that address is called: the address, of which a long one is cut and told apart by its checksum.

    It leaves room for the title of its load test.
    """
    most = MAX_TITLE - len(TITLE) - 2
    return url if len(url) <= most else f"{url[: most - 17]}…{hashlib.sha256(url.encode()).hexdigest()[:16]}"


def choose_endpoints(endpoints: Iterable[Endpoint], can_be_called: Callable[[Endpoint], bool]) -> list[Endpoint]:
    """Up to five endpoints to begin with: those that change nothing, are open to everybody and not deprecated.

    The fewer values have to be made up the better; equal ones in the order of the document. `can_be_called` is asked for as few
    as possible.
    """
    fit = [each for each in endpoints if each.is_safe and not each.is_deprecated and is_open(each) and not each.servers]
    chosen: list[Endpoint] = []
    for endpoint in sorted(fit, key=_made_up):
        if len(chosen) == MOST_ENDPOINTS:
            break
        if can_be_called(endpoint):
            chosen.append(endpoint)
    return chosen


def is_open(endpoint: Endpoint) -> bool:
    """Whether nobody has to identify themselves to call it."""
    return not endpoint.security or any(not alternative for alternative in endpoint.security)


def quick_start_document(target: Target, endpoints: Sequence[Endpoint], server: str | None) -> dict[str, Any]:
    """The input document of a load test: each endpoint in a scenario of its own."""
    scenarios = [
        {
            "name": endpoint.key[:200],
            "requests": [{"endpoint": endpoint.key}],
            "executor": {"kind": "CONSTANT_VUS", "vus": 2, "duration": 30, "gracefulStop": 5},
            "thinkTime": {"shortest": 0.2, "longest": 0.5},
            "responseTime": 1000,
            "errorRate": 0.01,
        }
        for endpoint in endpoints
    ]
    return {
        "title": f"{TITLE}: {target.definition.name}"[:MAX_TITLE],
        "description": "Made by loadTestQuickStart.",
        "server": server or "",
        "scenarios": scenarios,
    }


def _made_up(endpoint: Endpoint) -> int:
    """How many values have to be made for a request, as the document has no example of them."""
    return sum(each.is_required and not each.examples for each in endpoint.parameters)
