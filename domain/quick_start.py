"""A load test that someone who has none can begin with: safe endpoints of an API, called gently for a minute."""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from domain.endpoint import Endpoint, Parameter, ParameterLocation
from domain.executor import LoadLimits
from domain.json_pointer import Unresolvable, resolve
from domain.load_test import MAX_TITLE
from domain.short_load import COMPARED
from domain.target import Target

MOST_ENDPOINTS = 5
TITLE = "Quick start"
LEAST_SECONDS = 60.0
GRACE = 5.0
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
VARIABLE = re.compile(r"\{[^}]*\}")
ENDING = ("logout", "logoff", "signout", "signoff", "endsession", "unsubscribe", "shutdown")
REMOVING = frozenset(
    {"delete", "remove", "erase", "clear", "purge", "wipe", "flush", "drop", "truncate", "unlink", "destroy", "uninstall"}
    | {"cancel", "abort", "stop", "halt", "close", "exit", "quit", "kill", "terminate", "reset", "restart", "reboot", "poweroff"}
    | {"revoke", "invalidate", "expire", "deauthorize", "unregister", "deactivate", "disable", "disconnect"}
)
SESSIONS = frozenset({"session", "sessions"})
OF_SESSIONS = frozenset({"end", "expire", "invalidate"})


def target_name(url: str) -> str:
    """What the target of that address is called: the address, of which a long one is cut and told apart by its checksum.

    It leaves room for the title of its load test.
    """
    most = MAX_TITLE - len(TITLE) - 2
    return url if len(url) <= most else f"{url[: most - 17]}…{hashlib.sha256(url.encode()).hexdigest()[:16]}"


def choose_endpoints(
    endpoints: Sequence[Endpoint], document: Mapping[str, Any], can_be_called: Callable[[Endpoint], bool]
) -> list[Endpoint]:
    """Up to five endpoints to begin with: those that change nothing, are open to everybody and not deprecated.

    The fewer values have to be made up the better, then the fewer there are in the path; equal ones in the order of the document.
    Those with a made up value in the path are for an API that has no others: it most likely leads to 404. `can_be_called` is
    asked for as few as possible.
    """
    fit = [each for each in endpoints if _is_fit(each) and is_open(each)]
    chosen: list[Endpoint] = []
    for is_guessed in (False, True):
        for endpoint in sorted((each for each in fit if has_guessed_path(each, document) is is_guessed), key=_made_up):
            if len(chosen) == MOST_ENDPOINTS:
                break
            if can_be_called(endpoint):
                chosen.append(endpoint)
        if chosen:
            break
    return chosen


def why_none(endpoints: Sequence[Endpoint]) -> str:
    """Why nothing can be chosen, and what to do."""
    locked = [each for each in endpoints if _is_fit(each) and not is_open(each)]
    if not locked:
        named = sorted(each.key for each in endpoints if each.is_safe and ends_something(each))
        avoided = f"; by their names these may end or remove something: {', '.join(named):.300}" if named else ""
        return f"the document has no endpoint that can be called safely without being told more{avoided}"
    schemes = ", ".join(sorted({name for each in locked for alternative in each.security for name in alternative}))
    return (
        f"the document has no endpoint that can be called safely without a login: {len(locked)} of them need one "
        f"({schemes:.300}), and a quick start has none. "
        "Add the API as a target, set its secret, and create a load test with a `login`"
    )


def ends_something(endpoint: Endpoint) -> bool:
    """Whether its path or operation id says that it ends a session, or removes or stops something, whatever its method means."""
    for text in (VARIABLE.sub("", endpoint.path), endpoint.operation_id):
        words = [each.lower() for each in WORD.findall(text)]
        if any(name in each for each in words for name in ENDING) or any(
            "".join(two).endswith(ENDING) for two in pairwise(words)
        ):
            return True
        if any(each.removesuffix("all") in REMOVING for each in words):
            return True
        if not SESSIONS.isdisjoint(words) and not OF_SESSIONS.isdisjoint(words):
            return True
    return False


def has_guessed_path(endpoint: Endpoint, document: Mapping[str, Any]) -> bool:
    """Whether a value in its path has to be made up: the document has no example, default or list of values."""
    return any(
        each.location is ParameterLocation.PATH and not each.examples and not _is_listed(each, document)
        for each in endpoint.parameters
    )


def is_open(endpoint: Endpoint) -> bool:
    """Whether nobody has to identify themselves to call it."""
    return not endpoint.security or any(not alternative for alternative in endpoint.security)


def quick_start_seconds(window_seconds: int, limits: LoadLimits) -> float:
    """How long the load lasts: a minute, or as long as it takes for its runs to be compared, if that is allowed."""
    return min(max(LEAST_SECONDS, COMPARED * window_seconds), limits.seconds - GRACE)


def quick_start_document(
    target: Target, endpoints: Sequence[Endpoint], document: Mapping[str, Any], server: str | None, seconds: float
) -> dict[str, Any]:
    """The input document of a load test of so many seconds: each endpoint in a scenario of its own. Its description says which
    paths are guesses.
    """
    guessed = ", ".join(each.key for each in endpoints if has_guessed_path(each, document))
    remark = f" Values in paths are made up, as the document has no examples; answers of 404 make a run fail: {guessed:.2000}."
    scenarios = [
        {
            "name": endpoint.key[:200],
            "requests": [{"endpoint": endpoint.key}],
            "executor": {"kind": "CONSTANT_VUS", "vus": 2, "duration": seconds, "gracefulStop": GRACE},
            "thinkTime": {"shortest": 0.2, "longest": 0.5},
            "responseTime": 1000,
            "errorRate": 0.01,
        }
        for endpoint in endpoints
    ]
    return {
        "title": f"{TITLE}: {target.definition.name}"[:MAX_TITLE],
        "description": "Made by loadTestQuickStart." + (remark if guessed else ""),
        "server": server or "",
        "scenarios": scenarios,
    }


def _is_fit(endpoint: Endpoint) -> bool:
    return endpoint.is_safe and not endpoint.is_deprecated and not endpoint.servers and not ends_something(endpoint)


def _is_listed(parameter: Parameter, document: Mapping[str, Any]) -> bool:
    """Whether the document lists what the parameter may be."""
    try:
        schema = resolve(document, parameter.schema)
    except Unresolvable:
        return False
    return isinstance(schema, Mapping) and ("enum" in schema or "const" in schema)


def _made_up(endpoint: Endpoint) -> tuple[int, int]:
    """How many values have to be made for a request, as the document has no example of them; how many are in the path."""
    made = sum(each.is_required and not each.examples for each in endpoint.parameters)
    return made, sum(each.location is ParameterLocation.PATH for each in endpoint.parameters)
