"""Times as clients send them: with an offset, so that nobody has to guess whose clock was meant."""

from datetime import UTC, datetime

import strawberry
from strawberry.types.scalar import ScalarDefinition


def _parse(value: object) -> datetime:
    """The time in UTC; ValueError for a text without an offset or outside the years 1 to 9999."""
    if not isinstance(value, str):
        raise ValueError("A time is a text.")
    try:
        time = datetime.fromisoformat(value)
        if time.tzinfo is None:
            raise ValueError("a time needs an offset, as in 2026-01-31T12:00:00Z")
        return time.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{value[:40]!r} is no time: {error}.") from None


DATE_TIME: ScalarDefinition = strawberry.scalar(
    name="DateTime",
    description="Date and time with an offset (ISO 8601), as in `2026-01-31T12:00:00Z`.",
    serialize=datetime.isoformat,
    parse_value=_parse,
)
