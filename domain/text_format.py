"""Texts of the formats that JSON Schema and OpenAPI name; none leads to anybody (RFC 2606, RFC 5737, RFC 3849)."""

import base64
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from random import Random
from uuid import UUID

START = datetime(2026, 1, 1, tzinfo=UTC)
WORDS = ("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "haven", "inlet", "jade", "kelp", "lotus")


def _moment(random: Random) -> datetime:
    return START + timedelta(seconds=random.randrange(365 * 86_400))


FORMATS: Mapping[str, Callable[[Random], str]] = {
    "date-time": lambda random: _moment(random).isoformat().replace("+00:00", "Z"),
    "date": lambda random: _moment(random).date().isoformat(),
    "time": lambda random: f"{_moment(random).time().isoformat()}Z",
    "duration": lambda random: f"PT{random.randint(1, 59)}M",
    "email": lambda random: f"{random.choice(WORDS)}@example.com",
    "idn-email": lambda random: f"{random.choice(WORDS)}@example.com",
    "hostname": lambda random: f"{random.choice(WORDS)}.example.com",
    "idn-hostname": lambda random: f"{random.choice(WORDS)}.example.com",
    "ipv4": lambda random: f"192.0.2.{random.randint(1, 254)}",  # RFC 5737, for documentation
    "ipv6": lambda random: f"2001:db8::{random.randint(1, 0xFFFF):x}",  # RFC 3849
    "uri": lambda random: f"https://example.com/{random.choice(WORDS)}",
    "url": lambda random: f"https://example.com/{random.choice(WORDS)}",
    "iri": lambda random: f"https://example.com/{random.choice(WORDS)}",
    "uri-reference": lambda random: f"/{random.choice(WORDS)}",
    "uuid": lambda random: str(UUID(int=random.getrandbits(128), version=4)),
    "byte": lambda random: base64.b64encode(random.choice(WORDS).encode()).decode(),
    "json-pointer": lambda random: f"/{random.choice(WORDS)}",
    "regex": lambda random: f"^{random.choice(WORDS)}$",
}
