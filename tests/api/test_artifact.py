"""Content over HTTP: uploads that go on where they broke off, links that open one file for a while."""

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from uuid import uuid4

import pytest

from tests.api.in_process import CREATE, Plog, job_command, serving, table_document

CONTENT = bytes(range(256)) * 40
SHA = hashlib.sha256(CONTENT).hexdigest()
REPORT = """mutation ($reports: [TaskReportInput!]!) { taskReport(input: {reports: $reports}) {
  ... on TaskReportPayload { results { state code message } } ... on UserError { code message } } }"""
ARTIFACTS = (
    """query ($id: ID!) { job(id: $id) { artifacts { id name size sha256 mediaType attemptNumber inputIds downloadUrl } } }"""
)


async def put(plog: Plog, headers: dict[str, str], content: bytes = CONTENT, **more: Any) -> Any:
    size, sha256, offset = more.get("size", len(CONTENT)), more.get("sha256", SHA), more.get("offset", 0)
    sent = {**headers, "upload-offset": str(offset)}
    path = more.get("path", "/attempt/artifacts")
    return await plog.http.put(f"{path}/{sha256}?size={size}", content=content, headers=sent)


async def held(plog: Plog, headers: dict[str, str]) -> str:
    response = await plog.http.head(f"/attempt/artifacts/{SHA}", headers=headers)
    return str(response.headers["upload-offset"])


async def with_artifact(
    plog: Plog, name: str = "data ü.csv", media_type: str = "text/csv", content: bytes = CONTENT
) -> dict[str, Any]:
    """A kit with an artifact: what the API says of it."""
    kit, sha256 = await plog.run(), hashlib.sha256(content).hexdigest()
    worker = plog.worker(kit)
    assert (await put(plog, worker, content, sha256=sha256, size=len(content))).status_code == 204
    file = {"name": name, "mediaType": media_type, "sha256": sha256, "size": len(content), "inputs": []}
    told = await plog.answer(REPORT, worker, reports=[{"sequence": 1, "kind": "ARTIFACT", "artifact": file}])
    assert told["results"][0]["state"] == "RECORDED", told
    (artifact,) = (await plog.answer(ARTIFACTS, id=kit["jobs"][0]["id"]))["artifacts"]
    assert (artifact["name"], artifact["size"], artifact["sha256"]) == (name, len(content), sha256)
    found: dict[str, Any] = artifact
    return found


async def test_an_upload_goes_on_where_it_broke_off(plog: Plog) -> None:
    worker = plog.worker(await plog.run())
    assert await held(plog, worker) == "0"
    assert (await put(plog, worker, CONTENT[:1000])).status_code == 204
    assert await held(plog, worker) == "1000"
    wrong = await put(plog, worker, CONTENT[900:], offset=900)
    assert wrong.status_code == 409 and wrong.headers["upload-offset"] == "1000"
    assert (await put(plog, worker, CONTENT[1000:], offset=1000)).status_code == 204
    assert (await put(plog, worker)).status_code == 204  # a repeat of a finished upload


async def test_what_does_not_match_is_not_kept(plog: Plog) -> None:
    worker = plog.worker(await plog.run())
    assert (await put(plog, worker, CONTENT[:-1] + b"x")).status_code == 400
    assert (await put(plog, worker, CONTENT + b"x")).status_code == 400
    for more in (
        {"size": -1},
        {"size": "x"},
        {"size": 10**15},
        {"size": ""},
        {"offset": -1},
        {"sha256": SHA.upper()},
        {"sha256": "x"},
    ):
        assert (await put(plog, worker, **more)).status_code == 400, more
    file = {"name": "a", "mediaType": "text/plain", "sha256": SHA, "size": len(CONTENT), "inputs": []}
    told = await plog.answer(REPORT, worker, reports=[{"sequence": 1, "kind": "ARTIFACT", "artifact": file}])
    assert told["results"][0]["state"] == "REFUSED"
    assert (await put(plog, worker)).status_code == 204


async def test_an_upload_belongs_to_its_attempt(plog: Plog) -> None:
    own, other = await plog.run("own"), await plog.run("other")
    assert (await put(plog, plog.worker(own), CONTENT[:500])).status_code == 204
    assert await held(plog, plog.worker(other)) == "0"
    assert (await put(plog, plog.worker(own, attempt=2))).status_code == 410
    assert (await put(plog, plog.signed_in())).status_code == 403
    assert (await put(plog, plog.worker(own), path="/uploads")).status_code == 403
    assert (await put(plog, plog.worker(own), CONTENT[500:], offset=500)).status_code == 204
    file = {"name": "a", "mediaType": "text/plain", "sha256": SHA, "size": len(CONTENT), "inputs": []}
    told = await plog.answer(REPORT, plog.worker(other), reports=[{"sequence": 1, "kind": "ARTIFACT", "artifact": file}])
    assert told["results"][0]["state"] == "REFUSED"


