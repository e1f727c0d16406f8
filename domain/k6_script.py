"""Writing k6 scripts: a program that is always the same, and one JSON literal that says what this test does.

No text of a document or user stands anywhere but in strings of that literal, so none can become code. Whatever may have any name
is a value there, never a key: `__proto__` as a key of a JavaScript literal would be no key. The same input gives the same bytes.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from domain.executor import Executor
from domain.request import Request

SYSTEM_TAGS = (  # without `url`, which holds secrets and has no end of values; `name` is the path with its parameters in braces
    "proto",
    "status",
    "method",
    "name",
    "error",
    "error_code",
    "scenario",
    "expected_response",
)
GOOD_STATUSES = (200, 399)
PROGRAM = """\
// A load test for k6, written by PLOG. PLAN says what this test does; the program below it is the same in all tests.
import http from "k6/http";
import exec from "k6/execution";
import { check, sleep } from "k6";

const PLAN = %(plan)s;

export const options = PLAN.options;

// Which statuses are those of a good answer: any other, or no answer at all, is an error.
for (const scenario of Object.values(PLAN.scenarios)) {
  for (const request of scenario.requests) {
    request.callback = http.expectedStatuses(...request.expected.map(([min, max]) => ({ min, max })));
  }
}

// One iteration of the scenario that it runs in: its requests in order, then the time to think.
export function run() {
  const scenario = PLAN.scenarios[exec.scenario.name];
  for (const request of scenario.requests) {
    const response = http.request(request.method, request.url, request.body, {
      headers: Object.fromEntries(request.headers),
      tags: { name: request.name },
      responseCallback: request.callback,
    });
    check(response, {
      "answered as expected": ({ status }) => request.expected.some(([min, max]) => min <= status && status <= max),
    });
  }
  const [shortest, longest] = scenario.thinkTime;
  if (longest > 0) {
    sleep(shortest + Math.random() * (longest - shortest));
  }
}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptScenario:
    """One scenario of a script.

    `think_time` is the shortest and the longest pause after an iteration, in seconds. `response_time` is the most that the
    percentile (0 to 100) of the response times may be, in milliseconds; `error_rate` the most of all requests, from 0 to 1, that
    may fail.
    """

    title: str
    executor: Executor
    requests: tuple[Request, ...]
    think_time: tuple[float, float] = (0.0, 0.0)
    percentile: float = 95.0
    response_time: float | None = None
    error_rate: float | None = None


def write_script(scenarios: Sequence[ScriptScenario], *, target_tps: float | None = None) -> str:
    """The script of these scenarios, to k6 `s1`, `s2` …; `target_tps` is the least rate of requests a second."""
    named = {f"s{number}": scenario for number, scenario in enumerate(scenarios, 1)}
    plan = {
        "options": {
            "scenarios": {name: {"exec": "run", **each.executor.k6_options()} for name, each in named.items()},
            "thresholds": _thresholds(named.items(), target_tps),
            "systemTags": SYSTEM_TAGS,
            "discardResponseBodies": True,
        },
        "scenarios": {name: _scenario(each) for name, each in named.items()},
    }
    return PROGRAM % {"plan": _literal(plan)}


def _thresholds(named: Any, target_tps: float | None) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, scenario in named:
        if scenario.response_time is not None:
            limit = f"p({_number(scenario.percentile)})<={_number(scenario.response_time)}"
            found[f"http_req_duration{{scenario:{name}}}"] = [limit]
        if scenario.error_rate is not None:
            found[f"http_req_failed{{scenario:{name}}}"] = [f"rate<={_number(scenario.error_rate)}"]
    if target_tps is not None:
        found["http_reqs"] = [f"rate>={_number(target_tps)}"]
    return found


def _scenario(scenario: ScriptScenario) -> dict[str, Any]:
    requests: list[dict[str, Any]] = [
        {
            "name": each.name,
            "method": each.method,
            "url": each.url,
            "headers": [list(header) for header in each.headers],
            "body": each.body,
            "expected": [[status, status] for status in each.expected_statuses] or [GOOD_STATUSES],
        }
        for each in scenario.requests
    ]
    return {"title": scenario.title, "requests": requests, "thinkTime": list(scenario.think_time)}


def _literal(plan: dict[str, Any]) -> str:
    """The plan as JSON that is JavaScript as well, for people to read: U+2028 and U+2029 end lines in old engines."""
    text = json.dumps(plan, ensure_ascii=False, indent=2, allow_nan=False)
    return text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _number(value: float) -> str:
    """The number as k6's thresholds read it, which know no exponents."""
    return f"{Decimal(repr(value)):f}"
