"""What no client should send: each gets an error that says what is wrong, none is an internal error, and nothing changes."""

import base64
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any
from uuid import uuid4

import orjson
import pytest
from sqlalchemy import select

from gql import ids
from gql.types.connection import encode_cursor
from persistence import tables
from tests.api.in_process import BOTH_DATABASES, CREATE, Plog, job_command, kit_command, table_document

FARTHEST = 2**31 - 1
REFUSED = "OK {'results': [{'state': 'REFUSED'"
EVIDENCE = ("kit_event", "kit_state", "task_state", "attempt_state", "artifact")
NUL, SURROGATE = "a\0b", "a\ud800b"
REPORT = """mutation ($input: TaskReportsInput!, $key: String) { taskReport(input: $input, idempotencyKey: $key) {
  ... on TaskReportPayload { results { state code consumed } } ... on UserError { code } } }"""
KITS = """query ($filter: KitFilter, $order: KitOrder! = NUMBER, $first: Int! = 50, $after: String) {
  kits(filter: $filter, orderBy: $order, first: $first, after: $after) { totalCount nodes { id } } }"""
EVENTS = """query ($number: Int!, $first: Int! = 50, $after: String, $version: Int, $filter: KitEventFilter) {
  kitByNumber(number: $number) {
    events(first: $first, after: $after, afterVersion: $version, filter: $filter) { nodes { id } } } }"""
JOBS = """query ($filter: JobFilter, $first: Int! = 50, $after: String) {
  jobs(filter: $filter, first: $first, after: $after) { nodes { id } } }"""
JOB = """query ($id: ID!, $attempt: Int, $after: Int!, $cursor: String, $first: Int! = 9) { job(id: $id) {
  artifacts(attempt: $attempt) { id } log(attempt: $attempt, after: $after) { text }
  attempts(after: $cursor, first: $first) { nodes { id } } } }"""
KIT = "query ($id: ID!, $at: DateTime, $known: Int) { kit(id: $id, asOf: $at, ifVersionNot: $known) { __typename } }"


