"""What differs between SQLite and PostgreSQL, in one place: column types, arrays as parameters, the clock.

Times are `timestamptz` on PostgreSQL and whole microseconds since 1970 on SQLite; text that is ordered or compared is
byte-wise on both (`COLLATE "C"`); documents are `json` and JSON text.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Any, Generic, TypeVar

import orjson
from sqlalchemy import (
    Column,
    ColumnElement,
    Dialect,
    FromClause,
    Select,
    SmallInteger,
    String,
    Table,
    TypeDecorator,
    bindparam,
    cast,
    exists,
    func,
    literal,
    literal_column,
    select,
    text,
    true,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.base import ReadOnlyColumnCollection
from sqlalchemy.types import REAL, BigInteger, DateTime, Text, TypeEngine, UserDefinedType

from persistence.codes import Codes

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
SQLITE = sqlite.dialect()
POSTGRESQL = postgresql.dialect()  # type: ignore[no-untyped-call]
Member = TypeVar("Member", bound=StrEnum)


class Instant(TypeDecorator[datetime]):
    """A point in time, to the microsecond, always with UTC as its zone."""

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """The type of the column."""
        return DateTime(timezone=True) if dialect.name == "postgresql" else BigInteger()

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """From Python to the database."""
        if value is None or dialect.name == "postgresql":
            return value
        return (value - EPOCH) // MICROSECOND

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any] | None:
        """From the database to Python; None where nothing is to be done, which is faster than doing nothing."""
        if dialect.name == "postgresql":
            return None
        return lambda value: None if value is None else EPOCH + value * MICROSECOND


class Document(TypeDecorator[Any]):
    """A JSON document. An empty object is stored as NULL: most events have none."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """The type of the column."""
        return postgresql.JSON() if dialect.name == "postgresql" else Text()

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        """From Python to the database."""
        if not value:
            return None
        return value if dialect.name == "postgresql" else orjson.dumps(value).decode()

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any]:
        """From the database to Python; PostgreSQL's driver has read the JSON already."""
        if dialect.name == "postgresql":
            return lambda value: {} if value is None else value
        return lambda value: {} if value is None else orjson.loads(value)


class WrittenDocument(UserDefinedType[str]):
    """The text of a JSON document, as a parameter: it is given to the driver as it is."""

    cache_ok = True

    def get_col_spec(self, **_given: Any) -> str:
        """The type in SQL, which a parameter alone never needs."""
        return "json"


class Code(TypeDecorator[Member], Generic[Member]):
    """A member of an enum, stored as its small number."""

    impl = SmallInteger
    cache_ok = True

    def __init__(self, codes: Codes[Member]) -> None:
        super().__init__()
        self.codes = codes

    def process_bind_param(self, value: Member | None, dialect: Dialect) -> Any:
        """From Python to the database."""
        return None if value is None else self.codes.code[value]

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Member | None]:
        """From the database to Python."""
        return self.codes.member.get


class Share(TypeDecorator[float]):
    """A number from 0 to 1, kept in four bytes: six digits after the point come back as they were written."""

    impl = REAL
    cache_ok = True

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], float | None]:
        """From the database to Python."""
        return lambda value: None if value is None else round(value, 6)


class Name(TypeDecorator[str]):
    """Text that is compared and ordered byte by byte on every database."""

    impl = String
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """The type of the column."""
        return String(collation="C") if dialect.name == "postgresql" else String()


def encoded(table: Table, row: dict[str, Any]) -> dict[str, Any]:
    """The row as PostgreSQL's `json_to_recordset` takes it; the dictionary given is changed."""
    for name, encode in _encoders(table):
        row[name] = encode(row[name])
    return row


@cache
def _encoders(table: Table) -> list[tuple[str, Callable[[Any], Any]]]:
    found: list[tuple[str, Callable[[Any], Any]]] = []
    for column in table.columns:
        if isinstance(column.type, Code):
            found.append((column.name, column.type.codes.code.get))
        elif isinstance(column.type, Document):
            found.append((column.name, lambda document: document or None))
    return found


def among(column: ColumnElement[Any], values: Sequence[Any], dialect_name: str) -> ColumnElement[bool]:
    """`column` is one of `values`, as a statement whose text does not depend on how many there are."""
    if dialect_name == "postgresql":
        array = bindparam(None, list(values), postgresql.ARRAY(column.type), unique=True)
        return column == func.any(array)
    bind = column.type.bind_processor(SQLITE)
    encoded = orjson.dumps([bind(value) if bind else value for value in values]).decode()
    return column.in_(select(func.json_each(encoded).table_valued("value").c.value))


