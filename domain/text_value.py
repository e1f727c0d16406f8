"""Numbers and times as people and programs write them, in a cell of a file or in an input: one reading for all ways in."""

import re
from datetime import UTC, datetime

NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
NO_MOMENT = (
    "must be a date and time with an offset, as in 2026-01-31T12:00:00+09:00 or 2026-01-31T03:00:00.125Z, "
    "with at most six digits of a second and in the years 1 to 9999 of UTC"
)
_INTEGER = re.compile("[+-]?[0-9]{1,1000}")
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?"
    r"(?:Z|[+-](?:[01][0-9]|2[0-3]):?[0-5][0-9])"  # which Python takes as it is, also +09:99
)


def read_number(value: object) -> object:
    """The number that a text stands for, as the nearest double where it is no whole one; None for a blank text.

    Whatever else it is stays as it is.
    """
    if not isinstance(value, str):
        return value
    if _INTEGER.fullmatch(value):
        return int(value)
    return float(value) if NUMBER.fullmatch(value) else value if value.strip() else None


def read_moment(value: object) -> datetime | None:
    """The moment, in UTC, that a text stands for; None where it stands for none that can be kept as given.

    It has to have an offset, at most six digits of a second, and to lie in the years 1 to 9999 of UTC.
    """
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        return None
    try:
        return datetime.fromisoformat(value).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
