"""Operations on permissions that GraphiQL opens in tabs: each can be run as it stands."""

from app.graphiql import Example

MINE = """
# What you may do, have applied for, and might apply for. The same as a page: /apply
query MyPermissions {
  viewer {
    name
    productLines
    permissions {
      kind { name title description }
      grant { status expiresAt }
      pendingRequest { number createdAt }
      decides
      viewerCanApply { isAllowed reason }
    }
  }
}
"""
APPLY = """
# Chris decides on it: sign in as Chris at /apply, or use the token of `plog token chris`.
mutation ApplyForPermission($input: PermissionRequestInput!) {
  permissionRequestCreate(input: $input) {
    __typename
    ... on PermissionRequestCreatePayload { permissionRequests { id number kind status } }
    ... on AlreadyPending { permissionRequestId }
    ... on UserError { code message }
    ... on ValidationFailed { problems { field message } }
  }
}
"""
INBOX = """
# What waits for a decision of yours, live; empty for who decides on nothing.
subscription PermissionInbox {
  permissionInbox {
    order
    changed { permissionRequest { id name kind reason } }
  }
}
"""
AUDIT = """
# Who decided what for whom, when and why.
query AuditEntries {
  auditEntries(first: 20) {
    totalCount
    nodes { recordedAt action kind personName actorName reason expiresAt }
  }
}
"""


def permission_examples() -> tuple[Example, ...]:
    """The tabs, in the order in which a newcomer uses them."""
    return (
        Example(MINE.strip()),
        Example(APPLY.strip(), {"input": {"kinds": ["DRAM_GENERAL"], "reason": "I compare both product lines."}}),
        Example(INBOX.strip()),
        Example(AUDIT.strip()),
    )
