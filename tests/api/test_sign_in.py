"""Who gets in where: nothing but health is open, and an attempt's token reaches its attempt alone."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from domain import commands
from domain.attempt import Cause, Ending
from tests.api.in_process import CREATE, UNSIGNED, Plog, job_command, kit_command, serving, table_document

VIEWER = "{ viewer { subject name } }"
STATE = 'subscription { kitState(id: "%s") { toVersion } }'
REPORT = """mutation ($reports: [TaskReportInput!]!) { taskReport(input: {reports: $reports}) { __typename
  ... on TaskReportPayload { results { state code } } } }"""
READING = [
    "{ __typename }",
    "{ __schema { queryType { name } } }",
    "{ viewer { name } }",
    "{ stepTemplates { name } }",
    "{ kits { totalCount } }",
    "{ jobs { nodes { id } } }",
    "{ kit(id: $kit) { __typename } }",
    '{ kit(id: "nonsense") { __typename } }',
    "{ job(id: $job) { id } }",
    "{ nodes(ids: [$kit]) { id } }",
    "subscription { kits { order } }",
    "subscription { kitState(id: $kit) { toVersion } }",
    "subscription { jobLog(jobId: $job) { text } }",
]
LOST = Ending(exit_code=None, reports=0, cause=Cause.RUNNER_LOST)
SHA = "ab" * 32
GUARDED = [
    ("POST", "/graphql"),
    ("GET", "/graphql?query={viewer{name}}"),
    ("GET", "/attempt/input"),
    ("HEAD", f"/attempt/artifacts/{SHA}"),
    ("PUT", f"/attempt/artifacts/{SHA}?size=1"),
    ("HEAD", f"/uploads/{SHA}"),
    ("PUT", f"/uploads/{SHA}?size=1"),
]


async def foreign_token(tmp_path: Path) -> str:
    async with serving(tmp_path / "other") as other:
        return other.token()


async def wrong_tokens(plog: Plog, tmp_path: Path) -> dict[str, dict[str, str]]:
    kit = await plog.run()
    genuine = plog.token()
    header, payload, signature = genuine.split(".")
    tokens = {
        "expired": plog.token(lifetime=timedelta(seconds=-1)),
        "foreign": await foreign_token(tmp_path),
        "unsigned": f"{header}.{payload}.",
        "tampered": f"{header}.{payload[:-4]}AAAA.{signature}",
        "garbage": "x",
    }
    headers = {name: {"authorization": f"Bearer {token}"} for name, token in tokens.items()}
    return {
        **headers,
        "nobody": {},
        "basic": {"authorization": "Basic YTpi"},
        "expired worker": plog.worker(kit, lifetime=timedelta(seconds=-1)),
    }


async def test_no_route_opens_without_a_valid_token(plog: Plog, tmp_path: Path) -> None:
    for name, headers in (await wrong_tokens(plog, tmp_path)).items():
        for method, path in GUARDED:
            body: Any = {"json": {"query": VIEWER}} if path == "/graphql" else {}
            body = {"content": b"x"} if method == "PUT" else body
            sent = {**headers, "accept": "application/json"}
            response = await plog.http.request(method, path, headers=sent, **body)
            assert response.status_code == 401, (name, method, path, response.text)


async def test_no_stream_opens_without_a_valid_token(plog: Plog, tmp_path: Path) -> None:
    kit = await plog.create()
    for name, headers in (await wrong_tokens(plog, tmp_path)).items():
        sent = {**headers, "accept": "text/event-stream"}
        response = await plog.http.post("/graphql", json={"query": STATE % kit["id"]}, headers=sent)
        assert response.status_code == 401 and "toVersion" not in response.text, name
        payload = {"Authorization": headers["authorization"]} if headers else {}
        assert await socket_answer(plog, payload, kit["id"]) in (4401, 4403), name
    assert await socket_answer(plog, {"Authorization": f"Bearer {plog.token()}"}, kit["id"]) == "next"


async def socket_answer(plog: Plog, payload: dict[str, str], kit_id: str) -> Any:
    """What a subscription gets over a websocket: the type of the first message, or the code that it is closed with."""
    address = plog.url.replace("http", "ws") + "/graphql"
    async with connect(address, subprotocols=["graphql-transport-ws"]) as socket:  # type: ignore[list-item]
        try:
            await socket.send(json.dumps({"type": "connection_init", "payload": payload}))
            await socket.recv()
            await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": {"query": STATE % kit_id}}))
            return json.loads(await socket.recv())["type"]
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else None


async def test_health_is_open_and_tells_nothing(plog: Plog) -> None:
    assert (await plog.http.get("/healthz")).json() == {"status": "ok"}
    assert (await plog.http.get("/readyz")).json() == {"status": "ok", "liveEvents": "ok"}


async def test_demo_users_are_told_who_they_are(plog: Plog) -> None:
    assert plog.container.issuer is not None
    for user in plog.container.issuer.users:
        assert (await plog.ask(VIEWER, plog.signed_in(user.username)))["viewer"]["subject"] == user.subject


async def test_a_worker_commands_nothing(plog: Plog) -> None:
    own, other = await plog.run("own"), await plog.run("other")
    worker = plog.worker(own)
    for name in ("kitStart", "kitCancel", "kitArchive"):
        for kit in (own, other):
            answer = await plog.answer(kit_command(name), worker, id=kit["id"])
            assert answer["__typename"] == "PermissionDenied", (name, answer)
    for name in ("jobStart", "jobRetry", "jobCancel"):
        for kit in (own, other):
            answer = await plog.answer(job_command(name), worker, id=kit["jobs"][0]["id"])
            assert answer["__typename"] == "PermissionDenied", (name, answer)
    assert (await plog.answer(CREATE, worker, input=table_document()))["__typename"] == "PermissionDenied"


@pytest.mark.parametrize("query", READING)
async def test_a_worker_reads_nothing(plog: Plog, query: str) -> None:
    """Not even of its own kit: what its step needs comes with `/attempt/input`."""
    kit = await plog.run()
    query = query.replace("$kit", f'"{kit["id"]}"').replace("$job", f'"{kit["jobs"][0]["id"]}"')
    for accept in ("application/json", "text/event-stream"):
        headers = {**plog.worker(kit), "accept": accept}
        answer = (await plog.http.post("/graphql", json={"query": query}, headers=headers)).text
        is_refused = "PERMISSION_DENIED" in answer or (accept.endswith("json") and "SUBSCRIPTION_NEEDS_STREAM" in answer)
        assert is_refused and '"data":{' not in answer, answer


async def test_a_workers_token_opens_nothing_once_its_attempt_is_over(plog: Plog) -> None:
    kit = await plog.run()
    await plog.change(kit, lambda change: commands.settle_attempt(change, UUID(kit["jobs"][0]["uuid"]), 1, LOST))
    worker = plog.worker(kit)
    assert (await plog.http.get("/attempt/input", headers=worker)).status_code == 410
    assert (await plog.http.head(f"/attempt/artifacts/{'a' * 64}", headers=worker)).status_code == 410
    (result,) = (await plog.answer(REPORT, worker, reports=[{"sequence": 1, "kind": "NOTE"}]))["results"]
    assert (result["state"], result["code"]) == ("REFUSED", "ATTEMPT_SUPERSEDED")


async def test_only_a_worker_reports_and_only_on_its_own_attempt(plog: Plog) -> None:
    own, other = await plog.run("own"), await plog.run("other")
    query = REPORT
    report = {"sequence": 1, "kind": "NOTE", "metadata": {"a": 1}}
    assert (await plog.answer(query, reports=[report]))["__typename"] == "PermissionDenied"
    assert (await plog.answer(query, plog.worker(own), reports=[{**report, "attempt": 2}]))["__typename"] == "PermissionDenied"
    late = await plog.answer(query, plog.worker(own, attempt=2), reports=[report])
    assert late["results"][0]["state"] == "REFUSED"
    assert (await plog.answer(query, plog.worker(own), reports=[report]))["results"][0]["state"] == "RECORDED"
    assert (await plog.http.get("/attempt/input", headers=plog.signed_in())).status_code == 403
    document = (await plog.http.get("/attempt/input", headers=plog.worker(other))).json()
    assert document["job"]["id"] == other["jobs"][0]["uuid"]


@pytest.mark.parametrize("path", ["/nope", "/artifacts/x", "/attempt", "/auth/issuer", "/../etc/passwd"])
async def test_what_is_not_there_is_not_found(plog: Plog, path: str) -> None:
    assert (await plog.http.get(path, headers=UNSIGNED)).status_code == 404
