"""What an OpenID Connect issuer says of itself (OpenID Connect Discovery 1.0, section 4), and JSON from its addresses."""

from collections.abc import Mapping
from typing import Any

import httpx

from domain.errors import Unavailable


async def read_discovery(client: httpx.AsyncClient, issuer: str) -> Mapping[str, Any]:
    """The issuer's discovery document; `Unavailable` where there is none, or it is another issuer's."""
    document = await read_json(client, issuer.rstrip("/") + "/.well-known/openid-configuration")
    named = document.get("issuer")
    if named != issuer:
        raise Unavailable(f"The sign-in service at {issuer} says that its issuer is {str(named)[:200]!r}; both must be the same.")
    return document


async def read_json(client: httpx.AsyncClient, address: str, headers: Mapping[str, str] | None = None) -> Mapping[str, Any]:
    """The JSON object at an address; `Unavailable` where there is none. `client` brings the time limits."""
    try:
        response = await client.get(address, headers={"Accept": "application/json", **(headers or {})})
        response.raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Unavailable("The sign-in service does not answer.") from error
    return json_object(response)


def json_object(response: httpx.Response) -> Mapping[str, Any]:
    """The JSON object that a response brings; `Unavailable` where it brings something else."""
    try:
        document = response.json()
    except (ValueError, RecursionError) as error:
        raise Unavailable("The sign-in service's answer is not JSON.") from error
    if not isinstance(document, dict):
        raise Unavailable("The sign-in service's answer is not a JSON object.")
    return document


def endpoint(document: Mapping[str, Any], name: str) -> str:
    """An address that the issuer names; `Unavailable` where it names none, or one that is less safe than its own."""
    address = document.get(name)
    is_safe = isinstance(address, str) and address.startswith(("https:", "http:"))
    if not is_safe or (str(document.get("issuer")).startswith("https:") and not str(address).startswith("https:")):
        raise Unavailable(f"The sign-in service names no usable `{name}`.")
    return str(address)
