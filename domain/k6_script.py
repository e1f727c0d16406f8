"""Writing k6 scripts: a program that is always the same, and one JSON literal that says what this test does.

No text of a document or user stands anywhere but in strings of that literal, so none can become code. Whatever may have any name
is a value there, never a key: `__proto__` as a key of a JavaScript literal would be no key. The same input gives the same bytes.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from domain.executor import Executor
from domain.k6_threshold import FAILURES, TIMES, percentile_at_most, rate_at_most
from domain.login import TokenRequest
from domain.request import Request
from domain.template import Base64, Reference, ReferenceKind, Text

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
TAGS_VU = "PLOG_TAGS_VU"  # the variable with which k6 tags each sample with its virtual user
SET_UP_END = "plog_set_up"  # k6's name for when, in milliseconds after its start, the set-up was over and the load began
PAUSES = "plog_pauses"  # k6's name for how many iterations have come to their pause
GOOD_STATUSES = (200, 399)
OF_ANSWERS = (ReferenceKind.VALUE, ReferenceKind.JSON)
PROGRAM = """\
// A load test for k6, written by PLOG. PLAN says what this test does; the program below it is the same in all tests.
import http from "k6/http";
import exec from "k6/execution";
import encoding from "k6/encoding";
import { Counter, Gauge } from "k6/metrics";
import { check, sleep } from "k6";

const PLAN = %(plan)s;

export const options = PLAN.options;

const pauses = new Counter("%(pauses)s"); // that began: the iterations of those that did not end are interrupted by no request
const setUpEnd = new Gauge("%(set_up_end)s", true); // after the start of the test: the load begins then

const CHECKS = {
  BODY_CONTAINS: (answer, { text }) => (answer.body || "").includes(text),
  JSON_EXISTS: (answer, { path }) => at(json(answer), path) !== undefined,
  JSON_EQUALS: (answer, { path, json: wanted }) => isSame(at(json(answer), path), parsed(wanted)),
  HEADER_EQUALS: (answer, { header, text }) => headerOf(answer, header) === text,
  HEADER_CONTAINS: (answer, { header, text }) => (headerOf(answer, header) || "").includes(text),
  RESPONSE_TIME_BELOW: (answer, { milliseconds }) => answer.status > 0 && answer.timings.duration < milliseconds,
};

const SOURCES = {
  JSON: (answer, { path }) => at(json(answer), path),
  HEADER: (answer, { key }) => headerOf(answer, key),
  COOKIE: (answer, { key }) => (has(answer.cookies, key) ? answer.cookies[key][0].value : undefined),
};

const LOGIN_ERRORS = [
  "invalid_request",
  "invalid_client",
  "invalid_grant",
  "unauthorized_client",
  "unsupported_grant_type",
  "invalid_scope",
];

// What is no part of a path: with it a request would go somewhere else.
const NO_SEGMENTS = ["", ".", ".."];

// How a value is written where a text refers to it.
const ENCODINGS = {
  url: (text) => encodeURIComponent(text.replace(/[\\ud800-\\udfff]/gu, "\\ufffd")),
  json: (text) => JSON.stringify(text).slice(1, -1),
};

for (const [name, scenario] of Object.entries(PLAN.scenarios)) {
  scenario.requests.forEach((request, place) => {
    // Which statuses are those of a good answer: any other, or no answer at all, is an error.
    const isGood = ({ status }) => request.expected.some(([min, max]) => min <= status && status <= max);
    request.callback = http.expectedStatuses(...request.expected.map(([min, max]) => ({ min, max })));
    request.label = `${name} request ${place + 1}`;
    request.tests = { "answered as expected": isGood };
    (request.checks || []).forEach((wanted, number) => {
      request.tests[`${request.label} check ${number + 1}`] = (answer) => CHECKS[wanted.kind](answer, wanted);
    });
    request.params = { tags: { name: request.name }, responseCallback: request.callback, timeout: scenario.timeout };
    if (request.keepsBody) {
      request.params.responseType = "text";
    }
    request.hasFixedHeaders = request.headers.every(([, text]) => typeof text === "string");
    request.params.headers = request.hasFixedHeaders ? Object.fromEntries(request.headers) : {};
  });
}

// The login comes before the load and counts for no scenario; what it gives goes to all virtual users.
export function setup() {
  const login = PLAN.login ? logIn() : undefined;
  setUpEnd.add(exec.instance.currentTestRunDuration);
  return login;
}

// One iteration of the scenario that it runs in: its requests in order, then the time to think.
export function run(login) {
  if (__ENV.%(tags_vu)s) {
    exec.vu.metrics.tags.vu = String(exec.vu.idInTest); // for outputs that take samples of the same time and tags for one
  }
  if (login) {
    keepToken(login);
  }
  const scenario = PLAN.scenarios[exec.scenario.name];
  const values = new Map();
  for (const request of scenario.requests) {
    if (request.needs !== undefined && !request.needs.every((name) => values.has(name))) {
      missed(`${request.label} was sent`, "A value that it needs is missing");
    } else if ((request.segments || []).some((name) => NO_SEGMENTS.includes(asText(values.get(name))))) {
      missed(`${request.label} was sent`, "A value would lead it to another path");
    } else {
      send(request, values);
    }
  }
  const [shortest, longest] = scenario.thinkTime;
  if (longest > 0) {
    pauses.add(1);
    sleep(shortest + Math.random() * (longest - shortest));
  }
}

