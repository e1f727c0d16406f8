"""Access to set-up models: applied for by general users, decided by owners and set-up users, and over when its time is."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from controllers.housekeeping import Housekeeping
from tests.api.in_process import BOTH_DATABASES, ERROR, HOUR, Plog
from tests.api.models import a_model, copy, model_of, optimized, padded, registered, set_up, trained
from tests.api.permissions import AUDIT, NO_TIMES, granted, revoke
from tests.api.test_kit_subscription import watching
from tests.api.test_open_streams import unread_download
from tests.waiting import eventually

pytestmark = [BOTH_DATABASES, pytest.mark.usefixtures("models_here")]
REQUEST = """id number modelId model { id name } subject name purpose until status decidedBy deciderName decisionReason version
  viewerCanDecide { isAllowed reason } viewerCanWithdraw { isAllowed }"""
APPLY = f"""mutation ($input: ModelAccessRequestInput!, $key: String) {{
  modelAccessRequestCreate(input: $input, idempotencyKey: $key) {{ __typename
    ... on ModelAccessRequestCreatePayload {{ modelAccessRequest {{ {REQUEST} }} }} {ERROR}
    ... on AlreadyGranted {{ grantId modelAccessRequestId }} ... on AlreadyPending {{ modelAccessRequestId }} }} }}"""
REQUESTS = f"""query ($filter: ModelAccessRequestFilter) {{ modelAccessRequests(filter: $filter) {{
  totalCount nodes {{ {REQUEST} }} }} }}"""
USE = """query ($id: ID!) { setUpModel(id: $id) { viewerCanUse { isAllowed reason openedBy applyAt setUpModelId }
  viewerCanApply { isAllowed reason }
  viewerAccessRequest { id status } versions { nodes { artifact { downloadUrl } } } } }"""
ACCESS_ACTIONS = ["MODEL_ACCESS_REQUESTED", "MODEL_ACCESS_APPROVED", "MODEL_ACCESS_REVOKED"]


def decide(name: str) -> str:
    extra = (", $until: AnyValue", ", until: $until") if name in ("RequestApprove", "Renew") else ("", "")
    return f"""mutation ($id: ID!, $reason: String, $key: String{extra[0]}) {{
      modelAccess{name}(id: $id, reason: $reason, idempotencyKey: $key{extra[1]}) {{ __typename
        ... on ModelAccessRequestPayload {{ modelAccessRequest {{ {REQUEST} }} }} {ERROR}
        ... on IllegalTransition {{ current wanted }} }} }}"""


async def decided(
    plog: Plog, name: str, request: dict[str, Any], user: str = "ada", reason: str | None = "because", **given: Any
) -> dict[str, Any]:
    """What deciding answers."""
    return await plog.answer(decide(name), plog.signed_in(user), id=request["id"], reason=reason, **given)


async def apply(plog: Plog, model: dict[str, Any], user: str = "dana", key: str | None = None, **given: Any) -> dict[str, Any]:
    """What applying answers."""
    document = {"modelId": model["id"], "purpose": "signoff", "until": (datetime.now(UTC) + HOUR).isoformat(), **given}
    return await plog.answer(APPLY, plog.signed_in(user), input=document, key=key)


async def applied(plog: Plog, model: dict[str, Any], user: str = "dana", **given: Any) -> dict[str, Any]:
    answer = await apply(plog, model, user, **given)
    assert answer["__typename"] == "ModelAccessRequestCreatePayload", answer
    return dict(answer["modelAccessRequest"])


async def approved(plog: Plog, model: dict[str, Any], user: str = "dana", **given: Any) -> dict[str, Any]:
    answer = await decided(plog, "RequestApprove", await applied(plog, model, user), **given)
    assert answer["__typename"] == "ModelAccessRequestPayload", answer
    return dict(answer["modelAccessRequest"])


async def requests_of(plog: Plog, user: str = "dana", **filter: Any) -> list[dict[str, Any]]:
    return list((await plog.answer(REQUESTS, plog.signed_in(user), filter=filter))["nodes"])


async def use_of(plog: Plog, model: dict[str, Any], user: str = "dana") -> dict[str, Any]:
    """How the person may use the model, and the link to its file."""
    seen = await plog.answer(USE, plog.signed_in(user), id=model["id"])
    artifact = seen["versions"]["nodes"][0]["artifact"]
    held = {"apply": seen["viewerCanApply"], "request": seen["viewerAccessRequest"]}
    return {**seen["viewerCanUse"], **held, "link": artifact and artifact["downloadUrl"]}


async def without_set_up(plog: Plog, user: str) -> None:
    """Leave the person what a general user has."""
    grants = 'query ($subject: String) { grants(filter: {kinds: ["LOGIC_MODEL_SET_UP"], subject: $subject}) { nodes { id } } }'
    (grant,) = (await plog.answer(grants, plog.signed_in("chris"), subject=f"demo:{user}"))["nodes"]
    await revoke(plog, grant)


@pytest.fixture
async def model(plog: Plog) -> dict[str, Any]:
    """A model of Ada's; Dana sees its product line."""
    await granted(plog, "LOGIC_GENERAL")
    return await a_model(plog)


