"""Scenarios that an analysis of their target leaves behind."""

import copy
import json

from tests.api.in_process import BOTH_DATABASES, Plog
from tests.api.test_load_test import API, READ, START, UPDATE, created, load_test, scenario
from tests.api.test_target import ANALYZE, add
from tests.api.test_target import UPDATE as UPDATE_TARGET
from tests.sites import serving

BODY_CHANGED = {"endpoint": "POST /pets", "added": [], "removed": [], "changed": ["body application/json"]}


@BOTH_DATABASES
async def test_scenarios_become_stale_with_what_their_endpoints_want(plog: Plog) -> None:
    api = copy.deepcopy(API)
    with serving({"/openapi.json": json.dumps(api)}) as site:
        target = await add(plog, site.address + "/openapi.json")
        await plog.answer(ANALYZE, id=target["id"])
        scenarios = [scenario(each, name=each, allowUnsafe=True) for each in ("GET /pets", "POST /pets", "GET /pets/{id}")]
        made = await created(plog, target, load_test(*scenarios))
        api["paths"]["/pets"]["get"]["summary"] = "other words change nothing"
        api["components"]["schemas"]["Pet"]["required"].append("tag")
        del api["paths"]["/pets/{id}"]
        site.pages["/openapi.json"] = json.dumps(api)
        await plog.answer(ANALYZE, id=target["id"])
    stale = (await plog.answer(READ, id=made["id"]))["staleScenarios"]
    assert stale == [
        {"name": "POST /pets", "gone": [], "changed": ["POST /pets"], "isServerGone": False, "details": [BODY_CHANGED]},
        {"name": "GET /pets/{id}", "gone": ["GET /pets/{id}"], "changed": [], "isServerGone": False, "details": []},
    ]
    saved = (await plog.answer(UPDATE, id=made["id"], input=load_test(*scenarios[:2])))["loadTest"]
    assert saved["staleScenarios"] == []


async def test_scenarios_become_stale_with_who_may_call_their_endpoints_where(plog: Plog) -> None:
    api = copy.deepcopy(API)
    for path in ("/pets", "/pets/{id}"):
        api["paths"][path]["get"]["security"] = [{"a": []}, {"b": [], "a": []}]
    with serving({"/openapi.json": json.dumps(api)}) as site:
        target = await add(plog, site.address + "/openapi.json")
        await plog.answer(ANALYZE, id=target["id"])
        scenarios = [scenario(each, name=each) for each in ("GET /pets", "GET /pets/{id}")]
        made = await created(plog, target, load_test(*scenarios))
        api["paths"]["/pets"]["get"]["security"] = [{"a": [], "b": []}, {"a": []}]
        api["paths"]["/pets/{id}"]["get"]["security"] = [{"b": []}]
        site.pages["/openapi.json"] = json.dumps(api)
        drift = (await plog.answer(ANALYZE, id=target["id"]))["target"]["analysis"]["drift"]
        detail = {"endpoint": "GET /pets/{id}", "added": [], "removed": [], "changed": ["security"]}
        assert (drift["changed"], drift["serversAdded"], drift["details"]) == (["GET /pets/{id}"], [], [detail])
        (stale,) = (await plog.answer(READ, id=made["id"]))["staleScenarios"]
        assert (stale["name"], stale["gone"], stale["changed"]) == ("GET /pets/{id}", [], ["GET /pets/{id}"])
        assert not stale["isServerGone"] and stale["details"] == [detail]
        api["paths"]["/pets"]["get"]["servers"] = [{"url": "/v3"}]
        site.pages["/openapi.json"] = json.dumps(api)
        drift = (await plog.answer(ANALYZE, id=target["id"]))["target"]["analysis"]["drift"]
        assert drift["changed"] == ["GET /pets"]
    assert len((await plog.answer(READ, id=made["id"]))["staleScenarios"]) == 2


@BOTH_DATABASES
async def test_a_base_address_that_changes_is_drift_and_makes_scenarios_stale(plog: Plog) -> None:
    api = copy.deepcopy(API)
    gone = [{"name": "browse", "gone": [], "changed": [], "isServerGone": True, "details": []}]
    with serving({"/openapi.json": json.dumps(api)}) as site, serving({"/openapi.json": json.dumps(api)}) as other:
        target = await add(plog, site.address + "/openapi.json")
        await plog.answer(ANALYZE, id=target["id"])
        made = await created(plog, target, load_test())
        own = await created(plog, target, load_test(title="own", server=site.address + "/own"))
        api["servers"][0]["url"] = "/v2"
        site.pages["/openapi.json"] = json.dumps(api)
        drift = (await plog.answer(ANALYZE, id=target["id"]))["target"]["analysis"]["drift"]
        assert (drift["serversAdded"], drift["serversRemoved"]) == ([site.address + "/v2"], [site.address + "/v1"])
        assert drift["changed"] == []
        assert (await plog.answer(READ, id=made["id"]))["staleScenarios"] == gone
        assert (await plog.answer(READ, id=own["id"]))["staleScenarios"] == [], "a person said it, and it is where the target is"
        saved = (await plog.answer(UPDATE, id=made["id"], input=load_test()))["loadTest"]
        assert (saved["server"], saved["staleScenarios"]) == (site.address + "/v2", [])
        moved = {"url": other.address + "/openapi.json", "name": "moved"}
        await plog.answer(UPDATE_TARGET, id=target["id"], input=moved)
        for is_analysed in (False, True):
            if is_analysed:
                drift = (await plog.answer(ANALYZE, id=target["id"]))["target"]["analysis"]["drift"]
                assert (drift["serversAdded"], drift["serversRemoved"]) == ([other.address + "/v1"], [site.address + "/v2"])
            for each in (made, own):
                assert (await plog.answer(READ, id=each["id"]))["staleScenarios"] == gone
                refused = await plog.answer(START, id=each["id"])
                assert [each["field"] for each in refused["problems"]] == ["input.server"], refused
            if not is_analysed:
                refused = await plog.answer(UPDATE, id=made["id"], input=load_test())
                assert "not where it was when it was analysed" in refused["message"]
        saved = (await plog.answer(UPDATE, id=made["id"], input=load_test()))["loadTest"]
        assert (saved["server"], saved["staleScenarios"]) == (other.address + "/v1", [])
        assert (await plog.answer(START, id=made["id"]))["__typename"] == "LoadTestRunPayload"
