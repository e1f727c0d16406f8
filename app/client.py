"""A small GraphQL client for the commands: they talk to a server as any other client does."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import orjson


class ServerRefused(Exception):
    """The server answered with an error, or not at all; the message is for the person at the terminal."""


class Client:
    """Operations on one server in one person's name."""

    def __init__(self, url: str, token: str) -> None:
        self._url = f"{url}/graphql"
        self._headers = {"Authorization": f"Bearer {token}"}

    async def run(self, query: str, **variables: Any) -> dict[str, Any]:
        """The data of a query or mutation."""
        try:
            async with httpx.AsyncClient(timeout=30, headers=self._headers) as client:
                response = await client.post(self._url, json={"query": query, "variables": variables})
                answer = response.json()
        except (httpx.HTTPError, ValueError) as error:
            raise ServerRefused(f"No PLOG server answers at {self._url} ({error}).") from None
        return _data(answer)

    async def command(self, mutation: str, query: str, **variables: Any) -> dict[str, Any]:
        """The payload of a mutation; a typed error is raised with its message."""
        payload: dict[str, Any] = (await self.run(query, **variables))[mutation]
        if "code" in payload:
            raise ServerRefused(payload["message"])
        return payload

    async def stream(self, query: str, **variables: Any) -> AsyncIterator[dict[str, Any]]:
        """The frames of a subscription, over server-sent events."""
        headers = {**self._headers, "Accept": "text/event-stream"}
        timeout = httpx.Timeout(30, read=60)
        try:
            async with (
                httpx.AsyncClient(timeout=timeout, headers=headers) as client,
                client.stream("POST", self._url, json={"query": query, "variables": variables}) as response,
            ):
                async for answer in _events(response):
                    yield _data(answer)
        except httpx.HTTPError as error:
            raise ServerRefused(f"The stream from {self._url} broke off ({error or type(error).__name__}).") from None


async def _events(response: httpx.Response) -> AsyncIterator[Mapping[str, Any]]:
    if not response.headers.get("content-type", "").startswith("text/event-stream"):
        yield orjson.loads(await response.aread())
        return
    async for line in response.aiter_lines():
        if line.startswith("data:") and line[5:].strip():
            yield orjson.loads(line[5:])


def _data(answer: Mapping[str, Any]) -> dict[str, Any]:
    if answer.get("errors"):
        raise ServerRefused("; ".join(error["message"] for error in answer["errors"]))
    data: dict[str, Any] = answer["data"]
    return data