async def test_req_004_1_an_application_for_a_model_is_stored(plog: Plog, model: dict[str, Any]) -> None:
    answer = await apply(plog, model)
    assert answer["__typename"] == "ModelAccessRequestCreatePayload"
    request = answer["modelAccessRequest"]
    assert (request["modelId"], request["subject"], request["purpose"]) == (model["id"], "demo:dana", "signoff")
    assert await requests_of(plog) == [request] and (await use_of(plog, model))["request"]["id"] == request["id"]
    (entry,) = (await plog.answer(AUDIT, plog.signed_in("dana"), filter={"actions": ["MODEL_ACCESS_REQUESTED"]}))["nodes"]
    assert (entry["person"], entry["actor"], entry["reason"]) == ("demo:dana", "demo:dana", "signoff")


@pytest.mark.parametrize(
    ("given", "fields"),
    [
        ({"modelId": None, "purpose": None, "until": None}, ["input.modelId", "input.purpose", "input.until"]),
        ({"purpose": "  "}, ["input.purpose"]),
        ({"until": None}, ["input.until"]),
        ({"until": "2020-01-01T00:00:00Z", "purpose": "x" * 2001}, ["input.purpose", "input.until"]),
    ],
)
async def test_req_004_2_what_is_missing_is_named(
    plog: Plog, model: dict[str, Any], given: dict[str, Any], fields: list[str]
) -> None:
    answer = await apply(plog, model, **given)
    assert (answer["__typename"], answer["code"]) == ("ValidationFailed", "VALIDATION_FAILED")
    assert [each["field"] for each in answer["problems"]] == fields and await requests_of(plog) == []


async def test_req_004_2_a_period_that_is_no_time_is_named(plog: Plog, model: dict[str, Any]) -> None:
    for wrong in NO_TIMES:
        answer = await apply(plog, model, until=wrong)
        assert [each["field"] for each in answer["problems"]] == ["input.until"], wrong
    assert await requests_of(plog) == []
    request = await applied(plog, model)
    for wrong in NO_TIMES:
        answer = await decided(plog, "RequestApprove", request, until=wrong)
        assert [each["field"] for each in answer["problems"]] == ["until"], wrong
    await decided(plog, "RequestApprove", request)
    for wrong in NO_TIMES:
        answer = await decided(plog, "Renew", request, reason=None, until=wrong)
        assert [each["field"] for each in answer["problems"]] == ["reason", "until"], wrong


async def test_req_004_3_it_is_pending_at_first(plog: Plog, model: dict[str, Any]) -> None:
    request = await applied(plog, model)
    assert (request["status"], request["decidedBy"], request["version"]) == ("PENDING", None, 1)
    use = await use_of(plog, model)
    assert use["isAllowed"] is False, "an application opens nothing"
    assert f"your application {request['number']} waits" in use["reason"] and use["setUpModelId"] == model["id"]
    assert use["applyAt"] == f"{plog.url}/apply?model={model['id']}"
    assert request["model"] == {"id": model["id"], "name": model["name"]}
    again = await apply(plog, model)
    assert use["apply"] == {"isAllowed": False, "reason": again["message"]}
    assert (again["__typename"], again["modelAccessRequestId"]) == ("AlreadyPending", request["id"])
    assert len(await requests_of(plog, status=["PENDING"])) == 1