function send(request, values) {
  const { params } = request;
  if (!request.hasFixedHeaders) {
    params.headers = Object.fromEntries(request.headers.map(([name, text]) => [name, written(text, values)]));
  }
  const body = request.body === null ? null : written(request.body, values);
  const answer = http.request(request.method, written(request.url, values), body, params);
  check(answer, request.tests);
  if (request.extract !== undefined) {
    extract(request, answer, values);
  }
}

function extract(request, answer, values) {
  for (const extraction of request.extract) {
    const found = SOURCES[extraction.source](answer, extraction);
    if (found === undefined || found === null) {
      values.delete(extraction.name);
      missed(`${request.label} extracted ${extraction.name}`, "The answer does not have the value");
    } else {
      values.set(extraction.name, found);
    }
  }
}

// The token of this virtual user. It is fetched anew after 70 to 90 percent of its life, so that not all do it at once.
const session = { share: 0.7 + 0.2 * Math.random() };

function keepToken(login) {
  session.login = session.login || login;
  const { asked, seconds } = session.login;
  if (seconds > 0 && Date.now() > asked + seconds * 1000 * session.share) {
    session.login = logIn();
  }
}

// A login that fails ends the run: nothing of what the target answered is told but an error of RFC 6749.
function logIn() {
  const { url, headers, body } = PLAN.login;
  const asked = Date.now();
  const answer = http.request("POST", url, written(body), {
    headers: Object.fromEntries(headers.map(([name, text]) => [name, written(text)])),
    tags: { name: "login", scenario: "" },
    responseCallback: http.expectedStatuses({ min: 200, max: 299 }),
    responseType: "text",
    timeout: "30s",
  });
  const token = at(json(answer), ["access_token"]);
  if (answer.status >= 200 && answer.status <= 299 && typeof token === "string" && token !== "") {
    return { token, asked, seconds: Number(at(json(answer), ["expires_in"])) || 0 };
  }
  const known = LOGIN_ERRORS.find((each) => each === at(json(answer), ["error"]));
  const error = (answer.error || "").replace(/["\\\\\\n]/g, " ");
  const what = answer.status === 0 ? `did not answer (${error})` : `answered ${answer.status} without a token`;
  exec.test.abort(`The login failed: ${url} ${what}${known === undefined ? "" : `, ${known}`}.`);
}

// What could not be done is a failed check; each virtual user tells it once.
const told = new Set();

function missed(what, why) {
  check(null, { [what]: () => false });
  if (!told.has(what)) {
    told.add(what);
    console.warn(`Not so: ${what}. ${why}.`);
  }
}

// A text as it is sent: as it stands, or put together of what stands and what is referred to.
function written(text, values) {
  return typeof text === "string" ? text : text.map((part) => (typeof part === "string" ? part : filled(part, values))).join("");
}

const FOUND = {
  secret: ({ name }) => __ENV[`PLOG_SECRET_${name}`], // secrets stand in the environment alone
  token: () => session.login.token,
  value: ({ name }, values) => asText(values.get(name)),
  json: ({ name }, values) => asJson(values.get(name)),
  base64: ({ parts }, values) => encoding.b64encode(written(parts, values)),
};

function filled(part, values) {
  return (part.encodings || []).reduce((text, name) => ENCODINGS[name](text), FOUND[part.kind](part, values));
}

function asText(value) {
  return typeof value === "string" && !LONG.test(value) ? value : asJson(value);
}

// Whole numbers with more digits than JavaScript keeps stay as they are written: as texts behind a mark.
const LONG = /^\\0(-?\\d+)$/;

function parsed(text) {
  const keep = (part) => (/^-?[1-9]\\d{15,}$/.test(part) && !Number.isSafeInteger(Number(part)) ? `"\\\\u0000${part}"` : part);
  return JSON.parse(/\\d{16}/.test(text) ? text.replace(/"(?:[^"\\\\]|\\\\.)*"|-?\\d[\\d.eE+-]*/g, keep) : text);
}

function asJson(value) {
  return JSON.stringify(value).replace(/"\\\\u0000(-?\\d+)"/g, "$1");
}

// The body as JSON; undefined where it is none. Several checks of one answer read it once.
const last = {};

function json(answer) {
  if (last.answer !== answer) {
    last.answer = answer;
    try {
      last.document = answer.body === null ? undefined : parsed(answer.body);
    } catch (error) {
      last.document = undefined;
    }
  }
  return last.document;
}

function at(document, path) {
  const step = (place, key) => (has(place, key) && !(Array.isArray(place) && key === "length") ? place[key] : undefined);
  return path.reduce(step, document);
}

function has(value, key) {
  return typeof value === "object" && value !== null && Object.hasOwn(value, key);
}

function isSame(one, other) {
  if (typeof one !== "object" || typeof other !== "object" || one === null || other === null) {
    return one === other;
  }
  const keys = Object.keys(one);
  return (
    Array.isArray(one) === Array.isArray(other) &&
    keys.length === Object.keys(other).length &&
    keys.every((key) => has(other, key) && isSame(one[key], other[key]))
  );
}

function headerOf(answer, name) {
  const found = Object.keys(answer.headers).find((each) => each.toLowerCase() === name.toLowerCase());
  return found === undefined ? undefined : answer.headers[found];
}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptScenario:
    """One scenario of a script.

    `think_time` is the shortest and the longest pause after an iteration, in seconds. `response_time` is the most that the
    percentile (0 to 100) of the response times may be, in milliseconds; `error_rate` the most of all requests, from 0 to 1, that
    may fail; one without an answer after `timeout` seconds has.
    """

    title: str
    executor: Executor
    requests: tuple[Request, ...]
    think_time: tuple[float, float] = (0.0, 0.0)
    percentile: float = 95.0
    response_time: float | None = None
    error_rate: float | None = None
    timeout: float = 30.0


def write_script(scenarios: Sequence[ScriptScenario], *, login: TokenRequest | None = None) -> str:
    """The script of these scenarios, to k6 `s1`, `s2` …; `login` is how the token of requests that refer to one is fetched.

    Thresholds are those of single scenarios, for who runs it by itself: k6 would count the login to those of all together.
    """
    named = {f"s{number}": scenario for number, scenario in enumerate(scenarios, 1)}
    plan: dict[str, Any] = {
        "options": {
            "scenarios": {name: {"exec": "run", **each.executor.k6_options()} for name, each in named.items()},
            "thresholds": _thresholds(named.items()),
            "systemTags": SYSTEM_TAGS,
            "discardResponseBodies": True,
            "maxRedirects": 0,
        },
        "scenarios": {name: _scenario(each) for name, each in named.items()},
    }
    if login is not None:
        headers = [[name, _text(text)] for name, text in login.headers]
        plan["login"] = {"url": login.url, "headers": headers, "body": _text(login.body)}
    return PROGRAM % {"plan": _literal(plan), "tags_vu": TAGS_VU, "pauses": PAUSES, "set_up_end": SET_UP_END}


def _thresholds(named: Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, scenario in named:
        if scenario.response_time is not None:
            found[f"{TIMES}{{scenario:{name}}}"] = [percentile_at_most(scenario.percentile, scenario.response_time)]
        if scenario.error_rate is not None:
            found[f"{FAILURES}{{scenario:{name}}}"] = [rate_at_most(scenario.error_rate)]
    return found


def _scenario(scenario: ScriptScenario) -> dict[str, Any]:
    requests = [_request(each) for each in scenario.requests]
    return {
        "title": scenario.title,
        "requests": requests,
        "timeout": f"{round(scenario.timeout * 1000)}ms",
        "thinkTime": list(scenario.think_time),
    }


def _request(request: Request) -> dict[str, Any]:
    """The request as the program reads it; what is seldom there is left out where it is not."""
    plan: dict[str, Any] = {
        "name": request.name,
        "method": request.method,
        "url": _text(request.url),
        "headers": [[name, _text(text)] for name, text in request.headers],
        "body": None if request.body is None else _text(request.body),
        "expected": [[status, status] for status in request.expected_statuses] or [GOOD_STATUSES],
    }
    needs = dict.fromkeys(each.name for each in request.references if each.kind in OF_ANSWERS)
    seldom = {
        "needs": list(needs),
        "segments": _segments(request.url),
        "checks": [each.as_plan() for each in request.checks],
        "extract": [each.as_plan() for each in request.extractions],
        "keepsBody": request.keeps_body,
    }
    return plan | {name: value for name, value in seldom.items() if value}


def _segments(url: Text) -> list[str]:
    """The names of the values of answers in the path of a URL."""
    found: dict[str, None] = {}
    for part in () if isinstance(url, str) else url:
        if isinstance(part, str) and "?" in part:
            break
        if isinstance(part, Reference) and part.kind in OF_ANSWERS:
            found[part.name] = None
    return list(found)


def _text(text: Text) -> Any:
    return text if isinstance(text, str) else [_part(part) for part in text]


def _part(part: str | Reference | Base64) -> Any:
    if isinstance(part, str):
        return part
    if isinstance(part, Base64):
        return {"kind": "base64", "parts": [_part(each) for each in part.parts]}
    encodings = {"encodings": [str(each) for each in part.encodings]} if part.encodings else {}
    return {"kind": str(part.kind), "name": part.name} | encodings


def _literal(plan: dict[str, Any]) -> str:
    """The plan as JSON that is JavaScript as well, for people to read: U+2028 and U+2029 end lines in old engines."""
    text = json.dumps(plan, ensure_ascii=False, indent=2, allow_nan=False)
    return text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
