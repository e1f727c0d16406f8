"""A certified OpenID Connect issuer (npm's oidc-provider) as a process of its own, and the shape of an issuer under test."""

import asyncio
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from adapters.identity.jwks import DiscoveredKeys, JwksCache, JwksSource
from adapters.identity.verifier import OidcVerifier
from tests.services import missing, require_program

PROVIDER = Path(__file__).parent
PATIENCE = 60  # a busy machine takes long to make keys


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


async def certified_issuer(folder: Path, client: httpx.AsyncClient) -> AsyncGenerator[Issuer, None]:
    (folder / "node_modules").symlink_to(installed_provider() / "node_modules")
    shutil.copy(PROVIDER / "server.mjs", folder)
    process = await asyncio.create_subprocess_exec(
        "node", "server.mjs", cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdin is not None
    assert process.stdout is not None
    lines, orders = process.stdout, process.stdin

    async def token(algorithm: str) -> str:
        form = {"grant_type": "client_credentials", "client_id": "service", "client_secret": "service-secret", "scope": "use"}
        response = await client.post(f"{address}/token", data={**form, "resource": f"https://plog.test/{algorithm}"})
        response.raise_for_status()
        return str(response.json()["access_token"])

    async def obey(order: str) -> None:
        orders.write(f"{order}\n".encode())
        while await asyncio.wait_for(lines.readline(), PATIENCE) != b"done\n":
            assert process.returncode is None

    async def rotate() -> None:
        await obey("rotate")

    async def know(client: Mapping[str, Any], tells_all: bool) -> None:
        await obey("client " + json.dumps({"client": client, "tellsAll": tells_all}))

    try:
        address = (await asyncio.wait_for(lines.readline(), PATIENCE)).decode().strip()
        source = DiscoveredKeys(client, address)
        yield Issuer(address, "https://plog.test", source, token, rotate, ("RS256", "PS256", "ES256", "EdDSA"), know)
    finally:
        orders.close()
        await asyncio.wait_for(process.wait(), 10)
