"""Relay connections by keyset: a cursor holds the place in the order, so that pages neither skip nor repeat."""

import base64
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar

import orjson
import strawberry

from domain.errors import ValidationFailed
from domain.query import MAX_PAGE, MAX_SERIES, HistoryQuery, Page
from domain.validation import is_storable

First = Annotated[int, strawberry.argument(description="How many at most, 1 to 100.")]
After = Annotated[str | None, strawberry.argument(description="Go on after this cursor.")]
NewestFirst = Annotated[bool, strawberry.argument(description="The newest first.")]
FirstWindows = Annotated[int, strawberry.argument(description=f"How many windows at most, 1 to {MAX_SERIES:,}.")]
AfterWindow = Annotated[datetime | None, strawberry.argument(description="Go on after the window that begins then.")]
MAX_FILTER = 1000
MAX_ATTEMPT = 2**15 - 1

Node = TypeVar("Node")


@strawberry.type(description="Where a page of a connection lies in the whole list.")
class PageInfo:
    has_next_page: bool = strawberry.field(description="Whether anything follows this page.")
    has_previous_page: bool = strawberry.field(description="Whether this page was asked for with `after`.")
    start_cursor: str | None = strawberry.field(description="The cursor of the first edge; null on an empty page.")
    end_cursor: str | None = strawberry.field(description="The cursor of the last edge: send it as `after` to go on.")


@strawberry.type(description="A thing in a list, and its place.")
class Edge(Generic[Node]):
    cursor: str = strawberry.field(description="Opaque; say `after: cursor` to read on from here.")
    node: Node = strawberry.field(description="The thing itself.")


@strawberry.type(description="A page of a list.")
class Connection(Generic[Node]):
    edges: list[Edge[Node]] = strawberry.field(description="The things on this page with their places.")
    nodes: list[Node] = strawberry.field(description="The things on this page.")
    page_info: PageInfo = strawberry.field(description="Where this page lies.")


def page_parts(nodes: list[Any], cursors: list[str], *, has_more: bool, after: str | None) -> dict[str, Any]:
    """The fields of a connection for one page."""
    return {
        "edges": [Edge(cursor=cursor, node=node) for cursor, node in zip(cursors, nodes, strict=True)],
        "nodes": nodes,
        "page_info": PageInfo(
            has_next_page=has_more,
            has_previous_page=after is not None,
            start_cursor=cursors[0] if cursors else None,
            end_cursor=cursors[-1] if cursors else None,
        ),
    }


def numbered_page(kind: str, page: Page[Any], made: Callable[[Any], Any], after: str | None) -> dict[str, Any]:
    """The fields of a connection for a page of what is listed by number; `kind` is that of its cursors."""
    cursors = [encode_cursor(kind, each.id) for each in page.items]
    return page_parts([made(each) for each in page.items], cursors, has_more=page.has_more, after=after)


def numbered_place(kind: str, after: str | None) -> tuple[int] | None:
    """The place that such a cursor holds."""
    place = decode_cursor(kind, after, int)
    return None if place is None else (place[0],)


def checked_first(first: int, most: int = MAX_PAGE) -> int:
    """`first` if a page, or a series of that many at most, may be that long."""
    if not 1 <= first <= most:
        raise ValidationFailed.of("first", f"must be from 1 to {most}")
    return first


def history_query(kind: str, of: int, first: int, after: str | None) -> HistoryQuery:
    """The domain's query for a part of what the thing of that number became; `kind` is that of its cursors."""
    place = decode_cursor(kind, after, int)
    return HistoryQuery(of=of, after=0 if place is None else place[0], first=checked_first(first))


def checked_text(field: str, text: str | None) -> str | None:
    """`text` if there can be anything of that name."""
    if text is not None and (len(text) > MAX_FILTER or not is_storable(text)):
        raise ValidationFailed.of(field, f"must have at most {MAX_FILTER} characters, none of them NUL or a lone surrogate")
    return text


def checked_names(field: str, names: list[str] | None) -> frozenset[str]:
    """`names` if there can be anything of each."""
    for name in names or ():
        checked_text(field, name)
    return frozenset(names or ())


def checked_attempt(number: int | None) -> int | None:
    """`number` if there can be an attempt of that number."""
    if number is not None and not 1 <= number <= MAX_ATTEMPT:
        raise ValidationFailed.of("attempt", f"must be from 1 to {MAX_ATTEMPT}")
    return number


def checked_version(after: int | None) -> int:
    """`after` if there can be a version of that number; 0 for none."""
    if after is not None and after < 0:
        raise ValidationFailed.of("afterVersion", "must be 0 or more")
    return after or 0


def checked_offset(after: int) -> int:
    """`after` if there can be a byte of that number."""
    if after < 0:
        raise ValidationFailed.of("after", "must be 0 or more")
    return after


def second_of(after: datetime | None) -> int | None:
    """The second since 1970 of a time."""
    return None if after is None else int(after.timestamp())


def encode_cursor(kind: str, *place: str | float | datetime) -> str:
    """A cursor of that kind of list."""
    values = [each.isoformat() if isinstance(each, datetime) else each for each in place]
    return base64.urlsafe_b64encode(orjson.dumps([kind, *values])).decode().rstrip("=")


def decode_cursor(kind: str, cursor: str | None, *types: type) -> tuple[Any, ...] | None:
    """The place in a cursor of that kind; ValidationFailed for any other text."""
    if cursor is None:
        return None
    try:
        found, *values = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        place = tuple(
            datetime.fromisoformat(value) if wanted is datetime else value for wanted, value in zip(types, values, strict=True)
        )
        if found != kind or any(type(value) is not wanted for wanted, value in zip(types, place, strict=True)):
            raise ValueError
        if any(isinstance(value, int) and not 0 <= value < 2**31 for value in place):
            raise ValueError
        if any(isinstance(value, str) and not is_storable(value) for value in place):
            raise ValueError
        place = tuple(_in_utc(value) if isinstance(value, datetime) else value for value in place)
    except (ValueError, TypeError, OverflowError):
        raise ValidationFailed.of("after", "is no cursor of this list") from None
    return place


def _in_utc(time: datetime) -> datetime:
    if time.tzinfo is None:
        raise ValueError
    return time.astimezone(UTC)