def raw_id(text: str) -> str:
    """An id with any content."""
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def raw_cursor(*values: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


async def fingerprint(plog: Plog) -> dict[str, list[str]]:
    """Everything in the database but the runners' signs of life."""
    kept = {}
    async with plog.container.services.database.snapshot() as work:
        for table in tables.metadata.sorted_tables:
            if table.name not in ("runner", "lease"):
                rows = await work.connection.execute(select(table))  # type: ignore[attr-defined]
                kept[table.name] = sorted(map(repr, rows))
    return kept


@pytest.fixture
async def unchanged(plog: Plog) -> AsyncIterator[dict[str, Any]]:
    """A kit whose first job runs, and the promise that nothing in the database changes."""
    kit = await plog.run()
    before = await fingerprint(plog)
    yield kit
    assert await fingerprint(plog) == before


async def outcome(plog: Plog, query: str, variables: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> str:
    """The code of the refusal, or `OK` with what came instead."""
    body = json.dumps({"query": query, "variables": variables})
    headers = {**(headers or plog.signed_in()), "content-type": "application/json"}
    response = await plog.http.post("/graphql", content=body, headers=headers)
    answer = orjson.loads(response.content)
    if answer.get("errors"):
        return str(answer["errors"][0]["extensions"]["code"])
    (value,) = answer["data"].values()
    return str(value["code"]) if isinstance(value, dict) and "code" in value else f"OK {value}"


def strange_ids(kit: Mapping[str, Any]) -> list[str]:
    job = kit["jobs"][0]["uuid"]
    number = kit["number"]
    return [
        "",
        " ",
        "x",
        "é",
        "=" * 8,
        "A" * 501,
        "\0",
        raw_id("Kit"),
        raw_id("Kit:"),
        raw_id(f"Kit:{number}:2"),
        raw_id("Kit:-1"),
        raw_id("Kit:1.0"),
        raw_id("Kit:1e3"),
        raw_id(f"Kit:{'9' * 300}"),
        raw_id(f"Kit:{FARTHEST}"),
        raw_id("Kit:٣"),
        raw_id("Nope:1"),
        raw_id(f"Kit:0{number}"),
        raw_id(f"Kit: {number}"),
        raw_id("Job:1"),
        raw_id("Job:"),
        raw_id(f"Job:{job}:1"),
        raw_id(f"Job:{{{job}}}"),
        raw_id(f"Job:{job.upper()}"),
        raw_id(f"Job:{job.replace('-', '')}"),
        raw_id(f"Job:{uuid4()}"),
        raw_id("Job:\0"),
        raw_id(f"KitEvent:{number}:{'9' * 30}"),
        raw_id(f"KitEvent:{'9' * 30}:1"),
        raw_id(f"KitEvent:{number}:-1"),
        raw_id(f"KitEvent:{number}:{2**31}"),
        raw_id("KitEvent:1"),
        raw_id(f"Attempt:{job}:99999999999"),
        raw_id(f"Attempt:{job}:0"),
        raw_id(f"Attempt:{job}:x"),
        raw_id(f"Task:{job}:0"),
        raw_id(f"Task:{job}:99"),
        raw_id("Artifact:x"),
        raw_id(f"Artifact:{uuid4()}"),
        raw_id("DeckRequest:99999999999999999999"),
        raw_id("DeckRequest:-1"),
        raw_id(f"DeckRequest:{2**31}"),
        raw_id("StepTemplate:\0"),
        raw_id("StepTemplate:nope"),
        raw_id("KitEvent:1_0:1"),
        raw_id(f"Attempt:{job}: 1"),
        raw_id(f"KitEvent:{number}:01"),
        raw_id("DeckRequest:01"),
    ]


@BOTH_DATABASES
async def test_ids_that_lead_nowhere(plog: Plog, unchanged: dict[str, Any]) -> None:
    kit = unchanged
    found: dict[Any, str] = {}
    for strange in strange_ids(kit):
        for query in (*map(kit_command, ("kitStart", "kitArchive")), *map(job_command, ("jobStart", "jobRetry", "jobCancel"))):
            found[strange, query[-90:]] = await outcome(plog, query, {"id": strange})
        for name in ("kit", "job"):
            query = f"query ($id: ID!) {{ {name}(id: $id) {{ __typename }} }}"
            answer = await outcome(plog, query, {"id": strange})
            found[strange, name] = "NOT_FOUND" if answer == "OK None" else answer
        node = await outcome(plog, "query ($id: ID!) { node(id: $id) { id } }", {"id": strange})
        found[strange, "node"] = "NOT_FOUND" if node == "OK None" else node
        nodes = await outcome(plog, "query ($id: ID!) { nodes(ids: [$id]) { id } }", {"id": strange})
        found[strange, "nodes"] = "NOT_FOUND" if nodes == "OK [None]" else nodes
        found[strange, "filter"] = await outcome(plog, JOBS, {"filter": {"kitId": strange}})
    allowed = ("NOT_FOUND", "OK {'nodes': []}")
    assert {key: code for key, code in found.items() if code not in allowed} == {}


@BOTH_DATABASES
async def test_ids_of_another_kind(plog: Plog, unchanged: dict[str, Any]) -> None:
    kit = unchanged
    task, job = kit["jobs"][0]["tasks"][0]["id"], kit["jobs"][0]["id"]
    for wrong in (task, job, ids.encode("DeckRequest", 1)):
        assert await outcome(plog, kit_command("kitCancel"), {"id": wrong}) == "NOT_FOUND"
    for wrong in (task, kit["id"], ids.encode("Attempt", kit["jobs"][0]["uuid"], 1)):
        assert await outcome(plog, job_command("jobCancel"), {"id": wrong}) == "NOT_FOUND"
    for wrong in (2**31, "1", 1.5, True, [kit["id"]] * 2, {"a": 1}):
        code = await outcome(plog, kit_command("kitCancel"), {"id": wrong})
        assert code in ("NOT_FOUND", "GRAPHQL_VALIDATION_FAILED"), (wrong, code)


def strange_cursors() -> list[str]:
    name = f"kit {'NAME'}"
    return [
        "",
        "x",
        "é",
        "A" * 100_000,
        raw_cursor(),
        raw_cursor("kit NUMBER"),
        raw_cursor("kit NUMBER", -1, -1),
        raw_cursor("kit NUMBER", 2**31, 1),
        raw_cursor("kit NUMBER", 10**30, 1),
        raw_cursor("kit NUMBER", True, 1),
        raw_cursor("kit NUMBER", 1.5, 1),
        raw_cursor("kit NUMBER", float("nan"), 1),
        raw_cursor("kit NUMBER", None, 1),
        raw_cursor("kit NUMBER", 1, 1, 1),
        raw_cursor(name, NUL, 1),
        raw_cursor(name, "x", "y"),
        raw_cursor(name, SURROGATE, 1),
        raw_cursor("kit STATUS_CHANGED_AT", "2026-01-01T00:00:00", 1),
        raw_cursor("kit STATUS_CHANGED_AT", "nope", 1),
        raw_cursor("kit STATUS_CHANGED_AT", "0001-01-01T00:00:00+14:00", 1),
        encode_cursor("event", 1),
        encode_cursor("job", 1, 1),
        raw_cursor("kit STATUS_CHANGED_AT", "9999-12-31T23:59:59-14:00", 1),
        "WyJraXQgTlVNQkVSIiwx",
        "[" * 1000,
        base64.urlsafe_b64encode(b"[" * 5000).decode(),
        base64.urlsafe_b64encode(b"{}").decode(),
        base64.b64encode(b"1").decode(),
    ]


@BOTH_DATABASES
async def test_cursors_of_other_lists_or_of_none(plog: Plog, unchanged: dict[str, Any]) -> None:
    kit = unchanged
    found: dict[Any, str] = {}
    for cursor in strange_cursors():
        shown = cursor[:60]
        for order in ("NUMBER", "NAME", "STATUS_CHANGED_AT"):
            found[shown, order] = await outcome(plog, KITS, {"order": order, "after": cursor})
        if cursor != encode_cursor("event", 1):
            found[shown, "events"] = await outcome(plog, EVENTS, {"number": kit["number"], "after": cursor})
        if cursor != encode_cursor("job", 1, 1):
            found[shown, "jobs"] = await outcome(plog, JOBS, {"after": cursor})
        job = {"id": kit["jobs"][0]["id"], "after": 0, "cursor": cursor}
        found[shown, "attempts"] = await outcome(plog, JOB, job)
    assert {key: code for key, code in found.items() if code != "VALIDATION_FAILED"} == {}


@BOTH_DATABASES
async def test_pages_of_no_size(plog: Plog, unchanged: dict[str, Any]) -> None:
    number, job = unchanged["number"], unchanged["jobs"][0]["id"]
    found = {}
    for first in (0, -1, 101, FARTHEST):
        found[first, "kits"] = await outcome(plog, KITS, {"first": first})
        found[first, "events"] = await outcome(plog, EVENTS, {"number": number, "first": first})
        found[first, "jobs"] = await outcome(plog, JOBS, {"first": first})
        found[first, "attempts"] = await outcome(plog, JOB, {"id": job, "after": 0, "first": first})
    assert {key: code for key, code in found.items() if code not in ("VALIDATION_FAILED", "LIMIT_EXCEEDED")} == {}
    for size in (2**31, 10**30, "10", 1.5, None, True):
        assert await outcome(plog, KITS, {"first": size}) in ("GRAPHQL_VALIDATION_FAILED", "LIMIT_EXCEEDED"), size
    assert await outcome(plog, "query ($i: [ID!]!) { nodes(ids: $i) { id } }", {"i": ["x"] * 101}) == "VALIDATION_FAILED"


TIMES = ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.999999-14:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z")
NO_TIMES = ("", "now", "2026-13-01T00:00:00Z", "2026-01-01T25:00:00Z", "10000-01-01T00:00:00Z", "-0001-01-01T00:00:00Z", 12, NUL)


@BOTH_DATABASES
async def test_times_out_of_range(plog: Plog, unchanged: dict[str, Any]) -> None:
    kit = unchanged
    found: dict[Any, str] = {}
    for time in (*TIMES, "2026-01-01T00:00:00", "2026-01-01"):
        found[time, "from"] = await outcome(plog, KITS, {"filter": {"createdFrom": time}})
        found[time, "to"] = await outcome(plog, KITS, {"filter": {"createdTo": time}})
        found[time, "updated"] = await outcome(plog, JOBS, {"filter": {"updatedFrom": time, "updatedTo": time}})
        found[time, "asOf"] = await outcome(plog, KIT, {"id": kit["id"], "at": time})
    fine = ("OK", "VALIDATION_FAILED", "GRAPHQL_VALIDATION_FAILED")
    assert {key: code for key, code in found.items() if not code.startswith(fine)} == {}
    for wrong in NO_TIMES:
        code = await outcome(plog, KIT, {"id": kit["id"], "at": wrong})
        assert code == "GRAPHQL_VALIDATION_FAILED", (wrong, code)
    assert await outcome(plog, KIT, {"id": kit["id"], "at": "9000-01-01T00:00:00Z"}) == "VALIDATION_FAILED"


@BOTH_DATABASES
async def test_texts_and_numbers_that_no_column_takes(plog: Plog, unchanged: dict[str, Any]) -> None:
    kit = unchanged
    found: dict[Any, str] = {}
    for text in (NUL, SURROGATE, "x" * 3_000_000, "", " ", "%", "\\", "_", "\U0010ffff", "a\uffff"):
        shown = text[:9]
        found[shown, "prefix"] = await outcome(plog, KITS, {"filter": {"namePrefix": text}})
        found[shown, "owner"] = await outcome(plog, KITS, {"filter": {"owner": text}})
        found[shown, "task"] = await outcome(plog, EVENTS, {"number": kit["number"], "filter": {"task": text}})
    for number in (-1, 0, FARTHEST, -(2**31)):
        found[number, "kit"] = await outcome(plog, EVENTS, {"number": number})
        found[number, "version"] = await outcome(plog, EVENTS, {"number": kit["number"], "version": number})
        found[number, "attempt"] = await outcome(plog, EVENTS, {"number": kit["number"], "filter": {"attempt": number}})
        found[number, "job"] = await outcome(plog, JOB, {"id": kit["jobs"][0]["id"], "attempt": number, "after": number})
        found[number, "known"] = await outcome(plog, KIT, {"id": kit["id"], "known": number})
        query = "query ($n: Int!) { deckRequest(requestId: $n) { id } }"
        found[number, "request"] = await outcome(plog, query, {"n": number})
    fine = ("OK", "VALIDATION_FAILED", "BAD_REQUEST")
    assert {key: code for key, code in found.items() if not code.startswith(fine)} == {}


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def wrong_documents() -> list[dict[str, Any]]:
    definition = table_document()["definition"]

    def with_part(part: str, **changes: Any) -> dict[str, Any]:
        return table_document(definition={**definition, part: {**(definition[part] or {}), **changes}})

    names: list[dict[str, Any]] = [
        {"name": name} for name in ("", " \t", "\u00a0", NUL, SURROGATE, "x" * 100_000, "x" * 3_000_000, "a\nb", None)
    ]
    metadata: list[dict[str, Any]] = [
        {"metadata": value}
        for value in (
            nested(300),
            {"a": NUL},
            {NUL: 1},
            {"a": SURROGATE},
            {"a": float("nan")},
            [1],
            "x",
            {"a": 10**400},
            {"a": "x" * 2_000_000},
        )
    ]
    return [
        {},
        *(table_document(**change) for change in (*names, *metadata, {"productLine": None}, {"definition": None})),
        with_part("design", points=-1, method="SOBOL"),
        with_part("design", maxFailedShare=-0.1),
        with_part("design", variables=[]),
        with_part("design", constraints=["__import__('os')"]),
        with_part("design", timeoutSeconds=-1),
        with_part("design", parallel=-1),
        with_part("deck", source={"folder": "../.."}),
        with_part("deck", source={"folder": "/etc"}),
        with_part("deck", source={}),
        with_part("deck", source={"folder": "x", "url": "http://x"}),
        with_part("deck", source={"url": "file:///etc/passwd"}),
        with_part("deck", source={"upload": "ab" * 32}),
        with_part("deck", source={"upload": "../x"}),
        with_part("deck", inputs=[]),
        with_part("deck", inputs=[NUL]),
        with_part("deck", files=SURROGATE),
        with_part("deck", source={"url": NUL}),
        with_part("ml", testShare=1.5),
        with_part("ml", seed=-1),
        with_part("ml", parameters={"max_depth": -1}),
        with_part("ml", parameters={"nope": 1}),
        with_part("ml", parameters=nested(200)),
        with_part("optimize", trials=0),
        with_part("optimize", folds=1),
        with_part("optimize", timeoutSeconds=-5),
        table_document(definition={**definition, "template": "nope"}),
        table_document(definition={**definition, "template": NUL}),
    ]


@BOTH_DATABASES
async def test_kits_that_break_a_rule(plog: Plog, unchanged: dict[str, Any]) -> None:
    found = {}
    for document in wrong_documents():
        code = await outcome(plog, CREATE, {"input": document, "key": str(uuid4())})
        found[repr(document)[:3000] + repr(document)[-200:]] = code
    fine = ("VALIDATION_FAILED", "GRAPHQL_VALIDATION_FAILED", "BAD_REQUEST")
    assert {key: code for key, code in found.items() if code not in fine} == {}


@BOTH_DATABASES
async def test_idempotency_keys_and_versions_that_are_none(plog: Plog, unchanged: dict[str, Any]) -> None:
    kit = unchanged
    found: dict[Any, str] = {}
    for key in ("", NUL, SURROGATE, "x" * 201, "x" * 3_000_000):
        found[key[:9], "create"] = await outcome(plog, CREATE, {"input": table_document(), "key": key})
        found[key[:9], "cancel"] = await outcome(plog, kit_command("kitCancel"), {"id": kit["id"], "key": key})
        found[key[:9], "job"] = await outcome(plog, job_command("jobCancel"), {"id": kit["jobs"][0]["id"], "key": key})
    fine = ("VALIDATION_FAILED", "BAD_REQUEST")
    assert {key: code for key, code in found.items() if code not in fine} == {}
    for version in (-1, 0, -(2**31), FARTHEST):
        code = await outcome(plog, kit_command("kitCancel"), {"id": kit["id"], "expected": version})
        assert code in ("VERSION_CONFLICT", "VALIDATION_FAILED"), (version, code)


def report(**values: Any) -> dict[str, Any]:
    return {"kind": "NOTE", "metadata": {}, **values}


def wrong_reports() -> list[dict[str, Any]]:
    file = {"name": "a.txt", "mediaType": "text/plain", "sha256": "ab" * 32, "size": 3, "inputs": []}
    artifacts = [
        {**file, **change}
        for change in (
            {},
            {"size": -1},
            {"size": 1.5},
            {"size": 1e308},
            {"size": 2.0**63},
            {"name": ""},
            {"name": "../x"},
            {"name": NUL},
            {"name": SURROGATE},
            {"sha256": "x"},
            {"sha256": ""},
            {"mediaType": "a\r\nb: c"},
            {"mediaType": ""},
            {"inputs": ["nope"]},
            {"name": "x" * 100_000},
            {"inputs": [NUL]},
        )
    ]
    return [
        *(report(kind="ARTIFACT", metadata=None, artifact=artifact) for artifact in artifacts),
        *(report(sequence=number) for number in (0, -1, 1000, FARTHEST)),
        *(
            report(metadata=value)
            for value in ({"a": NUL}, {NUL: 1}, {"a": SURROGATE}, {"a": "x" * 70_000}, nested(300), [1], "text", 5)
        ),
        *(report(kind=kind) for kind in ("CREATED", "STARTED", "CANCELLED", "ARCHIVED", "CANCEL_REQUESTED")),
        *(report(kind="PROGRESS", metadata=None, progress=value) for value in (-0.1, 1.1, 1e308, None)),
        *(report(kind="STATUS", metadata=None, status=value) for value in ("PENDING", "QUEUED", "CANCELLED", None)),
        report(task=NUL),
        report(task=SURROGATE),
        report(task="nope"),
        report(task="x" * 100_000),
        report(kind="ARTIFACT"),
        report(attempt=-1),
        report(attempt=2),
        report(attempt=FARTHEST),
        report(reportedAt="0001-01-01T00:00:00+14:00"),
        report(reportedAt="9999-12-31T23:59:59-14:00"),
    ]


@BOTH_DATABASES
async def test_reports_that_break_a_rule(plog: Plog) -> None:
    """A refused report uses up its number, so each comes under the next one; what it says reaches nobody."""
    kit = await plog.run()
    worker, before, found = plog.worker(kit), await fingerprint(plog), {}
    sequence = 1
    for each in wrong_reports():
        given = {"sequence": sequence, **each}
        code = await outcome(plog, REPORT, {"input": {"reports": [given]}}, worker)
        found[repr(given)[:300]] = code
        sequence += "'consumed': True" in code
    fine = ("VALIDATION_FAILED", "GRAPHQL_VALIDATION_FAILED", "PERMISSION_DENIED", "BAD_REQUEST", REFUSED)
    assert {key: code for key, code in found.items() if not code.startswith(fine)} == {}
    for reports in ([], [report(sequence=sequence)] * 1001):
        assert await outcome(plog, REPORT, {"input": {"reports": reports}}, worker) == "VALIDATION_FAILED"
    after = await fingerprint(plog)
    assert {name: after[name] for name in EVIDENCE} == {name: before[name] for name in EVIDENCE}


async def test_bodies_that_are_no_request(plog: Plog, unchanged: dict[str, Any]) -> None:
    assert unchanged
    bodies = [
        b"",
        b"{",
        b"\xff\xfe",
        b'{"query": NaN}',
        b'{"query": "{viewer{name}}", "variables": {"a": NaN}}',
        b"[" * 100_000,
        b"1",
        b"null",
        b'{"query": "{viewer{name}}", "variables": []}',
        b'{"query": "\\ud800"}',
        b'{"query": 5}',
        b'{"query": ""}',
        b"[]",
        b'{"query": "' + b"{a" * 50_000 + b'"}',
        b'{"query": "{viewer{name}}", "operationName": "x"}',
        b" " * 5_000_000,
        b'{"query": "{kit(id: \\"\\u0000\\"){__typename}}"}',
        b'{"query": "' + b"x" * 10_000_000 + b'"}',
    ]
    for body in bodies:
        headers = {**plog.signed_in(), "content-type": "application/json"}
        response = await plog.http.post("/graphql", content=body, headers=headers)
        assert response.status_code < 500, body[:60]
        if response.status_code == 200:
            answer = response.json()
            assert "INTERNAL" not in response.text and (answer.get("errors") or answer["data"] == {"kit": None}), body[:60]
        else:
            assert response.status_code in (400, 413) and response.json(), body[:60]
