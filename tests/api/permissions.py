"""Documents about permissions, and the commands that tests give with them."""

from typing import Any

from tests.api.in_process import ERROR, Plog

REQUEST = """id number kind subject name reason status createdAt updatedAt decidedBy deciderName decisionReason grantId version
  viewerCanDecide { isAllowed reason } viewerCanWithdraw { isAllowed reason }"""
GRANT = """id number kind subject name status permissionRequestId grantedBy grantedAt expiresAt endedAt revokedBy revocationReason
  version"""
NO_TIMES: tuple[Any, ...] = (
    *(
        "tomorrow",
        "",
        "2100-01-01",
        "2100-01-01T00:00:00",
        "2100-02-30T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "10000-01-01T00:00:00Z",
    ),
    *(4102444800, 1.5, True, [], {}),
)
APPLY = f"""mutation ($input: PermissionRequestInput!, $key: String) {{
  permissionRequestCreate(input: $input, idempotencyKey: $key) {{ __typename
    ... on PermissionRequestCreatePayload {{ permissionRequests {{ {REQUEST} }} }} {ERROR}
    ... on AlreadyGranted {{ grantId }} ... on AlreadyPending {{ permissionRequestId }} }} }}"""
REQUESTS = f"""query ($filter: PermissionRequestFilter, $descending: Boolean = true, $first: Int = 50, $after: String) {{
  permissionRequests(filter: $filter, descending: $descending, first: $first, after: $after) {{
    totalCount nodes {{ {REQUEST} }} pageInfo {{ hasNextPage endCursor }} }} }}"""
GRANTS = f"""query ($filter: GrantFilter) {{ grants(filter: $filter) {{ totalCount nodes {{ {GRANT} }} }} }}"""
AUDIT = """query ($filter: AuditFilter, $first: Int = 100, $after: String) {
  auditEntries(filter: $filter, first: $first, after: $after, descending: false) { totalCount pageInfo { endCursor }
    nodes { number recordedAt action kind person personName actor actorName reason expiresAt permissionRequestId grantId } } }"""
VIEWER = """{ viewer { subject name productLines permissions { kind { name title opens { productLine action } } decides
  grant { number status expiresAt } pendingRequest { number status } viewerCanApply { isAllowed reason } } } }"""


def decide(name: str) -> str:
    """The document that approves, rejects or withdraws an application."""
    extra = (", $expires: AnyValue", ", expiresAt: $expires") if name == "Approve" else ("", "")
    return f"""mutation ($id: ID!, $reason: String, $key: String{extra[0]}) {{
      permissionRequest{name}(id: $id, reason: $reason, idempotencyKey: $key{extra[1]}) {{ __typename
        ... on PermissionRequestPayload {{ permissionRequest {{ {REQUEST} }} }} {ERROR}
        ... on PermissionDenied {{ openedBy }} ... on IllegalTransition {{ current wanted }} }} }}"""


def change(name: str) -> str:
    """The document that renews or revokes a grant."""
    extra = (", $expires: AnyValue", ", expiresAt: $expires") if name == "Renew" else ("", "")
    return f"""mutation ($id: ID!, $reason: String, $expected: Int, $key: String{extra[0]}) {{
      grant{name}(id: $id, reason: $reason, expectedVersion: $expected, idempotencyKey: $key{extra[1]}) {{ __typename
        ... on GrantPayload {{ grant {{ {GRANT} }} }} {ERROR} ... on VersionConflict {{ seen: expected at: current }}
        ... on IllegalTransition {{ current wanted }} }} }}"""


async def apply(plog: Plog, *kinds: str, user: str = "dana", reason: str | None = "work", **given: Any) -> dict[str, Any]:
    """What applying for these permissions answers."""
    return await plog.answer(APPLY, plog.signed_in(user), input={"kinds": list(kinds), "reason": reason}, **given)


async def applied(plog: Plog, kind: str, user: str = "dana") -> dict[str, Any]:
    """An application."""
    answer = await apply(plog, kind, user=user)
    assert answer["__typename"] == "PermissionRequestCreatePayload", answer
    (request,) = answer["permissionRequests"]
    return dict(request)


async def granted(plog: Plog, kind: str, user: str = "dana", **given: Any) -> dict[str, Any]:
    """A grant that Chris has approved."""
    request = await applied(plog, kind, user)
    answer = await plog.answer(decide("Approve"), plog.signed_in("chris"), id=request["id"], reason="fine", **given)
    assert answer["__typename"] == "PermissionRequestPayload", answer
    nodes = (await plog.answer(GRANTS, plog.signed_in(user), filter={"kinds": [kind]}))["nodes"]
    return dict(nodes[0])


async def revoke(plog: Plog, grant: dict[str, Any], user: str = "chris") -> dict[str, Any]:
    """What taking it away answers."""
    return await plog.answer(change("Revoke"), plog.signed_in(user), id=grant["id"], reason="no more")