async def test_req_004_4_a_rejection_says_why(plog: Plog, model: dict[str, Any]) -> None:
    request = await applied(plog, model)
    silent = await decided(plog, "RequestReject", request, reason="")
    assert [each["field"] for each in silent["problems"]] == ["reason"]
    await decided(plog, "RequestReject", request, reason="Use the newer one")
    (seen,) = await requests_of(plog)
    assert (seen["status"], seen["decidedBy"], seen["decisionReason"]) == ("REJECTED", "demo:ada", "Use the newer one")
    assert (await use_of(plog, model))["isAllowed"] is False
    late = await decided(plog, "RequestApprove", request)
    assert (late["__typename"], late["current"], late["wanted"]) == ("IllegalTransition", "REJECTED", "APPROVED")
    assert (await apply(plog, model))["__typename"] == "ModelAccessRequestCreatePayload", "one may apply again"


async def test_req_004_5_who_has_access_is_told_so(plog: Plog, model: dict[str, Any]) -> None:
    request = await approved(plog, model)
    answer = await apply(plog, model)
    assert (answer["__typename"], answer["code"]) == ("AlreadyGranted", "ALREADY_GRANTED")
    assert answer["modelAccessRequestId"] == request["id"] and answer["grantId"] is None and "already have" in answer["message"]
    for user in ("ada", "bela"):
        own = await apply(plog, model, user)
        assert (own["__typename"], own["modelAccessRequestId"]) == ("AlreadyGranted", None), "owner, and set-up user"
        assert (await use_of(plog, model, user))["apply"] == {"isAllowed": False, "reason": own["message"]}
    assert len(await requests_of(plog)) == 1


async def test_what_is_archived_is_not_applied_for(plog: Plog, model: dict[str, Any]) -> None:
    assert (await use_of(plog, model))["apply"] == {"isAllowed": True, "reason": None}
    await plog.answer("mutation ($id: ID!) { setUpModelArchive(id: $id) { __typename } }", id=model["id"])
    answer = await apply(plog, model)
    assert answer["__typename"] == "IllegalTransition" and await requests_of(plog) == []
    use = await use_of(plog, model)
    assert use["apply"] == {"isAllowed": False, "reason": answer["message"]} and use["setUpModelId"] is None


async def test_of_applications_at_once_one_is_stored(plog: Plog, model: dict[str, Any]) -> None:
    answers = await asyncio.gather(*(apply(plog, model) for _ in range(8)))
    assert sorted(each["__typename"] for each in answers) == ["AlreadyPending"] * 7 + ["ModelAccessRequestCreatePayload"]
    (request,) = await requests_of(plog)
    answers = await asyncio.gather(*(decided(plog, "RequestApprove", request, user) for user in ("ada", "bela") * 3))
    assert sorted(each["__typename"] for each in answers) == ["IllegalTransition"] * 5 + ["ModelAccessRequestPayload"]
    repeated = await asyncio.gather(*(apply(plog, model) for _ in range(4)))
    assert {each["__typename"] for each in repeated} == {"AlreadyGranted"} and len(await requests_of(plog)) == 1


async def test_an_application_at_the_moment_of_a_decision_leaves_one_that_is_open(plog: Plog, model: dict[str, Any]) -> None:
    for _ in range(5):
        request = await applied(plog, model)
        first, approval, *later = await asyncio.gather(
            apply(plog, model), decided(plog, "RequestApprove", request), apply(plog, model), apply(plog, model)
        )
        answers = [first, *later]
        assert approval["modelAccessRequest"]["status"] == "APPROVED"
        assert {each["__typename"] for each in answers} <= {"AlreadyPending", "AlreadyGranted"}
        assert {each["modelAccessRequestId"] for each in answers} == {request["id"]}
        assert await requests_of(plog, status=["PENDING"]) == [] and len(await requests_of(plog, status=["APPROVED"])) == 1
        await decided(plog, "Revoke", request)


async def test_access_opens_the_file_and_its_end_closes_it(plog: Plog, model: dict[str, Any]) -> None:
    closed = await use_of(plog, model)
    assert closed["link"] is None and closed["openedBy"] == ["LOGIC_MODEL_SET_UP"] and "apply" in closed["reason"]
    request = await approved(plog, model)
    opened = await use_of(plog, model)
    assert opened["isAllowed"] and (await plog.http.get(opened["link"])).status_code == 200
    assert (await use_of(plog, model, "bela"))["link"] is not None, "set-up users need none"
    revoked = (await decided(plog, "Revoke", request, reason="over"))["modelAccessRequest"]
    assert (revoked["status"], revoked["decisionReason"]) == ("REVOKED", "over")
    assert (await plog.http.get(opened["link"])).status_code == 404, "also by a link from before"
    assert (await use_of(plog, model))["link"] is None
    for user, seen in (("ada", True), ("bela", True), ("dana", True), ("chris", False)):
        entries = (await plog.answer(AUDIT, plog.signed_in(user), filter={"modelId": model["id"]}))["nodes"]
        actions = [each["action"] for each in entries if "ACCESS" in each["action"]]
        assert actions == (ACCESS_ACTIONS if seen else []), user


