"""A person's browser: it keeps cookies as browsers do, goes where it is led, and says at the issuer who it wants to be."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

SESSION = "plog_session"
SIGN_IN = "/auth/sign-in"
CALLBACK = "/auth/callback"
VIEWER = "{ viewer { subject name groups } }"


@dataclass(frozen=True, slots=True)
class Browser:
    """`home` is PLOG's address. Cookies are kept by host, whatever the port, as all browsers do."""

    home: str
    http: httpx.AsyncClient

    async def get(self, address: str) -> httpx.Response:
        """Visit an address of PLOG, or any other, and stay there."""
        return await self.http.get(httpx.URL(self.home).join(address))

    async def begin(self, next_path: str = "/graphql") -> str:
        """Begin to sign in; the issuer's address that the browser is led to."""
        response = await self.http.get(self.home + SIGN_IN, params={"next": next_path})
        assert response.status_code == 303, response.text
        return response.headers["location"]

    async def authorized(self, address: str, username: str = "ada") -> str:
        """Say at the issuer's address who one is; PLOG's address that the issuer leads to, which is not yet visited."""
        for _ in range(10):
            if urlsplit(address).path == CALLBACK:
                return address
            response = await self.http.get(address)
            if response.status_code == 200:
                response = await self.http.post(address, data={"username": username})
            assert response.is_redirect, (response.status_code, response.text)
            address = str(httpx.URL(address).join(response.headers["location"]))
        raise AssertionError("the issuer leads nowhere")

    async def sign_in(self, username: str = "ada", next_path: str = "/graphql") -> httpx.Response:
        """Sign in; PLOG's response to what the issuer answered."""
        return await self.get(await self.authorized(await self.begin(next_path), username))

    async def sign_out(self, **headers: str) -> httpx.Response:
        """Sign out by a button on a page of PLOG."""
        return await self.http.post(f"{self.home}/auth/sign-out", headers={"origin": self.home, **headers})

    async def post(self, query: str = VIEWER, headers: Mapping[str, str] | None = None) -> httpx.Response:
        """An operation, sent by a page of PLOG unless `headers` say otherwise."""
        given = {"origin": self.home} if headers is None else headers
        return await self.http.post(f"{self.home}/graphql", json={"query": query}, headers=given)

    async def viewer(self) -> Any:
        """Who PLOG takes one for; None for nobody."""
        response = await self.post()
        return response.json()["data"]["viewer"] if response.status_code == 200 else None

    @property
    def session(self) -> str | None:
        """The token in the session's cookie."""
        return self.http.cookies.get(SESSION)


@asynccontextmanager
async def browser(home: str) -> AsyncIterator[Browser]:
    """A browser that has never been anywhere."""
    async with httpx.AsyncClient(timeout=30, trust_env=False) as http:
        yield Browser(home, http)


def query_of(address: str) -> dict[str, str]:
    """What stands in the query of an address, each name once."""
    return {name: value for name, (value,) in parse_qs(urlsplit(address).query, strict_parsing=True).items()}


def changed(address: str, **values: str | None) -> str:
    """The address with other values in its query; without those that are None."""
    query = {name: value for name, value in {**query_of(address), **values}.items() if value is not None}
    return str(httpx.URL(address).copy_with(params=query))