def has_named(document: ColumnElement[Any], field: str, name: str, dialect_name: str) -> ColumnElement[bool]:
    """An object of the list in that field of the document has this `name`."""
    if dialect_name == "postgresql":
        each = func.json_array_elements(cast(document, postgresql.JSON)[field]).table_valued("value").render_derived()
        return exists().select_from(each).where(func.json_extract_path_text(each.c.value, "name") == name)
    each = func.json_each(document, f"$.{field}").table_valued("value")
    return exists().select_from(each).where(func.json_extract(each.c.value, "$.name") == name)


def names_of(document: ColumnElement[Any], field: str, dialect_name: str) -> ColumnElement[str]:
    """The `name` of each object of the list in that field of the document, as the text of a JSON list in the same order."""
    if dialect_name == "postgresql":
        objects = func.json_array_elements(cast(document, postgresql.JSON)[field])
        each = objects.table_valued("value", with_ordinality="place").render_derived()
        name = func.json_extract_path(each.c.value, "name")
        names = cast(func.json_agg(postgresql.aggregate_order_by(name, each.c.place)), Text)
        return select(names).select_from(each).scalar_subquery()
    each = func.json_each(document, f"$.{field}").table_valued("value")
    return select(func.json_group_array(func.json_extract(each.c.value, "$.name"))).select_from(each).scalar_subquery()


def text_of(document: ColumnElement[Any], field: str, dialect_name: str) -> ColumnElement[str | None]:
    """The text in that field of the document; of a list or object its JSON. NULL where there is none."""
    if dialect_name == "postgresql":
        return func.json_extract_path_text(cast(document, postgresql.JSON), field, type_=Text)
    return func.json_extract(document, f"$.{field}", type_=Text)


def table_of(dialect_name: str, given: Sequence[Sequence[Any]], **types: TypeEngine[Any]) -> FromClause:
    """A table `wanted` of these rows, in a statement whose text does not depend on how many there are."""
    binds = [type_.bind_processor(SQLITE) if dialect_name != "postgresql" else None for type_ in types.values()]
    rows = [{name: bind(value) if bind else value for name, bind, value in zip(types, binds, row, strict=True)} for row in given]
    document = bindparam(None, orjson.dumps(rows, default=str).decode(), Text, unique=True)
    if dialect_name == "postgresql":
        columns = [literal_column(name, type_) for name, type_ in types.items()]
        recordset = func.json_to_recordset(cast(document, postgresql.JSON))
        return recordset.table_valued(*columns).render_derived(name="wanted", with_types=True)
    row = func.json_each(document).table_valued("value").c.value
    return select(*(func.json_extract(row, f"$.{name}", type_=type_).label(name) for name, type_ in types.items())).subquery(
        "wanted"
    )


def first_of_each(
    dialect_name: str,
    wanted: FromClause,
    selected: Select[Any],
    key: Column[Any],
    limit: int,
    conditions: Callable[[ReadOnlyColumnCollection[str, Any]], Sequence[ColumnElement[bool]]],
) -> Select[Any]:
    """For each row of `wanted` the first `limit` rows of `selected`, by `key`, with its `place`.

    They equal it in the columns that both tables have and meet the conditions, which take the columns of the key's table.
    PostgreSQL reads them row by row. SQLite can't in a FROM clause: there the keys are found first, and the rest by them alone,
    as any other condition could make it read the whole range.
    """
    table = key.table

    def is_wanted(columns: ReadOnlyColumnCollection[str, Any]) -> list[ColumnElement[bool]]:
        return [columns[name] == wanted.c[name] for name in wanted.c.keys() if name in columns]  # noqa: SIM118

    if dialect_name == "postgresql":
        found = selected.where(*is_wanted(table.c), *conditions(table.c)).order_by(key).limit(limit).lateral("found")
        return select(found, wanted.c.place).join_from(wanted, found, true()).order_by(wanted.c.place, found.c[key.name])
    twin = table.alias()
    keys = select(twin.c[key.name]).where(*is_wanted(twin.c), *conditions(twin.c)).order_by(twin.c[key.name]).limit(limit)
    selected = selected.add_columns(wanted.c.place).where(*is_wanted(table.c), key.in_(keys.correlate(wanted)))
    return selected.order_by(wanted.c.place, key)


def insert_into(connection: AsyncConnection, table: Table) -> Any:
    """An INSERT that can say ON CONFLICT: the same clause in both dialects, in two classes."""
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)


async def clock(connection: AsyncConnection) -> datetime:
    """The database's clock as it is now, not as it was when the transaction began."""
    if connection.dialect.name == "postgresql":
        return (await connection.execute(text("SELECT clock_timestamp()"))).scalar_one()  # type: ignore[no-any-return]
    return datetime.now(UTC)


def clock_column(dialect_name: str) -> ColumnElement[datetime]:
    """The same clock, within a statement."""
    if dialect_name == "postgresql":
        return func.clock_timestamp(type_=Instant())
    return literal(datetime.now(UTC), Instant())