async def test_access_ends_by_itself_and_can_be_had_again(plog: Plog, model: dict[str, Any]) -> None:
    soon = (datetime.now(UTC) + timedelta(seconds=3)).isoformat()
    request = await approved(plog, model, until=soon)
    link = (await use_of(plog, model))["link"]

    async def is_over() -> bool:
        return not (await use_of(plog, model))["isAllowed"]

    await eventually(is_over)
    assert (await plog.http.get(link)).status_code == 404
    assert [each["status"] for each in await requests_of(plog)] == ["EXPIRED"]
    assert [len(await requests_of(plog, status=[each])) for each in ("APPROVED", "EXPIRED")] == [0, 1]
    assert (await decided(plog, "Revoke", request))["current"] == "EXPIRED"
    await approved(plog, model)
    assert [each["status"] for each in await requests_of(plog)] == ["APPROVED", "EXPIRED"]
    assert (await use_of(plog, model))["isAllowed"] is True


async def test_the_end_of_access_is_put_on_record_once(plog: Plog, model: dict[str, Any]) -> None:
    end = datetime.now(UTC) + timedelta(seconds=2)
    request = await approved(plog, model, until=end.isoformat())
    await Housekeeping(plog.container.services, 60).run_once()
    assert (await requests_of(plog))[0]["version"] == request["version"], "nothing ends before its time"
    await eventually(lambda: datetime.now(UTC) > end)
    servers = [Housekeeping(plog.container.services, 60) for _ in range(4)]
    await asyncio.gather(*(each.run_once() for each in servers))
    await servers[0].run_once()
    (seen,) = await requests_of(plog)
    assert (seen["status"], seen["version"], seen["decisionReason"]) == ("EXPIRED", request["version"] + 1, "because")
    (entry,) = (await plog.answer(AUDIT, plog.signed_in("dana"), filter={"actions": ["MODEL_ACCESS_EXPIRED"]}))["nodes"]
    assert (entry["person"], entry["actor"], datetime.fromisoformat(entry["expiresAt"])) == ("demo:dana", None, end)
    await approved(plog, model)
    ended = (await plog.answer(AUDIT, plog.signed_in("dana"), filter={"actions": ["MODEL_ACCESS_EXPIRED"]}))["nodes"]
    assert ended == [entry], "nor when the next access begins"


@pytest.mark.parametrize("ending", ["revoked", "given back", "over"])
async def test_a_download_under_way_is_cut_off_when_its_access_ends(plog: Plog, ending: str) -> None:
    await granted(plog, "LOGIC_GENERAL")
    content = padded(trained(), 2**26)  # more than the kernels of both sides take
    model = (await set_up(plog, await optimized(plog, registered(content))))["setUpModel"]
    end = datetime.now(UTC) + (timedelta(seconds=4) if ending == "over" else HOUR)
    request = await approved(plog, model, until=end.isoformat())
    dana, bela = [(await use_of(plog, model, user))["link"] for user in ("dana", "bela")]
    async with unread_download(plog, dana) as received, unread_download(plog, bela):
        assert {each.subject: len(each.access) for each in plog.container.open_streams} == {"demo:dana": 1, "demo:bela": 0}
        if ending == "over":
            await eventually(lambda: datetime.now(UTC) > end)
        else:
            await decided(plog, "Revoke", request, "dana" if ending == "given back" else "ada")
        assert await received() < len(content)
        assert [each.subject for each in plog.container.open_streams] == ["demo:bela"], "who sets models up needs no access"


async def test_the_approver_shortens_and_does_not_lengthen(plog: Plog, model: dict[str, Any]) -> None:
    request = await applied(plog, model)
    later = (datetime.now(UTC) + 2 * HOUR).isoformat()
    for until in (later, "2020-01-01T00:00:00Z"):
        answer = await decided(plog, "RequestApprove", request, until=until)
        assert [each["field"] for each in answer["problems"]] == ["until"]
    earlier = (datetime.now(UTC) + HOUR / 2).isoformat()
    changed = (await decided(plog, "RequestApprove", request, until=earlier))["modelAccessRequest"]
    assert datetime.fromisoformat(changed["until"]) == datetime.fromisoformat(earlier)


