"""What the use cases of people and permissions expect of the database."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol

from domain.audit_entry import AuditEntry
from domain.grant import Grant
from domain.permission_request import PermissionRequest
from domain.query import AuditQuery, GrantQuery, Page, PermissionRequestQuery
from domain.visibility import Involvement, ModelReach


class PermissionRequestStore(Protocol):
    """The applications of one unit of work."""

    async def get_many(self, ids: Sequence[int], involvement: Involvement) -> dict[int, PermissionRequest]:
        """The requests of these ids that exist for the caller, by id."""
        ...

    async def page(self, query: PermissionRequestQuery, involvement: Involvement) -> Page[PermissionRequest]:
        """A page of requests."""
        ...

    async def versions_on_page(self, query: PermissionRequestQuery, involvement: Involvement) -> dict[int, int]:
        """The ids of the requests on that page, in its order, with the version of each."""
        ...

    async def count(self, query: PermissionRequestQuery, involvement: Involvement) -> int:
        """How many requests the query has, wherever its page begins."""
        ...

    async def pending(self, subject: str, kind: str) -> PermissionRequest | None:
        """The person's application for that kind which nobody has decided yet."""
        ...

    async def add(self, request: PermissionRequest) -> PermissionRequest | None:
        """Store a new request; the database gives it its number. None where the person has one of that kind pending."""
        ...

    async def change(self, before: PermissionRequest, changed: PermissionRequest) -> bool:
        """Store what `before` became; False where it has changed since it was read."""
        ...


class GrantStore(Protocol):
    """The permissions of one unit of work. What has expired opens nothing, whether that was put on record or not."""

    async def get_many(self, ids: Sequence[int], involvement: Involvement) -> dict[int, Grant]:
        """The grants of these ids that exist for the caller, by id."""
        ...

    async def page(self, query: GrantQuery, involvement: Involvement) -> Page[Grant]:
        """A page of grants."""
        ...

    async def count(self, query: GrantQuery, involvement: Involvement) -> int:
        """How many grants the query has, wherever its page begins."""
        ...

    async def active(self, subjects: Collection[str]) -> dict[str, list[Grant]]:
        """What these people are permitted now, by the database's clock; nothing of who is permitted nothing."""
        ...

    async def unended(self, subject: str, kind: str) -> Grant | None:
        """The person's grant of that kind whose end is not on record: active, or expired a moment ago."""
        ...

    async def expired(self, limit: int) -> list[Grant]:
        """Grants that have expired without that being on record, the oldest first."""
        ...

    async def add(self, grant: Grant) -> Grant | None:
        """Store a new grant; the database gives it its number. None where there is one of that kind that has not ended."""
        ...

    async def change(self, before: Grant, changed: Grant) -> bool:
        """Store what `before` became; False where it has changed since it was read."""
        ...


class AuditStore(Protocol):
    """The audit of one unit of work; it only grows."""

    async def add(self, entries: Sequence[AuditEntry], at: datetime) -> None:
        """Put decisions on record."""
        ...

    async def page(self, query: AuditQuery, involvement: Involvement, reach: ModelReach) -> Page[AuditEntry]:
        """A page of entries: what concerns the caller, and all about the permissions and models that they decide on."""
        ...

    async def count(self, query: AuditQuery, involvement: Involvement, reach: ModelReach) -> int:
        """How many entries the query has, wherever its page begins."""
        ...
