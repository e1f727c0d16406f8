"""A PLOG with an issuer at which browsers sign in: the embedded one, or a certified one with either kind of client."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from persistence import tables
from persistence.unit_of_work import UnitOfWork
from tests.adapters.oidc_provider.issuer import IssuerProcess, certified_issuer
from tests.api.browser import CALLBACK
from tests.api.in_process import Plog, serving

CLIENT_SECRET = "a-secret:of+the%tests?"
ADA = {
    "embedded": {"subject": "demo:ada", "name": "Ada (sets up logic models)", "groups": ["logic-engineers"]},
    "confidential": {"subject": "ada", "name": "Ada of the directory", "groups": ["logic-engineers", "robots"]},
}
ADA["public"] = ADA["confidential"]
EVERY_CLIENT = pytest.mark.parametrize("house", list(ADA), indirect=True)


@dataclass(frozen=True, slots=True)
class House:
    """A PLOG, who `ada` is at its issuer, and the process of that one where it is not the embedded one."""

    plog: Plog
    ada: dict[str, Any]
    token_endpoint: str
    process: IssuerProcess | None = None

    async def sessions(self) -> list[Any]:
        """All sessions that there are, the oldest first."""
        async with self.plog.container.services.database.snapshot() as work:
            assert isinstance(work, UnitOfWork)
            return list(await work.connection.execute(select(tables.session).order_by(tables.session.c.created_at)))


@pytest.fixture(params=["embedded", "confidential"])
async def house(request: pytest.FixtureRequest, plog_settings: dict[str, Any], tmp_path: Path) -> AsyncIterator[House]:
    """With each kind of issuer, and each kind of client where the test is marked with `EVERY_CLIENT`.

    On SQLite; on PostgreSQL as well where it is marked with `BOTH_DATABASES`. The confidential client gets groups from the
    userinfo endpoint, the public one in its id tokens.
    """
    kind = str(request.param)
    async with AsyncExitStack() as stack:
        if kind == "embedded":
            plog = await stack.enter_async_context(serving(tmp_path / "plog", plog_settings))
            yield House(plog, ADA[kind], f"{plog.url}/auth/issuer/token")
            return
        secret = CLIENT_SECRET if kind == "confidential" else ""
        process = request.getfixturevalue("issuer_process")
        made = certified_house(process, tmp_path / "plog", secret, plog_settings, tells_all=kind == "public")
        yield await stack.enter_async_context(made)


@asynccontextmanager
async def certified_house(
    process: IssuerProcess, home: Path, secret: str, settings: Mapping[str, Any] | None = None, *, tells_all: bool, **oidc: str
) -> AsyncIterator[House]:
    """With the certified issuer, and a client that it knows, which is public without a secret."""
    async with httpx.AsyncClient(trust_env=False) as client:
        issuer = certified_issuer(process, client)
        known_as = {"client_id": "a client", "client_secret": secret, "scopes": "openid profile groups"}
        given = {"issuer": issuer.name, "audience": issuer.audience, **known_as, **oidc}
        async with serving(home, {**(settings or {}), "oidc": given}) as plog:
            known = {
                "client_id": given["client_id"],
                **({"client_secret": secret} if secret else {"token_endpoint_auth_method": "none"}),
                "redirect_uris": [plog.url + CALLBACK],
                "post_logout_redirect_uris": [f"{plog.url}/auth/signed-out"],
            }
            assert issuer.know is not None
            await issuer.know(known, tells_all)
            yield House(plog, ADA["confidential" if secret else "public"], f"{issuer.name}/token", process)
