"""What projects, targets and load tests were: who changed them, when and how."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import strawberry

from domain import version as domain
from domain.query import Page
from gql.types.connection import encode_cursor, page_parts
from gql.types.enums import VersionKind


@strawberry.interface(description="What something was, until its next version. Versions are never changed or removed.")
class Version:
    version: int = strawberry.field(description="Its number, from 1.")
    kind: VersionKind = strawberry.field(description="What made it.")
    actor: str = strawberry.field(description="The subject of the person who made it.")
    recorded_at: datetime = strawberry.field(description="When it was made, by the database's clock.")


def version_parts(version: domain.Version[Any]) -> dict[str, Any]:
    """The fields of the interface."""
    return {name: getattr(version, name) for name in ("version", "kind", "actor", "recorded_at")}


def version_page(
    page: Page[domain.Version[Any]], made: Callable[[domain.Version[Any]], Version], after: str | None
) -> dict[str, Any]:
    """The fields of a connection of versions."""
    cursors = [encode_cursor("version", each.version) for each in page.items]
    return page_parts([made(each) for each in page.items], cursors, has_more=page.has_more, after=after)
