"""Times as clients send them: with an offset, so that nobody has to guess whose clock was meant."""

from datetime import datetime

import strawberry
from strawberry.types.scalar import ScalarDefinition

from domain.text_value import NO_MOMENT, read_moment


def _parse(value: object) -> datetime:
    """The time in UTC; ValueError for what stands for none."""
    moment = read_moment(value)
    if moment is None:
        raise ValueError(f"{str(value)[:40]!r} {NO_MOMENT}.")
    return moment


DATE_TIME: ScalarDefinition = strawberry.scalar(
    name="DateTime",
    description=(
        "Date and time of day with an offset from UTC (RFC 3339, the seconds may be left out), as in `2026-01-31T12:00:00Z` or "
        "`2026-01-31T21:00:00.125+09:00`: at most six digits of a second, in the years 1 to 9999 of UTC."
    ),
    serialize=datetime.isoformat,
    parse_value=_parse,
)
