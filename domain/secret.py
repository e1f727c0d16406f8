"""Secrets of targets: passwords, tokens and keys that load tests send, known by name and never shown again."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from domain.answer import read_name
from domain.target import MAX_URL, Target, shown_origin
from domain.validation import Problems

MIN_VALUE = 4  # characters: shorter ones could not be kept out of logs without making them unreadable
MAX_VALUE = 8_000  # bytes in UTF-8: an environment holds no more than 128 KiB in one variable
MAX_SECRETS = 100  # of a target
VARIABLE = "PLOG_SECRET_"  # begins the names of the variables in which a load generator gets them


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """What is known of a secret to people; `origin` is the only server that it is sent to (`https://api.example:443`)."""

    target_id: int
    name: str
    origin: str
    key_id: str
    actor: str
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Sealed:
    """An encrypted value, and which of the server's keys it was encrypted with."""

    key_id: str
    ciphertext: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenSecret:
    """A secret as somebody sets it."""

    name: str
    value: str = field(repr=False)
    origin: str


def given_secret(given: Mapping[str, Any], target: Target) -> GivenSecret:
    """The secret that an input document says; it goes to where the target is, unless another server is named."""
    problems = Problems("input.")
    problems.no_others(given, ("name", "value", "server"))
    name = read_name(given, "name", problems)
    value = problems.text(given, "value", most=MAX_VALUE)
    if value and len(value) < MIN_VALUE:
        problems.add("value", f"must have at least {MIN_VALUE} characters")
    elif any((each < " " and each != "\t") or each == "\x7f" for each in value):
        problems.add("value", "must have no line breaks and no other control characters, which no header can carry")
    elif len(value.encode()) > MAX_VALUE:
        problems.add("value", f"is longer than {MAX_VALUE} bytes")
    server = problems.text(given, "server", target.definition.url, most=MAX_URL).strip()
    place = shown_origin(server)
    if not place:
        problems.add("server", "must be an http or https address without a user")
    problems.check()
    return GivenSecret(name=name, value=value, origin=place)


def refusal(secret: Secret | None, origins: Iterable[str]) -> str | None:
    """Why the secret can't be sent to these servers, to go on after its name; None where it can."""
    if secret is None:
        return "does not exist: it was deleted or never set"
    here = shown_origin(secret.origin)  # which was stored when international names were not spelled alike
    elsewhere = sorted(each for each in origins if each != here)
    return f"is for {secret.origin} alone, and would be sent to {elsewhere[0]}" if elsewhere else None


def sealing_context(target_id: int, name: str) -> str:
    """What a sealed value is bound to, so that it can't stand in for another."""
    return f"target {target_id} secret {name}"
