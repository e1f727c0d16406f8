"""What a setting's value has to be: each gives the value as it is used, or `ValueError` with what is wrong about it."""

import re
import shutil
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import SecretStr

from domain.approver import EVERY_KIND
from domain.lot_row import LotIds
from domain.pattern_text import Unmatchable
from domain.permission_kind import PERMISSION_KINDS


def database_url(url: str) -> str:
    """A URL of SQLAlchemy with a driver that PLOG has; or none."""
    if url and not url.startswith(("sqlite+aiosqlite:///", "postgresql+asyncpg://")):
        raise ValueError("must begin with sqlite+aiosqlite:/// or postgresql+asyncpg://")
    return url


def time_of_day(text: str) -> str:
    """Hours and minutes of 24 hours; or none."""
    if text and not re.fullmatch("(?:[01][0-9]|2[0-3]):[0-5][0-9]", text):
        raise ValueError(f"{text!r} is no time of day, as 02:00 is one")
    return text


def time_zone(text: str) -> str:
    """The name of a time zone of IANA."""
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{text!r} is no time zone, as Asia/Seoul is one") from None
    return text


def origin(text: str) -> str:
    """An origin as browsers write it: in lower case, without a path and without the port that goes without saying."""
    parts = urlsplit(text.strip().lower())
    if text == "*":
        return text
    if not parts.scheme or not parts.hostname or parts.path.strip("/") or parts.query or parts.username is not None:
        raise ValueError(f"{text!r} is no web origin, as https://app.example is one")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    port = "" if parts.port in (None, {"http": 80, "https": 443}.get(parts.scheme)) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"


def issuer(url: str) -> str:
    """An issuer as OpenID Connect Discovery has it: an http(s) address, here without a user, query or fragment; or none."""
    parts = urlsplit(url)
    is_address = parts.scheme in ("http", "https") and parts.hostname and parts.username is None
    if url and (not is_address or parts.query or parts.fragment):
        raise ValueError(f"{url!r} is no issuer, as https://sign-in.example is one")
    return url


def scopes(text: str) -> str:
    """Scopes as OAuth writes them (RFC 6749, 3.3), `openid` among them, without which there is no id token."""
    names = text.split()
    if "openid" not in names or not all(name.isascii() and name.isprintable() and not set(name) & set('"\\') for name in names):
        raise ValueError("must be names with spaces between them, and `openid` one of them")
    return " ".join(names)


def service_url(url: str) -> str:
    """An address of http or https without a slash at its end; or none."""
    if url and not (url.startswith(("http://", "https://")) and urlsplit(url).hostname):
        raise ValueError("must begin with http:// or https:// and name a host")
    return url.rstrip("/")


def chat_url(url: str) -> str:
    """An address to which a path can be added, and in which nothing is secret, as it may be logged."""
    parts = urlsplit(service_url(url))
    if parts.username is not None or parts.query or parts.fragment or parts.port == 0 or not url.isprintable() or " " in url:
        raise ValueError("must be an address with a valid port, and without a user, a query or a fragment")
    return url


def model_name(name: str) -> str:
    """What stands in a line of a report or a log."""
    if not name.isprintable():
        raise ValueError("must be printable characters")
    return name


def api_key(key: SecretStr) -> SecretStr:
    """What a header can carry."""
    text = key.get_secret_value()
    if not (text.isascii() and text.isprintable()) or " " in text:
        raise ValueError("must be printable ASCII characters without a space")
    return key


def places(functions: dict[str, str]) -> dict[str, str]:
    """Names of functions with the places where Python finds them."""
    for name, place in functions.items():
        module, colon, function = place.partition(":")
        if not colon or not all(part.isidentifier() for part in (*module.split("."), *function.split("."))):
            raise ValueError(f"{name!r} must be a place like module:function, not {place!r}")
    return functions


def program(name: str) -> str:
    """The absolute path of a program; or none."""
    if not name:
        return name
    path = shutil.which(name)
    if path is None:
        raise ValueError(f"{name!r} is no program that can be started here")
    return str(Path(path).absolute())


def permission_kinds(deciding: dict[str, list[str]]) -> dict[str, list[str]]:
    """Names by the permissions on which they decide."""
    for kind in deciding:
        if kind not in PERMISSION_KINDS and kind != EVERY_KIND:
            raise ValueError(f"{kind!r} is no permission; there are {', '.join(PERMISSION_KINDS)}, and {EVERY_KIND} for all")
    return deciding


def lot_id_pattern(pattern: str) -> str:
    """A regular expression that ids of lots can be held against."""
    try:
        LotIds(pattern)
    except Unmatchable as error:
        raise ValueError(f"{pattern!r} is no pattern that lot ids can be held against: {error}") from None
    return pattern