@pytest.mark.parametrize(
    ("asked", "status", "part"),
    [
        (None, 200, slice(None)),
        ("bytes=0-9", 206, slice(0, 10)),
        ("bytes=100-", 206, slice(100, None)),
        (f"bytes=0-{len(CONTENT) * 2}", 200, slice(None)),
        ("bytes=5-5", 206, slice(5, 6)),
        ("bytes=9-5", 200, slice(None)),
        ("bytes=-7", 206, slice(-7, None)),
        (f"bytes=-{len(CONTENT) + 1}", 200, slice(None)),
        ("bytes=-", 200, slice(None)),
        ("bytes=0-1,5-6", 200, slice(None)),
        ("bytes=x-", 200, slice(None)),
        ("lines=1-2", 200, slice(None)),
        (f"bytes={'9' * 5000}-", 200, slice(None)),
        (f"bytes=0-{'9' * 5000}", 200, slice(None)),
    ],
)
async def test_a_link_gives_the_file_or_a_part_of_it(plog: Plog, asked: str | None, status: int, part: slice) -> None:
    artifact = await with_artifact(plog)
    headers = {} if asked is None else {"range": asked}
    response = await plog.http.get(artifact["downloadUrl"], headers=headers)
    assert (response.status_code, response.content) == (status, CONTENT[part])
    assert response.headers["x-content-type-options"] == "nosniff" and "attachment" in response.headers["content-disposition"]
    assert response.headers["etag"] == f'"{SHA}"'
    head = await plog.http.head(artifact["downloadUrl"], headers=headers)
    assert (head.status_code, head.content) == (status, b"")
    assert head.headers["content-length"] == response.headers["content-length"]


@pytest.mark.parametrize("asked", [f"bytes={len(CONTENT)}-", f"bytes={len(CONTENT) + 5}-{len(CONTENT) + 9}", "bytes=-0"])
async def test_a_part_beyond_the_end_is_refused_with_the_size(plog: Plog, asked: str) -> None:
    """A client that has everything already is told so and is not sent all of it again."""
    artifact = await with_artifact(plog)
    response = await plog.http.get(artifact["downloadUrl"], headers={"range": asked})
    assert (response.status_code, response.headers["content-range"]) == (416, f"bytes */{len(CONTENT)}")
    assert response.json()["code"] == "RANGE_NOT_SATISFIABLE"


async def test_an_empty_file_is_served(plog: Plog) -> None:
    artifact = await with_artifact(plog, content=b"")
    for headers in ({}, {"range": "bytes=0-"}, {"range": "bytes=-5"}):
        response = await plog.http.get(artifact["downloadUrl"], headers=headers)
        assert (response.status_code, response.content) == (200, b"")


async def test_a_link_opens_nothing_else_and_not_for_ever(plog: Plog) -> None:
    artifact = await with_artifact(plog)
    url = artifact["downloadUrl"]
    path, query = url.removeprefix(plog.url).split("?")
    expired = plog.container.signed_urls.sign("GET", path, datetime.now(UTC) - timedelta(seconds=1))
    upload = plog.container.signed_urls.sign("PUT", path, datetime.now(UTC) + timedelta(hours=1))
    wrong = {
        f"{path}?{expired}": "LINK_EXPIRED",
        f"{path}?{upload}": "LINK_TAMPERED",
        path: "LINK_TAMPERED",
        f"{path}?{query}&x=1": "LINK_TAMPERED",
        f"{path}?{query[:-2]}": "LINK_TAMPERED",
        f"{path}?{query.replace('expires=1', 'expires=9')}": "LINK_TAMPERED",
        f"{path}?{query.replace('key=', 'key=x')}": "LINK_UNKNOWN_KEY",
        f"/artifacts/{uuid4()}?{query}": "LINK_TAMPERED",
    }
    for each, code in wrong.items():
        response = await plog.http.get(each)
        assert (response.status_code, response.json()["code"]) == (403, code), each
    assert (await plog.http.post(url)).status_code == 405


@pytest.mark.parametrize("is_whole", [True, False])
async def test_content_that_is_gone_is_not_found(plog: Plog, is_whole: bool) -> None:
    artifact = await with_artifact(plog)
    (file,) = (path for path in (plog.container.settings.home / "artifacts").rglob("*") if path.is_file())
    file.unlink()
    if not is_whole:
        file.write_bytes(CONTENT[:-1])
    for headers in ({}, {"range": "bytes=5-"}):
        response = await plog.http.get(artifact["downloadUrl"], headers=headers)
        assert (response.status_code, response.json()["code"]) == (404, "NOT_FOUND")
        assert "content" in response.json()["message"]
    assert (await plog.http.head(artifact["downloadUrl"])).status_code == 404


async def test_links_expire_when_the_settings_say_so(tmp_path: Path) -> None:
    async with serving(tmp_path / "plog", {"artifacts": {"link_minutes": 0.0001}}) as plog:
        artifact = await with_artifact(plog)
        assert (await plog.http.get(artifact["downloadUrl"])).json()["code"] == "LINK_EXPIRED"