async def test_access_that_is_open_can_be_renewed(plog: Plog, model: dict[str, Any]) -> None:
    request = await applied(plog, model)
    later = datetime.now(UTC) + 2 * HOUR
    assert (await decided(plog, "Renew", request, until=later.isoformat()))["current"] == "PENDING"
    soon = datetime.now(UTC) + timedelta(seconds=3)
    await decided(plog, "RequestApprove", request, until=soon.isoformat())
    for user, refusal in (("dana", "PermissionDenied"), ("chris", "NotFound")):
        assert (await decided(plog, "Renew", request, user, until=later.isoformat()))["__typename"] == refusal
    for until in (None, "2020-01-01T00:00:00Z"):
        wrong = await decided(plog, "Renew", request, reason=" ", until=until)
        assert [each["field"] for each in wrong["problems"]] == ["reason", "until"]
    renewed = (await decided(plog, "Renew", request, "bela", "not done yet", until=later.isoformat()))["modelAccessRequest"]
    assert (renewed["status"], renewed["decidedBy"], renewed["decisionReason"]) == ("APPROVED", "demo:bela", "not done yet")
    assert datetime.fromisoformat(renewed["until"]) == later and renewed["version"] == 3
    again = await apply(plog, model)
    assert (again["__typename"], again["modelAccessRequestId"]) == ("AlreadyGranted", request["id"])
    assert "modelAccessRenew" in again["message"] and len(await requests_of(plog)) == 1
    await eventually(lambda: datetime.now(UTC) > soon)
    assert (await use_of(plog, model))["isAllowed"] is True, "also after what was its end before"
    (entry,) = (await plog.answer(AUDIT, plog.signed_in("dana"), filter={"actions": ["MODEL_ACCESS_RENEWED"]}))["nodes"]
    assert (entry["person"], entry["actor"], entry["reason"]) == ("demo:dana", "demo:bela", "not done yet")
    assert datetime.fromisoformat(entry["expiresAt"]) == later
    await decided(plog, "Revoke", request)
    assert (await decided(plog, "Renew", request, until=later.isoformat()))["current"] == "REVOKED"


async def test_nobody_decides_on_their_own_application_nor_without_being_asked(plog: Plog, model: dict[str, Any]) -> None:
    own = await granted(plog, "LOGIC_MODEL_SET_UP")
    made = (await copy(plog, model, user="dana"))["setUpModel"]
    await revoke(plog, own)
    request = await applied(plog, model)
    for name in ("RequestApprove", "RequestReject"):
        refused = await decided(plog, name, request, "dana")
        assert refused["__typename"] == "PermissionDenied" and "own application" in refused["message"]
    assert request["viewerCanDecide"]["isAllowed"] is False and request["viewerCanWithdraw"]["isAllowed"] is True
    await granted(plog, "LOGIC_MODEL_SET_UP")
    assert (await decided(plog, "RequestApprove", request, "dana"))["__typename"] == "PermissionDenied", "nor as set-up user"
    assert (await decided(plog, "RequestApprove", request, "chris"))["__typename"] == "NotFound"
    await without_set_up(plog, "bela")
    other = await applied(plog, made, "bela")
    assert (await decided(plog, "RequestApprove", other, "dana"))["__typename"] == "ModelAccessRequestPayload"


async def test_an_owner_who_sets_nothing_up_any_more_still_decides(plog: Plog, model: dict[str, Any]) -> None:
    grant = await granted(plog, "LOGIC_MODEL_SET_UP")
    made = (await copy(plog, model, user="dana"))["setUpModel"]
    await revoke(plog, grant)
    await without_set_up(plog, "bela")
    request = await applied(plog, made, "bela")
    assert [each["id"] for each in await requests_of(plog, "dana", isDecidable=True)] == [request["id"]]
    assert (await decided(plog, "RequestApprove", request, "dana"))["modelAccessRequest"]["status"] == "APPROVED"
    assert (await model_of(plog, made, "dana"))["viewerCanSetUp"]["isAllowed"] is False
    assert (await use_of(plog, made))["link"] is not None


CAN = """query ($id: ID!) { node(id: $id) { ... on ModelAccessRequest {
  viewerCanRenew { isAllowed reason } viewerCanRevoke { isAllowed reason } } } }"""


