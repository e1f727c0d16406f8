"""Ids, cursors, sizes and times that no client should send: each gets an error that says what is wrong, and nothing changes."""

import base64
import json
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from gql import ids
from gql.types.connection import encode_cursor
from tests.api.hostile import FARTHEST, NUL, SURROGATE, outcome
from tests.api.in_process import BOTH_DATABASES, Plog, job_command, kit_command

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
TIMES = ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.999999-14:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z")
NO_TIMES = ("", "now", "2026-13-01T00:00:00Z", "2026-01-01T25:00:00Z", "10000-01-01T00:00:00Z", "-0001-01-01T00:00:00Z", 12, NUL)


def raw_id(text: str) -> str:
    """An id with any content."""
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def raw_cursor(*values: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


NOTHING = {
    "query ($id: ID!) { kit(id: $id) { __typename } }": "OK None",
    "query ($id: ID!) { job(id: $id) { __typename } }": "OK None",
    "query ($id: ID!) { node(id: $id) { __typename } }": "OK None",
    "query ($id: ID!) { nodes(ids: [$id]) { __typename } }": "OK [None]",
    "query ($id: ID!) { jobs(filter: {kitId: $id}) { nodes { id } } }": "OK {'nodes': []}",
}


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
    """Commands answer NotFound; what is read is null, or a list without anything."""
    found: dict[Any, str] = {}
    for strange in strange_ids(unchanged):
        for query in (*map(kit_command, ("kitStart", "kitArchive")), *map(job_command, ("jobStart", "jobRetry", "jobCancel"))):
            answer = await outcome(plog, query, {"id": strange})
            found[strange, query[-90:]] = "nothing" if answer == "NOT_FOUND" else answer
        for query, nothing in NOTHING.items():
            answer = await outcome(plog, query, {"id": strange})
            found[strange, query] = "nothing" if answer == nothing else answer
    assert {key: answer for key, answer in found.items() if answer != "nothing"} == {}


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
        encode_cursor("job KIT_NUMBER", 1, 1, 5),
        encode_cursor("job UPDATED_AT", 1, 1, 1),
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