NAMES = ["a b.csv", "plots/a.png", "日本.csv", 'say "hi".txt', "per%cent;a=b", "\u202ertl.txt", "a" * 200, "..a"]


@pytest.mark.parametrize("name", NAMES)
async def test_a_download_is_saved_under_the_artifacts_name(plog: Plog, name: str) -> None:
    artifact = await with_artifact(plog, name, "text/csv; charset=utf-8")
    response = await plog.http.get(artifact["downloadUrl"])
    assert (response.status_code, response.content) == (200, CONTENT)
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    _, encoded = response.headers["content-disposition"].split("filename*=UTF-8''")
    assert unquote(encoded) == name


WRONG = [
    {"mediaType": "text/html\r\nX-Evil: 1"},
    {"mediaType": "text/€"},
    {"mediaType": "csv"},
    {"mediaType": "text/csv; a=\x07"},
    {"name": "../up"},
    {"name": "/etc/passwd"},
    {"name": "a/../../b"},
    {"name": "line\nbreak"},
    {"name": "."},
    {"name": "x" * 201},
    {"inputs": ["x" * 100_000]},
]


@pytest.mark.parametrize("change", WRONG, ids=repr)
async def test_a_file_that_could_not_be_served_or_handed_on_is_refused(plog: Plog, change: dict[str, Any]) -> None:
    worker = plog.worker(await plog.run())
    assert (await put(plog, worker)).status_code == 204
    file = {"name": "a", "mediaType": "text/csv", "sha256": SHA, "size": len(CONTENT), **change}
    told = await plog.answer(REPORT, worker, reports=[{"sequence": 1, "kind": "ARTIFACT", "artifact": file}])
    (field,) = change
    assert told["results"][0]["code"] == "VALIDATION_FAILED" and f"artifact.{field}" in told["results"][0]["message"]


async def test_an_upload_that_nobody_would_read_is_refused_at_once(plog: Plog) -> None:
    most = plog.container.services.max_upload_bytes
    refused = await put(plog, plog.signed_in(), CONTENT, path="/uploads", size=most + 1)
    assert refused.status_code == 400 and "size" in refused.json()["message"]
    assert (await plog.http.head(f"/uploads/{SHA}", headers=plog.signed_in())).headers["upload-offset"] == "0"


async def test_decks_of_a_bucket_that_the_server_reads(tmp_path: Path) -> None:
    """How to read it reaches the step that does it and no other."""
    buckets = {"decks": {"endpoint": "http://127.0.0.1:1", "access_key_id": "key"}, "others": {}}
    async with serving(tmp_path, {"steps": {"buckets": buckets}}) as plog:
        document = table_document()
        document["definition"]["deck"]["source"] = {"url": "s3://elsewhere/a.csv"}
        refused = await plog.answer(CREATE, plog.signed_in(), input=document)
        assert [problem["field"] for problem in refused["problems"]] == ["definition.deck.source.url"]
        document["definition"]["deck"]["source"] = {"url": "s3://decks/a.csv"}
        kit = (await plog.answer(CREATE, plog.signed_in(), input=document))["kit"]
        found: list[Any] = []
        for job in kit["jobs"][:2]:
            await plog.answer(job_command("jobStart"), id=job["id"])
            given = await plog.http.get("/attempt/input", headers=plog.worker(kit, len(found)))
            found.append(given.json()["server"]["buckets"])
        assert found == [{"decks": buckets["decks"]}, {}]


async def test_a_persons_upload_is_theirs_alone(plog: Plog) -> None:
    """Another person's checksum leads nowhere, and what is downloaded by a step needs its signed link."""
    ada, bela = plog.signed_in(), plog.signed_in("bela")
    assert (await put(plog, ada, CONTENT[:300], path="/uploads")).status_code == 204
    offsets = [(await plog.http.head(f"/uploads/{SHA}", headers=each)).headers["upload-offset"] for each in (ada, bela)]
    assert offsets == ["300", "0"]
    assert (await put(plog, ada, CONTENT[300:], path="/uploads", offset=300)).status_code == 204
    document = table_document()
    document["definition"]["deck"]["source"] = {"upload": SHA}
    refused = await plog.answer(CREATE, bela, input=document)
    assert [problem["field"] for problem in refused["problems"]] == ["definition.deck.source.upload"]
    kit = (await plog.answer(CREATE, ada, input=document))["kit"]
    await plog.command("kitStart", kit)
    given = (await plog.http.get("/attempt/input", headers=plog.worker(kit))).json()["inputs"]
    assert [(each["sha256"], each["size"]) for each in given] == [(SHA, len(CONTENT))]
    assert (await plog.http.get(given[0]["url"])).content == CONTENT
    for headers in (ada, bela, plog.worker(kit)):
        unsigned = await plog.http.get(given[0]["url"].partition("?")[0], headers=headers)
        assert (unsigned.status_code, unsigned.json()["code"]) == (403, "LINK_TAMPERED")
