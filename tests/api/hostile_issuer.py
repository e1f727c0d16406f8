"""An issuer that answers with whatever a test wants, behind a real server: what no honest one would ever send."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from time import time
from typing import Any
from urllib.parse import parse_qs

import httpx
import uvicorn
from joserfc.jwk import ECKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from app.server import bind
from app.settings import Settings
from tests.adapters.forging import forge
from tests.api.in_process import HOST
from tests.waiting import eventually

CLIENT = "plog"
SECRET = "a-secret:of-the%tests"


@dataclass
class HostileIssuer:
    """Its people sign in without being asked. `make_token` makes the id token of good claims, and may make another of them.

    `changes` are to its discovery document; `answer` is what the token endpoint says in the place of tokens. What it was asked is
    in `discoveries`, in `key_reads`, and in `forms` with the authorization of each.
    """

    url: str = ""
    key: ECKey = field(default_factory=lambda: ECKey.generate_key("P-256", {"kid": "k"}))
    make_token: "Callable[[HostileIssuer, dict[str, Any]], str | None]" = lambda issuer, claims: issuer.sign(claims)
    claims: dict[str, Any] = field(default_factory=lambda: {"groups": ["a"]})
    changes: dict[str, Any] = field(default_factory=dict)
    answer: Response | None = None
    person: Response | None = None
    nonce: str = ""
    discoveries: int = 0
    key_reads: int = 0
    forms: list[tuple[dict[str, str], str | None]] = field(default_factory=list)

    def sign(self, claims: dict[str, Any], **header: Any) -> str:
        """A token with these claims, rightly signed."""
        return forge({"alg": "ES256", "kid": "k", "typ": "JWT", **header}, claims, self.key)

    @property
    def routes(self) -> list[Route]:
        """All its addresses."""
        return [
            Route("/.well-known/openid-configuration", self._discovery),
            Route("/authorize", self._authorize),
            Route("/token", self._token, methods=["POST"]),
            Route("/userinfo", self._userinfo),
            Route("/keys", self._keys),
        ]

    async def _discovery(self, _: Request) -> Response:
        self.discoveries += 1
        document = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize?tenant=1",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
        }
        return JSONResponse({name: value for name, value in {**document, **self.changes}.items() if value is not None})

    async def _keys(self, _: Request) -> Response:
        self.key_reads += 1
        return JSONResponse({"keys": [self.key.as_dict(private=False)]})

    async def _authorize(self, request: Request) -> Response:
        query = request.query_params
        assert query["tenant"] == "1"
        self.nonce = query["nonce"]
        return RedirectResponse(str(httpx.URL(query["redirect_uri"], params={"code": "c0de", "state": query["state"]})))

    async def _token(self, request: Request) -> Response:
        form = {name: value for name, (value,) in parse_qs((await request.body()).decode()).items()}
        self.forms.append((form, request.headers.get("authorization")))
        if self.answer is not None:
            return self.answer
        now = int(time())
        claims = {"iss": self.url, "aud": CLIENT, "sub": "ada", "exp": now + 60, "iat": now, "nonce": self.nonce, **self.claims}
        return JSONResponse({"access_token": "acce55", "token_type": "Bearer", "id_token": self.make_token(self, claims)})

    async def _userinfo(self, request: Request) -> Response:
        assert request.headers["authorization"] == "Bearer acce55"
        return self.person or JSONResponse({"sub": "ada", "name": "Ada", "groups": ["b"], "iss": "x"})

    def public_keys(self) -> list[bytes]:
        """What an attacker might take for the shared secret of HS256."""
        native: Any = self.key
        return [native.as_pem(private=False), json.dumps(self.key.as_dict(private=False)).encode()]


class _Quiet(uvicorn.Server):
    """A server that leaves the signals to pytest."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def hostile_issuer() -> AsyncIterator[HostileIssuer]:
    """Serve one until the block ends."""
    issuer = HostileIssuer()
    with bind(Settings(host=HOST, port=0)) as listening:
        issuer.url = f"http://{HOST}:{listening.getsockname()[1]}"
        config = uvicorn.Config(Starlette(routes=issuer.routes), log_config=None, lifespan="off")
        server = _Quiet(config)
        serving = asyncio.create_task(server.serve([listening]))
        try:
            await eventually(lambda: server.started)
            yield issuer
        finally:
            server.should_exit = True
            await serving
