"""What demo users are permitted: they applied for it, and the demo approver approved, at the first start."""

from datetime import UTC, datetime

from adapters.identity.local_issuer import DEMO_APPROVERS, DemoUser, LocalIssuer
from domain.actor import Person
from domain.permission_request import PermissionRequestStatus
from domain.query import PermissionRequestQuery
from resolvers.permission_request import (
    approve_permission_request,
    create_permission_requests,
    list_permission_requests,
)
from resolvers.services import Services

REASON = "To try PLOG on this machine."


async def permit_demo_users(services: Services, issuer: LocalIssuer) -> None:
    """Let each demo user have their permissions, unless they have ever applied for them: what was revoked stays so.

    Servers that start at the same moment, or again after a crash in the middle, get the same result by the keys.
    """
    approver = next(_person(user) for user in issuer.users if DEMO_APPROVERS in user.groups)
    for user in issuer.users:
        for kind in user.permissions:
            await _permit(services, _person(user), approver, kind)


async def _permit(services: Services, person: Person, approver: Person, kind: str) -> None:
    query = PermissionRequestQuery(subject=person.subject, kinds=frozenset({kind}), is_descending=False, first=1)
    requests = (await list_permission_requests(services, person, query)).items
    if kind not in services.approvers.kinds_of(approver):  # the settings name others, who decide for themselves
        return
    if not requests:
        requests = await create_permission_requests(services, person, {"kinds": [kind], "reason": REASON}, f"demo user {kind}")
    if requests[0].status is PermissionRequestStatus.PENDING and requests[0].reason == REASON:
        key = f"demo user {requests[0].id}"
        await approve_permission_request(services, approver, requests[0].id, REASON, idempotency_key=key)


def _person(user: DemoUser) -> Person:
    return Person(subject=user.subject, name=user.name, expires_at=datetime.now(UTC), groups=frozenset(user.groups))
