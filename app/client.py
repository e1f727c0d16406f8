"""A small GraphQL client for the commands: they talk to a server as any other client does."""

import hashlib
from collections.abc import AsyncGenerator, Mapping
from typing import Any

import httpx
import orjson

from app.tls import trusted

ANSWER = httpx.Timeout(30, read=660)  # looking for a document takes up to ten minutes, where the server's settings allow it


class ServerRefused(Exception):
    """The server answered with an error, or not at all; the message is for the person at the terminal."""


class NoAnswer(ServerRefused):
    """The server can't be reached now, broke off or can't work; trying again may help."""


class Client:
    """Operations on one server in one person's name."""

    def __init__(self, url: str, token: str) -> None:
        self._url = f"{url}/graphql"
        self._headers = {"Authorization": f"Bearer {token}"}

    async def run(self, query: str, **variables: Any) -> dict[str, Any]:
        """The data of a query or mutation."""
        try:
            async with httpx.AsyncClient(timeout=ANSWER, headers=self._headers, verify=trusted()) as client:
                response = await client.post(self._url, json={"query": query, "variables": variables})
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NoAnswer(f"No PLOG server answers at {self._url} ({str(error) or type(error).__name__}).") from None
        return _data(self._answer(response))

    async def command(self, mutation: str, query: str, **variables: Any) -> dict[str, Any]:
        """The payload of a mutation; a typed error is raised with its message."""
        payload: dict[str, Any] = (await self.run(query, **variables))[mutation]
        if "code" in payload:
            raise ServerRefused(payload["message"])
        return payload

    async def download(self, url: str, sha256: str) -> bytes:
        """What a link of the server leads to, checked by its checksum."""
        try:
            async with httpx.AsyncClient(timeout=30, verify=trusted()) as client:
                response = await client.get(url)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NoAnswer(f"Nothing answers at the server's link {url} ({str(error) or type(error).__name__}).") from None
        if response.status_code != 200 or hashlib.sha256(response.content).hexdigest() != sha256:
            raise ServerRefused(f"The server's link {url} does not lead to the file (status {response.status_code}).")
        return response.content

    async def stream(self, query: str, **variables: Any) -> AsyncGenerator[dict[str, Any], None]:
        """The frames of a subscription, over server-sent events; `NoAnswer` where the stream breaks off."""
        headers = {**self._headers, "Accept": "text/event-stream"}
        timeout = httpx.Timeout(30, read=60)
        try:
            async with (
                httpx.AsyncClient(timeout=timeout, headers=headers, verify=trusted()) as client,
                client.stream("POST", self._url, json={"query": query, "variables": variables}) as response,
            ):
                if not response.headers.get("content-type", "").startswith("text/event-stream"):
                    await response.aread()
                    yield _data(self._answer(response))
                    return
                async for line in response.aiter_lines():
                    if line.startswith("data:") and line[5:].strip():
                        yield _data(orjson.loads(line[5:]))
        except httpx.HTTPError as error:
            raise NoAnswer(f"The stream from {self._url} broke off ({str(error) or type(error).__name__}).") from None

    def _answer(self, response: httpx.Response) -> Mapping[str, Any]:
        """The answer in a response; a proxy's page in its place counts as none."""
        try:
            answer = response.json()
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise NoAnswer(f"No PLOG server answers at {self._url} (status {response.status_code}).")
        return answer


def _data(answer: Mapping[str, Any]) -> dict[str, Any]:
    if errors := answer.get("errors"):
        is_passing = any(error.get("extensions", {}).get("code") == "UNAVAILABLE" for error in errors)
        raise (NoAnswer if is_passing else ServerRefused)("; ".join(error["message"] for error in errors))
    data: dict[str, Any] = answer["data"]
    return data
