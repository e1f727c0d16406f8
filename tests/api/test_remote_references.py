"""Targets whose documents lead to others: refused by default, and once fetched no more needed."""

import copy
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.in_process import BOTH_DATABASES, Plog, serving
from tests.api.test_load_test import API, PREVIEW, created, load_test, scenario
from tests.api.test_quick_start import QUICK_START, endpoints
from tests.api.test_target import ANALYZE, add, kept_document
from tests.sites import Site
from tests.sites import serving as serving_site

SETTING = "PLOG_TARGETS__ALLOW_REMOTE_REFERENCES"
ALLOWED: dict[str, Any] = {"targets": {"allow_remote_references": True}}
PET = {"type": "object", "required": ["name"], "properties": {"name": {"$ref": "#/definitions/name"}}}
LIMIT = API["paths"]["/pets"]["get"]["parameters"][0]
COMMON = {"Pet": PET, "definitions": {"name": {"type": "string", "enum": ["Rex"]}}, "limit": LIMIT}
BOTH = load_test(scenario("POST /pets", "GET /pets", allowUnsafe=True))
STALE = "query ($id: ID!) { loadTest(id: $id) { staleScenarios { name changed details { endpoint changed } } } }"


def divided() -> dict[str, Any]:
    """The API with a parameter and a body's schema in another document."""
    api = copy.deepcopy(API)
    api["paths"]["/pets"]["get"]["parameters"] = [{"$ref": "common.json#/limit"}]
    api["components"]["schemas"]["Pet"] = {"$ref": "common.json#/Pet"}
    return api


@pytest.fixture
def site() -> Iterator[Site]:
    with serving_site({"/openapi.json": json.dumps(divided()), "/common.json": json.dumps(COMMON)}) as found:
        yield found


async def test_references_are_refused_by_default_and_the_refusal_names_the_setting(plog: Plog, site: Site) -> None:
    target = await add(plog, site.address + "/openapi.json")
    analysis = (await plog.answer(ANALYZE, id=target["id"]))["target"]["analysis"]
    assert site.asked == ["/openapi.json"] and analysis["endpointCount"] == 6
    refused = "the reference 'common.json#/{}' leads out of the document and is not followed"
    for name in ("limit", "Pet"):
        (problem,) = [each for each in analysis["problems"] if refused.format(name) in each]
        assert SETTING in problem
    given = load_test(scenario("POST /pets", allowUnsafe=True))
    (problem,) = (await plog.answer(PREVIEW, target=target["id"], input=given))["problems"]
    assert refused.format("Pet") in problem["message"] and SETTING in problem["message"]
    assert site.asked == ["/openapi.json"]


@BOTH_DATABASES
async def test_what_was_fetched_once_is_kept_and_its_changes_are_drift(
    plog_settings: dict[str, Any], tmp_path: Path, site: Site
) -> None:
    async with serving(tmp_path / "plog", {**plog_settings, **ALLOWED}) as plog:
        target = await add(plog, site.address + "/openapi.json")
        first = await kept_document(plog, target)
        assert site.asked == ["/openapi.json", "/common.json"]
        text = (await plog.http.get(first["downloadUrl"])).content
        assert hashlib.sha256(text).hexdigest() == first["sha256"] and first["mediaType"] == "application/json"
        assert COMMON["definitions"] in [each["definitions"] for each in json.loads(text)["x-plog-bundle"]["documents"].values()]
        made = await created(plog, target, BOTH)
        preview = await plog.answer(PREVIEW, target=target["id"], input=BOTH)
        post, get = preview["scenarios"][0]["requests"]
        assert (preview["problems"], json.loads(post["body"])["name"], get["url"][-8:]) == ([], "Rex", "?limit=5")
        assert site.asked == ["/openapi.json", "/common.json"], "only an analysis fetches"
        assert (await kept_document(plog, target))["sha256"] == first["sha256"]
        site.pages["/common.json"] = json.dumps({**COMMON, "definitions": {"name": {"type": "string", "enum": ["Max"]}}})
        analysis = (await plog.answer(ANALYZE, id=target["id"]))["target"]["analysis"]
        assert (analysis["problems"], analysis["drift"]["changed"]) == ([], ["POST /pets"]) and analysis["sha256"] != first[
            "sha256"
        ]
        (stale,) = (await plog.answer(STALE, id=made["id"]))["staleScenarios"]
        assert stale["changed"] == ["POST /pets"]


async def test_a_quick_start_fetches_them_once(tmp_path: Path, site: Site) -> None:
    async with serving(tmp_path / "plog", ALLOWED) as plog:
        run = (await plog.answer(QUICK_START, url=site.address + "/openapi.json"))["run"]
    assert "GET /pets" in endpoints(run) and "limit=5" in run["script"]
    assert site.asked == ["/openapi.json", "/common.json"]


async def test_what_can_not_be_had_is_a_problem_of_the_document(tmp_path: Path, site: Site) -> None:
    site.pages["/common.json"] = (302, {"Location": "http://169.254.169.254/latest"}, b"")
    async with serving(tmp_path / "plog", ALLOWED) as plog:
        target = await add(plog, site.address + "/openapi.json")
        analysis = (await plog.answer(ANALYZE, id=target["id"]))["target"]["analysis"]
        given = load_test(scenario("POST /pets", allowUnsafe=True))
        (problem,) = (await plog.answer(PREVIEW, target=target["id"], input=given))["problems"]
    assert analysis["endpointCount"] == 6
    assert f"'common.json#/Pet' of {site.address}/openapi.json is not followed: " in str(analysis["problems"])
    for message in (problem["message"], *analysis["problems"][:2]):
        assert "common.json#/" in message and "is a link-local or metadata address" in message and SETTING not in message
