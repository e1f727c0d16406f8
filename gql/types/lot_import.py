"""Imports of lot rows: how far each has come, and what it has refused."""

from datetime import datetime

import strawberry

from domain import lot_import as domain
from domain.query import LotImportQuery, Page
from gql import ids
from gql.context import Info
from gql.sharing import Volatile
from gql.types.any_value import AnyValue
from gql.types.artifact import Artifact
from gql.types.capability import Capability
from gql.types.connection import Connection, checked_first, numbered_page, numbered_place
from gql.types.enums import LotImportStatus
from gql.types.node import Node
from resolvers import lot_import as lot_imports


@strawberry.type(description="An import of lot rows from a CSV file. It exists for the person who has started it.")
class LotImport(Node):
    number: int = strawberry.field(description="The short number that people quote.")
    status: LotImportStatus = strawberry.field(description="Where it stands.")
    file_name: str = strawberry.field(description="What the file is called; may be empty.")
    sha256: str = strawberry.field(description="The file's SHA-256 checksum, under which it was uploaded.")
    bytes_total: float = strawberry.field(description="The file's size; a whole number.")
    bytes_read: float = strawberry.field(description="How many bytes of it were read and taken in; a whole number.")
    percent: float = strawberry.field(description="How much of the file that is, 0 to 100.")
    encoding: str | None = strawberry.field(
        description=(
            "What it is written in, once that is known: `utf-8`, `cp949`, `cp932`, `euc_jp`, `gb18030`, `cp950`, `cp1252` or "
            "`iso-8859-1`."
        )
    )
    rows_read: int = strawberry.field(description="How many rows with something in them were read, without the header.")
    rows_added: int = strawberry.field(description="How many of them were added.")
    rows_refused: int = strawberry.field(description="How many of them were refused.")
    message: str = strawberry.field(
        description="Why it has failed or ended early, or what it waits for, in a sentence for people; empty otherwise."
    )
    is_cancel_requested: bool = strawberry.field(description="Whether it is to end as soon as who works on it notices.")
    actor: str = strawberry.field(description="The subject of the person who has started it.")
    actor_name: str = strawberry.field(description="Their name, as it was then.")
    created_at: datetime = strawberry.field(description="When it was started.")
    started_at: datetime | None = strawberry.field(description="When a server took it up for the first time.")
    updated_at: datetime = strawberry.field(description="When it last changed.")
    ended_at: datetime | None = strawberry.field(description="When it ended.")
    version: int = strawberry.field(description="Grows with each batch of rows, and each other change.")
    found: strawberry.Private[domain.LotImport]

    @strawberry.field(
        description=(
            "A CSV file of the rows that were refused: their numbers in the file, why, and their fields; null where none were, "
            "or it has not ended yet."
        )
    )
    async def result(self, info: Info) -> Artifact | None:
        if self.found.result_id is None:
            return None
        artifact = await info.context.loaders.artifact_by_id.load(self.found.result_id)
        return None if artifact is None else Artifact.of(artifact)

    @strawberry.field(description="Whether the viewer may cancel it.", directives=[Volatile()])
    def viewer_can_cancel(self) -> Capability:
        return Capability.of(lot_imports.why_not_cancel(self.found))

    @strawberry.field(description="Whether the viewer may resume it.", directives=[Volatile()])
    def viewer_can_resume(self, info: Info) -> Capability:
        return Capability.of(lot_imports.why_not_resume(info.context.services, info.context.actor, self.found))

    @classmethod
    def of(cls, found: domain.LotImport) -> "LotImport":
        """The type for an import of the domain."""
        return cls(
            id=strawberry.ID(ids.encode("LotImport", found.id)),
            number=found.id,
            status=found.status,
            file_name=found.file_name,
            sha256=found.sha256,
            bytes_total=found.size,
            bytes_read=found.bytes_read,
            percent=round(100 * found.bytes_read / found.size, 2),
            encoding=found.encoding,
            rows_read=found.rows_read,
            rows_added=found.rows_added,
            rows_refused=found.rows_refused,
            message=found.message,
            is_cancel_requested=found.is_cancel_requested,
            actor=found.actor,
            actor_name=found.actor_name,
            created_at=found.created_at,
            started_at=found.started_at,
            updated_at=found.updated_at,
            ended_at=found.ended_at,
            version=found.version,
            found=found,
        )


@strawberry.input(description="The order to import a file. It can be sent without what is required, to be told what is missing.")
class LotImportInput:
    upload: str | None = strawberry.field(
        default=None, description="Required. The SHA-256 checksum of the file, which was sent to `/uploads/SHA256` before."
    )
    file_name: str | None = strawberry.field(default=None, description="What the file is called, at most 200 characters.")
    encoding: AnyValue | None = strawberry.field(
        default=None,
        description=(
            "What the file is written in, by a name that docs/lots.md lists, such as `shift_jis`. Left out, UTF-8 or else CP949 "
            "is detected."
        ),
    )


@strawberry.input(description="Which imports. What is left out does not restrict.")
class LotImportFilter:
    status: list[LotImportStatus] | None = strawberry.field(default=None, description="In one of these.")


@strawberry.type(description="A page of imports.")
class LotImportConnection(Connection[LotImport]):
    query: strawberry.Private[LotImportQuery]

    @strawberry.field(description="How many imports the filter has in all; costs a count.")
    async def total_count(self, info: Info) -> int:
        return await lot_imports.count_lot_imports(info.context.services, info.context.actor, self.query)

    @classmethod
    def of(cls, page: Page[domain.LotImport], query: LotImportQuery, after: str | None) -> "LotImportConnection":
        """The connection for a page of imports."""
        return cls(query=query, **numbered_page("lot import", page, LotImport.of, after))


def lot_import_query(chosen: LotImportFilter | None, is_descending: bool, first: int, after: str | None) -> LotImportQuery:
    """The domain's query for a filter as sent."""
    chosen = chosen or LotImportFilter()
    return LotImportQuery(
        statuses=frozenset(chosen.status or ()),
        is_descending=is_descending,
        after=numbered_place("lot import", after),
        first=checked_first(first),
    )
