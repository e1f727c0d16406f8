"""A certified OpenID Connect issuer (npm's oidc-provider) as a process of its own, and the shape of an issuer under test."""

import asyncio
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from adapters.identity.jwks import DiscoveredKeys, JwksCache, JwksSource
from adapters.identity.verifier import OidcVerifier
from tests.services import missing, require_program

PROVIDER = Path(__file__).parent


@dataclass(frozen=True)
class Issuer:
    """An issuer under test: who it is, its keys, ways to get a token and to make it change its keys.

    Where browsers can sign in at it, `know` tells it of a client of theirs, and whether id tokens are to tell all there is.
    """

    name: str
    audience: str
    source: JwksSource
    token: Callable[[str], Awaitable[str]]
    rotate: Callable[[], Awaitable[None]]
    algorithms: tuple[str, ...]
    know: Callable[[Mapping[str, Any], bool], Awaitable[None]] | None = None

    def verifier(self, *, after: timedelta = timedelta(0), issuer: str = "", audience: str = "") -> OidcVerifier:
        cache = JwksCache(self.source, retry_interval=timedelta(0))
        return OidcVerifier(issuer or self.name, audience or self.audience, cache, now=lambda: datetime.now(UTC) + after)


def installed_provider() -> Path:
    """The folder with the installed npm packages, made once for each content of the lock file."""
    require_program("node")
    npm = require_program("npm")
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "plog"
    lock = (PROVIDER / "package-lock.json").read_bytes()
    folder = cache / f"oidc-provider-{hashlib.sha256(lock).hexdigest()[:16]}"
    if not folder.exists():
        cache.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=cache))
        for name in ("package.json", "package-lock.json"):
            shutil.copy(PROVIDER / name, draft)
        result = subprocess.run([npm, "ci", "--no-audit", "--no-fund"], cwd=draft, capture_output=True, text=True, timeout=100)
        if result.returncode:
            shutil.rmtree(draft)
            missing(f"npm's oidc-provider ({result.stderr.strip()[-200:]})")
        try:
            draft.rename(folder)
        except OSError:
            shutil.rmtree(draft)
    return folder


class IssuerProcess:
    """npm's oidc-provider, which obeys one order a line; each client that it is told of takes the place of the one before."""

    def __init__(self, folder: Path) -> None:
        (folder / "node_modules").symlink_to(installed_provider() / "node_modules")
        shutil.copy(PROVIDER / "server.mjs", folder)
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            ["node", "server.mjs"], cwd=folder, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True
        )
        self.address = self._line()

    def obey(self, order: str) -> None:
        """Give it an order, and wait until that is done."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{order}\n")
        self._process.stdin.flush()
        while self._line() != "done":
            assert self._process.poll() is None

    def end(self) -> None:
        """Let it end, as it does with its standard input."""
        self._process.communicate(timeout=10)

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


def certified_issuer(process: IssuerProcess, client: httpx.AsyncClient) -> Issuer:
    """The issuer that runs in the process, reached by that client."""

    async def token(algorithm: str) -> str:
        form = {"grant_type": "client_credentials", "client_id": "service", "client_secret": "service-secret", "scope": "use"}
        response = await client.post(f"{process.address}/token", data={**form, "resource": f"https://plog.test/{algorithm}"})
        response.raise_for_status()
        return str(response.json()["access_token"])

    async def rotate() -> None:
        await asyncio.to_thread(process.obey, "rotate")

    async def know(client: Mapping[str, Any], tells_all: bool) -> None:
        await asyncio.to_thread(process.obey, "client " + json.dumps({"client": client, "tellsAll": tells_all}))

    source = DiscoveredKeys(client, process.address)
    algorithms = ("RS256", "PS256", "ES256", "EdDSA")
    return Issuer(process.address, "https://plog.test", source, token, rotate, algorithms, know)
