"""One table of current states, and beside it the table of all their versions: projects, targets, load tests, set-up models."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Protocol, TypeVar

from sqlalchemy import Column, ColumnElement, Row, Select, Table, false, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import ValidationFailed
from domain.load_test import LoadTest
from domain.project import Project
from domain.query import HistoryQuery, NamedOrder, Page
from domain.set_up_model import SetUpModel
from domain.target import Target
from domain.version import Version, VersionKind
from persistence.dialect import among, clock
from persistence.listing import from_place, histories

Thing = TypeVar("Thing", Project, Target, LoadTest, SetUpModel)


class NamedQuery(Protocol):
    """What the queries of all such things have in common."""

    @property
    def order(self) -> NamedOrder:
        """What they are sorted by."""
        ...

    @property
    def is_descending(self) -> bool:
        """Greatest first."""
        ...

    @property
    def after(self) -> tuple[int | str, int] | None:
        """The sort value and number of the last one seen."""
        ...

    @property
    def first(self) -> int:
        """How many at most."""
        ...


@dataclass(frozen=True)
class Versioned(Generic[Thing]):
    """How one kind of thing is kept.

    `name` is the column of what people call it, `what` what no two may call the same (`project`). `fixed` and `changing` the
    columns that it is written to besides `id`, `version` and the times: the changing ones are those of the versions too, and
    `definition` is what they say. `is_analysis` tells of a version whether an analysis made it.
    """

    table: Table
    versions: Table
    name: Column[Any]
    what: str
    selected: Select[Any]
    read: Callable[[Row[Any]], Thing]
    fixed: Callable[[Thing], Mapping[str, Any]]
    changing: Callable[[Thing], Mapping[str, Any]]
    definition: Callable[[Row[Any]], Any]
    is_analysis: ColumnElement[bool] = field(default_factory=false)


class VersionedRows(Generic[Thing]):
    """The things of one kind, in one unit of work."""

    def __init__(self, connection: AsyncConnection, kept: Versioned[Thing]) -> None:
        self._connection = connection
        self._kept: Versioned[Thing] = kept

    async def get_many(self, ids: Sequence[int], *conditions: ColumnElement[bool]) -> dict[int, Thing]:
        """The things of these ids that meet the conditions, by id."""
        query = self._kept.selected.where(among(self._kept.table.c.id, ids, self._connection.dialect.name), *conditions)
        return {row.id: self._kept.read(row) for row in await self._connection.execute(query)}

    async def page(self, query: NamedQuery, conditions: Sequence[ColumnElement[bool]]) -> Page[Thing]:
        """A page of those that meet the conditions."""
        selected = self.on_page(query, self._kept.selected.where(*conditions)).limit(query.first + 1)
        found = [self._kept.read(row) for row in await self._connection.execute(selected)]
        return Page(found[: query.first], has_more=len(found) > query.first)

    def on_page(self, query: NamedQuery, selected: Select[Any]) -> Select[Any]:
        """What is selected of what comes from the query's place on, in its order."""
        number = self._kept.table.c.id
        sorted_by = number if query.order is NamedOrder.NUMBER else self._kept.name
        return from_place(selected, [(sorted_by, query.is_descending), (number, query.is_descending)], query.after)

    async def count(self, conditions: Sequence[ColumnElement[bool]]) -> int:
        """How many meet the conditions."""
        selected = select(func.count()).select_from(self._kept.table).where(*conditions)
        return int((await self._connection.execute(selected)).scalar_one())

    async def add(self, build: Callable[..., Thing], actor: str) -> Thing:
        """Store a new thing: what `build` makes of `id`, `version`, `created_at` and `updated_at`, which are given here."""
        at = await clock(self._connection)
        thing = build(id=0, version=1, created_at=at, updated_at=at)
        values = {**self._kept.fixed(thing), **self._kept.changing(thing), "version": 1, "created_at": at, "updated_at": at}
        async with self._single_name():
            insert = self._kept.table.insert().values(values).returning(self._kept.table.c.id)
            thing = replace(thing, id=(await self._connection.execute(insert)).scalar_one())
        await self._record(thing, actor)
        return thing

    async def change(self, before: Thing, changed: Thing, actor: str, *, is_archived: bool = False) -> Thing | None:
        """Store the next version of `before`; None where it has changed since it was read."""
        at = max(before.updated_at, await clock(self._connection))
        archived_at = at if is_archived else before.archived_at
        changed = replace(changed, version=before.version + 1, updated_at=at, archived_at=archived_at)
        values = {**self._kept.changing(changed), "version": changed.version, "updated_at": at, "archived_at": archived_at}
        table = self._kept.table
        async with self._single_name():
            update = table.update().where(table.c.id == before.id, table.c.version == before.version).values(values)
            if (await self._connection.execute(update)).rowcount == 0:
                return None
        await self._record(changed, actor)
        return changed

    async def versions(self, queries: Sequence[HistoryQuery]) -> list[Page[Version[Any]]]:
        """Pages of what things were."""
        selected = select(self._kept.versions, self._kept.is_analysis.label("is_analysis"))
        return await histories(self._connection, queries, selected, self._kept.versions.c.version, self._version)

    def _version(self, row: Row[Any]) -> Version[Any]:
        kind = VersionKind.CHANGED
        if row.version == 1:
            kind = VersionKind.CREATED
        elif row.archived_at is not None:
            kind = VersionKind.ARCHIVED
        elif row.is_analysis:
            kind = VersionKind.ANALYZED
        return Version(
            version=row.version,
            kind=kind,
            actor=row.actor,
            recorded_at=row.recorded_at,
            definition=self._kept.definition(row),
            analysis=getattr(row, "analysis", 0),
        )

    async def _record(self, thing: Thing, actor: str) -> None:
        values = {
            **self._kept.changing(thing),
            f"{self._kept.table.name}_id": thing.id,
            "version": thing.version,
            "archived_at": thing.archived_at,
            "actor": actor,
            "recorded_at": thing.updated_at,
        }
        await self._connection.execute(self._kept.versions.insert().values(values))

    @asynccontextmanager
    async def _single_name(self) -> AsyncIterator[None]:
        """Say so where the name of what is written belongs to another."""
        try:
            yield
        except IntegrityError as error:
            raise ValidationFailed.of(f"input.{self._kept.name.name}", f"is that of another {self._kept.what}") from error
