"""Who gets in where: nothing but health is open, and an attempt's token reaches its attempt alone."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.api.in_process import CREATE, UNSIGNED, Plog, job_command, kit_command, serving, table_document

VIEWER = "{ viewer { subject name isWorker } }"
STATE = 'subscription { kitState(id: "%s") { toVersion } }'
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


async def test_demo_users_and_workers_are_told_who_they_are(plog: Plog) -> None:
    assert plog.container.issuer is not None
    for user in plog.container.issuer.users:
        viewer = (await plog.ask(VIEWER, plog.signed_in(user.username)))["viewer"]
        assert viewer["subject"] == user.subject and not viewer["isWorker"]
    kit = await plog.run()
    assert (await plog.ask(VIEWER, plog.worker(kit)))["viewer"]["isWorker"]


async def test_a_worker_sees_its_own_kit_and_commands_nothing(plog: Plog) -> None:
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
    query = """query ($kit: ID!, $job: ID!, $task: ID!, $number: Int!) { kit(id: $kit) { __typename } job(id: $job) { id }
      node(id: $task) { id } kitByNumber(number: $number) { id } deckRequest(requestId: $number) { id } }"""
    hidden = {
        "kit": other["id"],
        "job": other["jobs"][0]["id"],
        "task": other["jobs"][0]["tasks"][0]["id"],
        "number": other["number"],
    }
    assert set((await plog.ask(query, worker, **hidden)).values()) == {None}
    lists = await plog.ask("{ kits { totalCount nodes { name } } jobs { nodes { kit { name } } } }", worker)
    assert lists["kits"] == {"totalCount": 1, "nodes": [{"name": "own"}]}
    assert {job["kit"]["name"] for job in lists["jobs"]["nodes"]} == {"own"}
    sent = {**worker, "accept": "text/event-stream"}
    for field, each in (
        ("kitState(id: $id) { toVersion }", other["id"]),
        ("jobLog(jobId: $id) { text }", other["jobs"][0]["id"]),
    ):
        body = {"query": f"subscription ($id: ID!) {{ {field} }}", "variables": {"id": each}}
        assert "NOT_FOUND" in (await plog.http.post("/graphql", json=body, headers=sent)).text


async def test_only_a_worker_reports_and_only_on_its_own_attempt(plog: Plog) -> None:
    own, other = await plog.run("own"), await plog.run("other")
    query = """mutation ($reports: [TaskReportInput!]!) { taskReport(input: {reports: $reports}) { __typename
      ... on TaskReportPayload { results { state code } } } }"""
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
