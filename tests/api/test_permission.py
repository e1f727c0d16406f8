"""REQ-002: applying for permissions, deciding on them, and their audit. Ada has everything, Dana nothing."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.identity.local_issuer import DemoUser
from controllers.housekeeping import Housekeeping
from domain.actor import Person
from resolvers.permission_request import approve_permission_request
from tests.api.in_process import BOTH_DATABASES, ERROR, HOUR, Plog, serving
from tests.api.lots import lot_row
from tests.api.permissions import AUDIT, GRANTS, NO_TIMES, REQUESTS, VIEWER, applied, apply, change, decide, granted, revoke
from tests.api.persons import signed_in_as
from tests.waiting import eventually

pytestmark = BOTH_DATABASES
KINDS = ["LOGIC_GENERAL", "LOGIC_MODEL_SET_UP", "DRAM_GENERAL"]


async def requests_of(plog: Plog, user: str = "dana", **filter: Any) -> list[dict[str, Any]]:
    return list((await plog.answer(REQUESTS, plog.signed_in(user), filter=filter))["nodes"])


async def permission_of(plog: Plog, user: str, kind: str) -> dict[str, Any]:
    found = (await plog.answer(VIEWER, plog.signed_in(user)))["permissions"]
    return dict(next(each for each in found if each["kind"]["name"] == kind))


async def audit_of(plog: Plog, user: str, **filter: Any) -> list[dict[str, Any]]:
    return list((await plog.answer(AUDIT, plog.signed_in(user), filter=filter))["nodes"])


async def test_who_has_signed_in_sees_what_there_is_to_apply_for(plog: Plog) -> None:
    answer = await plog.ask("{ permissionKinds { name title description opens { productLine action } } }", plog.signed_in("dana"))
    assert {each["name"]: each["opens"] for each in answer["permissionKinds"]} == {
        "LOGIC_GENERAL": [{"productLine": "LOGIC", "action": "GENERAL"}],
        "LOGIC_MODEL_SET_UP": [{"productLine": "LOGIC", "action": "GENERAL"}, {"productLine": "LOGIC", "action": "SET_UP"}],
        "DRAM_GENERAL": [{"productLine": "DRAM", "action": "GENERAL"}],
    }
    viewer = await plog.answer(VIEWER, plog.signed_in("dana"))
    assert viewer["subject"] == "demo:dana" and viewer["productLines"] == []
    assert [each["viewerCanApply"]["isAllowed"] for each in viewer["permissions"]] == [True, True, True]


@pytest.mark.parametrize("kind", KINDS, ids=["req_002_1", "req_002_2", "req_002_3"])
async def test_req_002_1_to_3_each_permission_can_be_applied_for(plog: Plog, kind: str) -> None:
    answer = await apply(plog, kind, reason="I run kits")
    (request,) = answer["permissionRequests"]
    assert (request["kind"], request["status"], request["subject"]) == (kind, "PENDING", "demo:dana")
    assert request["reason"] == "I run kits" and request["decidedBy"] is None
    assert await requests_of(plog) == [request]
    assert (await permission_of(plog, "dana", kind))["pendingRequest"] == {"number": request["number"], "status": "PENDING"}


async def test_all_three_can_be_applied_for_at_once(plog: Plog) -> None:
    answer = await apply(plog, *KINDS, KINDS[0])
    assert [each["kind"] for each in answer["permissionRequests"]] == KINDS


@pytest.mark.parametrize(
    "kinds", [["SUPERUSER"], ["LOGIC_GENERAL", "logic_general"], ["LOGIC_GENERAL", ""], ["\x00"], ["x" * 5000]]
)
async def test_req_002_4_any_other_permission_is_refused_and_nothing_stored(plog: Plog, kinds: list[str]) -> None:
    answer = await apply(plog, *kinds)
    assert answer["__typename"] == "ValidationFailed" and answer["code"] == "VALIDATION_FAILED"
    assert [each["field"] for each in answer["problems"]] == [f"input.kinds.{len(kinds) - 1}"]
    assert await requests_of(plog) == [] and await audit_of(plog, "dana") == []


@pytest.mark.parametrize("kinds", [[], None])
async def test_req_002_5_none_chosen_is_refused_and_nothing_stored(plog: Plog, kinds: list[str] | None) -> None:
    document = f"mutation ($kinds: [String!]) {{ permissionRequestCreate(input: {{kinds: $kinds}}) {{ {ERROR} }} }}"
    answer = await plog.answer(document, plog.signed_in("dana"), kinds=kinds)
    assert answer["__typename"] == "ValidationFailed"
    assert [each["field"] for each in answer["problems"]] == ["input.kinds", "input.reason"]
    assert "LOGIC_GENERAL" in answer["problems"][0]["message"]
    assert await requests_of(plog) == []


async def test_an_application_that_is_pending_is_not_stored_twice(plog: Plog) -> None:
    first = await applied(plog, "LOGIC_GENERAL")
    again = await apply(plog, "DRAM_GENERAL", "LOGIC_GENERAL")
    assert again["__typename"] == "AlreadyPending" and again["permissionRequestId"] == first["id"]
    answers = await asyncio.gather(*(apply(plog, "DRAM_GENERAL") for _ in range(8)))
    assert sorted(each["__typename"] for each in answers) == ["AlreadyPending"] * 7 + ["PermissionRequestCreatePayload"]
    assert len(await requests_of(plog)) == 2


async def test_what_one_has_without_an_end_is_not_applied_for(plog: Plog) -> None:
    grant = await granted(plog, "LOGIC_GENERAL")
    answer = await apply(plog, "LOGIC_GENERAL")
    assert answer["__typename"] == "AlreadyGranted" and answer["grantId"] == grant["id"]
    assert (await permission_of(plog, "dana", "LOGIC_GENERAL"))["viewerCanApply"]["isAllowed"] is False
    assert len(await requests_of(plog)) == 1


async def test_an_approval_opens_the_product_line_and_a_revocation_closes_it(plog: Plog) -> None:
    kit = await plog.create("logic")
    seen = "query ($number: Int!) { kitByNumber(number: $number) { id } }"
    assert await plog.answer(seen, plog.signed_in("dana"), number=kit["number"]) is None
    grant = await granted(plog, "LOGIC_GENERAL")
    assert grant["status"] == "ACTIVE" and grant["grantedBy"] == "demo:chris" and grant["expiresAt"] is None
    assert await plog.answer(seen, plog.signed_in("dana"), number=kit["number"]) == {"id": kit["id"]}
    assert (await plog.answer(VIEWER, plog.signed_in("dana")))["productLines"] == ["LOGIC"]
    revoked = (await revoke(plog, grant))["grant"]
    assert (revoked["status"], revoked["revokedBy"], revoked["revocationReason"]) == ("REVOKED", "demo:chris", "no more")
    assert await plog.answer(seen, plog.signed_in("dana"), number=kit["number"]) is None
    assert (await revoke(plog, grant))["__typename"] == "IllegalTransition"
    assert (await apply(plog, "LOGIC_GENERAL"))["__typename"] == "PermissionRequestCreatePayload", "one may apply again"


@pytest.mark.parametrize("name", ["Approve", "Reject"])
async def test_nobody_decides_on_their_own_application(plog: Plog, name: str) -> None:
    request = await applied(plog, "LOGIC_GENERAL", user="chris")
    assert request["viewerCanDecide"]["isAllowed"] is False
    answer = await plog.answer(decide(name), plog.signed_in("chris"), id=request["id"], reason="me")
    assert answer["__typename"] == "PermissionDenied" and "own application" in answer["message"]
    assert [each["status"] for each in await requests_of(plog, "chris", subject="demo:chris")] == ["PENDING"]


async def test_a_second_account_of_the_applicant_is_the_applicant(plog: Plog) -> None:
    """What the issuer says of their name and groups makes nobody another person: the subject is who they are."""
    second = signed_in_as(plog, DemoUser(username="dana", name="Somebody else", groups=("approvers",)))
    request, other = await applied(plog, "LOGIC_GENERAL"), await applied(plog, "LOGIC_GENERAL", "chris")
    for name in ("Approve", "Reject"):
        answer = await plog.answer(decide(name), second, id=request["id"], reason="me")
        assert answer["__typename"] == "PermissionDenied" and "own application" in answer["message"]
    assert (await plog.answer(decide("Approve"), second, id=other["id"], reason="fine"))[
        "__typename"
    ] == "PermissionRequestPayload"
    grant = await granted(plog, "DRAM_GENERAL")
    assert (await plog.answer(change("Renew"), second, id=grant["id"], reason="me"))["__typename"] == "PermissionDenied"


NAMED_IN_SETTINGS = {
    "approvers": {"LOGIC_GENERAL": ["demo:dana"]},
    "approver_groups": {"DRAM_GENERAL": ["dram-engineers"], "*": ["approvers"]},
}


async def test_approvers_are_those_of_the_settings_by_subject_and_by_group(plog_settings: dict[str, Any], tmp_path: Path) -> None:
    async with serving(tmp_path / "plog", {**plog_settings, "permissions": NAMED_IN_SETTINGS}) as plog:
        decides = {
            user: {kind for kind in KINDS if (await permission_of(plog, user, kind))["decides"]}
            for user in ("ada", "bela", "chris", "dana")
        }
        assert decides == {"ada": set(), "bela": {"DRAM_GENERAL"}, "chris": set(KINDS), "dana": {"LOGIC_GENERAL"}}
        for kind, refused, approver in (("LOGIC_GENERAL", "bela", "dana"), ("DRAM_GENERAL", "dana", "bela")):
            request = await applied(plog, kind, "chris")
            answers = [
                (await plog.answer(decide("Approve"), plog.signed_in(user), id=request["id"], reason="x"))["__typename"]
                for user in (refused, approver)
            ]
            assert answers == ["NotFound", "PermissionRequestPayload"], kind


async def test_nobody_renews_their_own_permission(plog: Plog) -> None:
    request = await applied(plog, "LOGIC_GENERAL", user="chris")
    other = Person(subject="demo:erin", name="Erin", expires_at=datetime.now(UTC), groups=frozenset({"approvers"}))
    await approve_permission_request(plog.container.services, other, request["number"], "for the test")
    (grant,) = (await plog.answer(GRANTS, plog.signed_in("chris"), filter={"subject": "demo:chris"}))["nodes"]
    answer = await plog.answer(change("Renew"), plog.signed_in("chris"), id=grant["id"], reason="me")
    assert answer["__typename"] == "PermissionDenied"


@pytest.mark.parametrize("name", ["Approve", "Reject"])
async def test_who_decides_on_nothing_does_not_learn_of_the_application(plog: Plog, name: str) -> None:
    request = await applied(plog, "LOGIC_GENERAL")
    answer = await plog.answer(decide(name), plog.signed_in("ada"), id=request["id"], reason="x")
    assert answer["__typename"] == "NotFound"
    node = await plog.answer("query ($id: ID!) { node(id: $id) { id } }", plog.signed_in("ada"), id=request["id"])
    assert node is None
    assert await requests_of(plog, "ada", subject="demo:dana") == []
    assert await audit_of(plog, "ada", person="demo:dana") == []


@pytest.mark.parametrize("name", ["Approve", "Reject"])
@pytest.mark.parametrize("reason", [None, "", "  ", "x" * 2001, "a\x00"])
async def test_a_decision_needs_a_reason(plog: Plog, name: str, reason: str | None) -> None:
    request = await applied(plog, "LOGIC_GENERAL")
    answer = await plog.answer(decide(name), plog.signed_in("chris"), id=request["id"], reason=reason)
    assert answer["__typename"] == "ValidationFailed" and [each["field"] for each in answer["problems"]] == ["reason"]
    assert (await requests_of(plog))[0]["status"] == "PENDING"


async def test_a_request_is_decided_once_also_at_the_same_moment(plog: Plog) -> None:
    request = await applied(plog, "LOGIC_GENERAL")
    names = ["Approve", "Reject"] * 4
    answers = await asyncio.gather(
        *(plog.answer(decide(name), plog.signed_in("chris"), id=request["id"], reason="x") for name in names)
    )
    decided = [each for each in answers if each["__typename"] == "PermissionRequestPayload"]
    assert len(decided) == 1 and {each["__typename"] for each in answers} == {"PermissionRequestPayload", "IllegalTransition"}
    (after,) = await requests_of(plog)
    assert after["status"] == decided[0]["permissionRequest"]["status"]
    actions = [each["action"] for each in await audit_of(plog, "dana")]
    assert actions == ["PERMISSION_REQUESTED", f"PERMISSION_{after['status']}"]
    grants = (await plog.answer(GRANTS, plog.signed_in("dana")))["nodes"]
    assert len(grants) == (after["status"] == "APPROVED")


async def test_an_application_can_be_withdrawn_by_its_applicant_alone(plog: Plog) -> None:
    request = await applied(plog, "LOGIC_GENERAL")
    answer = await plog.answer(decide("Withdraw"), plog.signed_in("chris"), id=request["id"])
    assert answer["__typename"] == "PermissionDenied"
    answer = await plog.answer(decide("Withdraw"), plog.signed_in("dana"), id=request["id"])
    assert answer["permissionRequest"]["status"] == "WITHDRAWN"
    answer = await plog.answer(decide("Approve"), plog.signed_in("chris"), id=request["id"], reason="x")
    assert answer["__typename"] == "IllegalTransition" and answer["current"] == "WITHDRAWN"


async def test_a_permission_ends_by_the_clock_and_can_be_renewed(plog: Plog) -> None:
    end = datetime.now(UTC) + HOUR
    grant = await granted(plog, "LOGIC_GENERAL", expires=end.isoformat())
    assert grant["status"] == "ACTIVE"
    again = await applied(plog, "LOGIC_GENERAL")
    later = end + HOUR
    await plog.answer(decide("Approve"), plog.signed_in("chris"), id=again["id"], reason="more", expires=later.isoformat())
    (renewed,) = (await plog.answer(GRANTS, plog.signed_in("dana")))["nodes"]
    assert renewed["id"] == grant["id"] and datetime.fromisoformat(renewed["expiresAt"]) == later
    soon = datetime.now(UTC) + timedelta(seconds=2)
    answer = await plog.answer(change("Renew"), plog.signed_in("chris"), id=grant["id"], reason="less", expires=soon.isoformat())
    assert answer["grant"]["status"] == "ACTIVE", answer

    async def has_expired() -> bool:
        (found,) = (await plog.answer(GRANTS, plog.signed_in("dana")))["nodes"]
        return bool(found["status"] == "EXPIRED")

    await eventually(has_expired)
    assert (await plog.answer(VIEWER, plog.signed_in("dana")))["productLines"] == []
    assert (await plog.answer(GRANTS, plog.signed_in("dana"), filter={"status": ["ACTIVE"]}))["totalCount"] == 0
    assert (await plog.answer(GRANTS, plog.signed_in("dana"), filter={"status": ["EXPIRED"]}))["totalCount"] == 1
    answer = await plog.answer(change("Renew"), plog.signed_in("chris"), id=grant["id"], reason="too late")
    assert answer["__typename"] == "IllegalTransition" and answer["current"] == "EXPIRED"
    await Housekeeping(plog.container.services, 1).run_once()
    await Housekeeping(plog.container.services, 1).run_once()
    actions = [each["action"] for each in await audit_of(plog, "dana")]
    assert actions.count("PERMISSION_EXPIRED") == 1 and actions.count("PERMISSION_RENEWED") == 1
    (last,) = [each for each in await audit_of(plog, "dana") if each["action"] == "PERMISSION_EXPIRED"]
    assert last["actor"] is None and datetime.fromisoformat(last["expiresAt"]) == soon
    new = await granted(plog, "LOGIC_GENERAL")
    assert new["id"] != grant["id"] and new["status"] == "ACTIVE"


async def test_an_expired_permission_that_is_not_on_record_yet_makes_room_for_another(plog: Plog) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=3)
    old = await granted(plog, "LOGIC_GENERAL", expires=soon.isoformat())

    async def is_closed() -> bool:
        return bool((await plog.answer(VIEWER, plog.signed_in("dana")))["productLines"] == [])

    await eventually(is_closed)
    new = await granted(plog, "LOGIC_GENERAL")
    assert new["id"] != old["id"]
    assert [each["action"] for each in await audit_of(plog, "dana")][-2:] == ["PERMISSION_EXPIRED", "PERMISSION_APPROVED"]


@pytest.mark.parametrize("name", ["Approve", "Renew"])
async def test_an_end_is_a_time_in_the_future(plog: Plog, name: str) -> None:
    past = (datetime.now(UTC) - HOUR).isoformat()
    document, thing = decide(name), await applied(plog, "LOGIC_GENERAL")
    if name == "Renew":
        document, thing = change(name), await granted(plog, "DRAM_GENERAL")
    for wrong in (past, *NO_TIMES):
        answer = await plog.answer(document, plog.signed_in("chris"), id=thing["id"], reason="x", expires=wrong)
        assert [each["field"] for each in answer["problems"]] == ["expiresAt"], wrong
    answer = await plog.answer(document, plog.signed_in("chris"), id=thing["id"], expires=NO_TIMES[0])
    assert [each["field"] for each in answer["problems"]] == ["reason", "expiresAt"]


async def test_a_holder_may_give_a_permission_back(plog: Plog) -> None:
    grant = await granted(plog, "LOGIC_GENERAL")
    assert (await revoke(plog, grant, user="ada"))["__typename"] == "NotFound"
    assert (await revoke(plog, grant, user="dana"))["grant"]["revokedBy"] == "demo:dana"


async def test_a_grant_that_was_changed_since_is_not_changed(plog: Plog) -> None:
    grant = await granted(plog, "LOGIC_GENERAL")
    later = (datetime.now(UTC) + HOUR).isoformat()
    changed = await plog.answer(change("Renew"), plog.signed_in("chris"), id=grant["id"], reason="x", expires=later, expected=1)
    assert changed["grant"]["version"] == 2
    again = await plog.answer(change("Renew"), plog.signed_in("chris"), id=grant["id"], reason="x", expected=1)
    assert again["__typename"] == "VersionConflict" and again["at"] == 2


async def test_a_repeat_with_its_key_changes_nothing_again(plog: Plog) -> None:
    first, second = [await apply(plog, "LOGIC_GENERAL", "DRAM_GENERAL", key="k") for _ in range(2)]
    assert first == second and len(await requests_of(plog)) == 2
    assert (await apply(plog, "LOGIC_GENERAL", key="k"))["__typename"] == "IdempotencyKeyReused"
    request, chris = first["permissionRequests"][0], plog.signed_in("chris")
    answers = [await plog.answer(decide("Approve"), chris, id=request["id"], reason="x", key="k") for _ in range(2)]
    assert answers[0] == answers[1] and answers[0]["permissionRequest"]["status"] == "APPROVED"
    (grant,) = (await plog.answer(GRANTS, plog.signed_in("dana")))["nodes"]
    answers = [await plog.answer(change("Revoke"), chris, id=grant["id"], reason="x", key="k") for _ in range(2)]
    assert answers[0] == answers[1] and answers[0]["grant"]["status"] == "REVOKED"
    assert len(await audit_of(plog, "dana")) == 4


async def test_the_audit_tells_who_when_and_why(plog: Plog) -> None:
    before = datetime.now(UTC)
    grant = await granted(plog, "LOGIC_GENERAL")
    await revoke(plog, grant)
    entries = await audit_of(plog, "dana")
    told = [(each["action"], each["actor"], each["person"], each["reason"]) for each in entries]
    assert told == [
        ("PERMISSION_REQUESTED", "demo:dana", "demo:dana", "work"),
        ("PERMISSION_APPROVED", "demo:chris", "demo:dana", "fine"),
        ("PERMISSION_REVOKED", "demo:chris", "demo:dana", "no more"),
    ]
    assert [each["actorName"] for each in entries] == ["Dana (applicant)", "Chris (approver)", "Chris (approver)"]
    assert all(before - timedelta(seconds=5) <= datetime.fromisoformat(each["recordedAt"]) for each in entries)
    assert [each["grantId"] for each in entries] == [None, grant["id"], grant["id"]]
    assert await audit_of(plog, "chris", person="demo:dana") == entries, "an approver sees it too"
    by_chris = await audit_of(plog, "chris", person="demo:dana", actor="demo:chris", actions=["PERMISSION_REVOKED"])
    assert [each["number"] for each in by_chris] == [entries[2]["number"]]
    start = datetime.fromisoformat(entries[1]["recordedAt"])
    end = start + timedelta(microseconds=1)
    between = await audit_of(plog, "dana", recordedFrom=start.isoformat(), recordedTo=end.isoformat())
    assert [each["action"] for each in between] == ["PERMISSION_APPROVED"]


async def test_lists_go_on_by_cursor(plog: Plog) -> None:
    await apply(plog, *KINDS)
    page = await plog.answer(REQUESTS, plog.signed_in("dana"), first=2)
    assert [each["kind"] for each in page["nodes"]] == KINDS[:0:-1] and page["totalCount"] == 3
    rest = await plog.answer(REQUESTS, plog.signed_in("dana"), first=2, after=page["pageInfo"]["endCursor"])
    assert [each["kind"] for each in rest["nodes"]] == KINDS[:1] and not rest["pageInfo"]["hasNextPage"]
    wanted = {"isDecidable": True, "kinds": ["DRAM_GENERAL"], "status": ["PENDING"]}
    inbox = await plog.answer(REQUESTS, plog.signed_in("chris"), filter=wanted)
    assert [(each["kind"], each["subject"]) for each in inbox["nodes"]] == [("DRAM_GENERAL", "demo:dana")]
    assert await requests_of(plog, "dana", isDecidable=True) == []


async def test_what_a_permission_would_open_is_denied_with_what_to_apply_for(plog: Plog) -> None:
    answer = await plog.create_answer(user="dana", productLine="DRAM")
    assert answer["__typename"] == "PermissionDenied" and answer["openedBy"] == ["DRAM_GENERAL"]
    assert answer["applyAt"] == f"{plog.url}/apply?kind=DRAM_GENERAL"
    answer = await plog.create_answer(user="dana", productLine="LOGIC")
    assert answer["openedBy"] == ["LOGIC_GENERAL", "LOGIC_MODEL_SET_UP"]


GRANT_CAN = """query ($id: ID!) { node(id: $id) { ... on Grant {
  viewerCanRenew { isAllowed reason } viewerCanRevoke { isAllowed reason } } } }"""


async def test_what_may_be_done_with_a_grant_is_what_the_commands_answer(plog: Plog) -> None:
    """Dana holds it, Chris decides on it; it is refused to Dana, done, and then refused to Chris, as it is over."""
    grant = await granted(plog, "LOGIC_GENERAL")
    for name, allowed in (("Renew", ["chris"]), ("Revoke", ["chris", "dana"])):
        for user in ("dana", "chris"):
            can = (await plog.answer(GRANT_CAN, plog.signed_in(user), id=grant["id"]))[f"viewerCan{name}"]
            assert can["isAllowed"] is (user in allowed), (name, user)
            if not can["isAllowed"]:
                extra = {"expires": None} if name == "Renew" else {}
                answer = await plog.answer(change(name), plog.signed_in(user), id=grant["id"], reason="x", **extra)
                assert (answer["__typename"], answer["message"]) == ("PermissionDenied", can["reason"])
    await revoke(plog, grant)
    for name in ("Renew", "Revoke"):
        can = (await plog.answer(GRANT_CAN, plog.signed_in("chris"), id=grant["id"]))[f"viewerCan{name}"]
        extra = {"expires": None} if name == "Renew" else {}
        answer = await plog.answer(change(name), plog.signed_in("chris"), id=grant["id"], reason="x", **extra)
        assert (answer["__typename"], answer["message"], can["isAllowed"]) == ("IllegalTransition", can["reason"], False)


async def test_a_renewal_says_its_end_or_that_there_is_none(plog: Plog) -> None:
    end = (datetime.now(UTC) + HOUR).isoformat()
    grant = await granted(plog, "LOGIC_GENERAL", expires=end)
    given = {"id": grant["id"], "reason": "x"}
    written = 'mutation { grantRenew(id: "%s", reason: "x") { __typename ... on ValidationFailed { problems { field } } } }'
    for answer in (
        await plog.answer(change("Renew"), plog.signed_in("chris"), **given),
        await plog.answer(written % grant["id"], plog.signed_in("chris")),
    ):
        assert [each["field"] for each in answer["problems"]] == ["expiresAt"]
    (found,) = (await plog.answer(GRANTS, plog.signed_in("dana")))["nodes"]
    assert found == grant and datetime.fromisoformat(found["expiresAt"]) == datetime.fromisoformat(end)
    answer = await plog.answer(change("Renew"), plog.signed_in("chris"), **given, expires=None)
    assert answer["grant"]["expiresAt"] is None


@pytest.mark.parametrize(
    "mutation", ["dailyBatchRun { __typename", 'lotImportStart(input: {upload: "%s"}) { __typename' % ("0" * 64)]
)
async def test_where_no_product_line_is_named_all_that_opens_one_is(plog: Plog, mutation: str) -> None:
    document = f"mutation {{ {mutation} ... on PermissionDenied {{ message openedBy applyAt }} }} }}"
    denied = await plog.answer(document, plog.signed_in("dana"))
    assert denied["openedBy"] == ["LOGIC_GENERAL", "DRAM_GENERAL", "LOGIC_MODEL_SET_UP"]
    assert denied["applyAt"] == f"{plog.url}/apply" and "“DRAM general”" in denied["message"]


async def test_what_an_operation_takes_away_its_next_mutation_has_not(plog: Plog) -> None:
    grant = await granted(plog, "LOGIC_GENERAL")
    both = """mutation ($id: ID!, $row: LotRowInput!) { first: grantRevoke(id: $id, reason: "given back") { __typename }
      then: lotRowAdd(input: $row) { __typename } }"""
    answers = await plog.ask(both, plog.signed_in("dana"), id=grant["id"], row=lot_row())
    assert [answers["first"]["__typename"], answers["then"]["__typename"]] == ["GrantPayload", "PermissionDenied"]
