"""Kits, reports and bodies that no client should send: each gets an error that says what is wrong, and nothing changes."""

from typing import Any
from uuid import uuid4

from tests.api.hostile import FARTHEST, NUL, SURROGATE, fingerprint, outcome
from tests.api.in_process import BOTH_DATABASES, CREATE, Plog, job_command, kit_command, table_document

REFUSED = "OK {'results': [{'state': 'REFUSED'"
EVIDENCE = ("kit_event", "kit_state", "task_state", "attempt_state", "artifact")
REPORT = """mutation ($input: TaskReportsInput!, $key: String) { taskReport(input: $input, idempotencyKey: $key) {
  ... on TaskReportPayload { results { state code consumed } } ... on UserError { code } } }"""


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