async def test_what_may_be_done_with_access_is_what_the_commands_answer(plog: Plog, model: dict[str, Any]) -> None:
    """Dana has it, Ada owns the model; what is pending, what is over and what an archived model gave is not renewed."""
    pending = await applied(plog, model)
    later = {"until": (datetime.now(UTC) + 2 * HOUR).isoformat()}

    async def allowed() -> list[list[str]]:
        found: list[list[str]] = []
        for name, given in (("Renew", later), ("Revoke", {})):
            found.append([])
            for user in ("ada", "dana"):
                can = (await plog.answer(CAN, plog.signed_in(user), id=pending["id"]))[f"viewerCan{name}"]
                if can["isAllowed"]:
                    found[-1].append(user)
                else:
                    assert (await decided(plog, name, pending, user, **given))["message"] == can["reason"]
        return found

    assert await allowed() == [[], []]
    await decided(plog, "RequestApprove", pending)
    assert await allowed() == [["ada"], ["ada", "dana"]]
    await plog.answer("mutation ($id: ID!) { setUpModelArchive(id: $id) { __typename } }", id=model["id"])
    assert (await allowed())[0] == []
    await decided(plog, "Revoke", pending)
    assert await allowed() == [[], []]


async def test_without_the_product_line_nothing_of_it_is_there(plog: Plog, model: dict[str, Any]) -> None:
    request = await approved(plog, model)
    link = (await use_of(plog, model))["link"]
    (general,) = (await plog.answer("{ grants { nodes { id } } }", plog.signed_in("dana")))["nodes"]
    await revoke(plog, general)
    assert (await plog.http.get(link)).status_code == 404 and await requests_of(plog) == []
    assert (await apply(plog, model))["__typename"] == "NotFound"
    assert (await decided(plog, "Revoke", request, "dana"))["__typename"] == "NotFound"


async def test_an_application_is_withdrawn_and_access_given_back(plog: Plog, model: dict[str, Any]) -> None:
    request = await applied(plog, model)
    foreign = await decided(plog, "RequestWithdraw", request, "bela")
    assert foreign["__typename"] == "PermissionDenied"
    assert (await decided(plog, "RequestWithdraw", request, "dana", None))["modelAccessRequest"]["status"] == "WITHDRAWN"
    second = await approved(plog, model)
    assert (await decided(plog, "Revoke", second, "dana"))["modelAccessRequest"]["status"] == "REVOKED"
    first, same = [await apply(plog, model, key="k", until="2100-01-01T00:00:00Z") for _ in range(2)]
    assert first["modelAccessRequest"]["id"] == same["modelAccessRequest"]["id"]


async def test_who_applies_for_what_is_not_there_is_told_so(plog: Plog, model: dict[str, Any]) -> None:
    for missing in ("U2V0VXBNb2RlbDo5OTk", "nonsense"):
        assert (await apply(plog, {"id": missing}))["__typename"] == "NotFound"


INBOX = """subscription { modelAccessInbox { order isSnapshot changed { toVersion modelAccessRequest { id status
  viewerCanDecide { isAllowed } } } } }"""


async def test_who_decides_sees_what_waits_at_once(plog: Plog, model: dict[str, Any]) -> None:
    async with watching(plog, INBOX, "ada") as ada, watching(plog, INBOX, "dana") as dana:
        assert (await ada.next())["order"] == [] == (await dana.next())["order"]
        request = await applied(plog, model)
        frame = await ada.next()
        assert frame["order"] == [request["id"]]
        assert frame["changed"][0]["modelAccessRequest"]["viewerCanDecide"]["isAllowed"] is True
        await decided(plog, "RequestReject", request, "bela")
        assert (await ada.next())["order"] == []


OPEN = """subscription ($subject: String!) { modelAccessRequests(filter: {subject: $subject, status: [PENDING, APPROVED]}) {
  order changed { toVersion modelAccessRequest { id status } } } }"""


async def test_an_applicant_sees_what_becomes_of_an_application(plog: Plog, model: dict[str, Any]) -> None:
    async with watching(plog, OPEN, "dana", subject="demo:dana") as dana:
        assert (await dana.next())["order"] == []
        request = await applied(plog, model)
        assert (await dana.next())["changed"][0]["modelAccessRequest"]["status"] == "PENDING"
        await decided(plog, "RequestApprove", request)
        (changed,) = (await dana.next())["changed"]
        assert changed == {"toVersion": 2, "modelAccessRequest": {"id": request["id"], "status": "APPROVED"}}
        await decided(plog, "Revoke", request)
        assert (await dana.next())["order"] == []
