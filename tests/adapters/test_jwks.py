"""The keys of an issuer: fetched seldom, found when they are new, kept while the issuer is away."""

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from joserfc.jwk import ECKey, OctKey, RSAKey

from adapters.identity.jwks import DiscoveredKeys, JwksCache, usable_keys
from domain.errors import Unavailable

KEY = ECKey.generate_key("P-256", {"kid": "k"})


class Source:
    """Keys that can change, fail and be counted, and a clock that stands still until moved."""

    def __init__(self, *key_ids: str) -> None:
        self.key_ids = key_ids
        self.calls = 0
        self.is_down = False
        self.time = 0.0
        self.cache = JwksCache(self, clock=lambda: self.time)

    async def __call__(self) -> Mapping[str, Any]:
        self.calls += 1
        await asyncio.sleep(0)
        if self.is_down:
            raise Unavailable("down")
        return {"keys": [{**KEY.as_dict(private=False), "kid": key_id} for key_id in self.key_ids]}

    async def find(self, key_id: str) -> bool:
        return bool(await self.cache.find(key_id, "ES256"))


async def test_keys_are_fetched_once_for_many_at_the_same_time() -> None:
    source = Source("a")
    assert all(await asyncio.gather(*(source.find("a") for _ in range(50))))
    assert source.calls == 1


async def test_an_unknown_key_is_looked_for_once_per_interval() -> None:
    source = Source("a")
    await source.find("a")
    source.key_ids = ("a", "b")
    source.time = 4.9
    assert not await source.find("b")
    source.time = 5
    assert await source.find("b")
    source.time = 10
    assert not any(await asyncio.gather(*(source.find(f"made-up-{number}") for number in range(50))))
    assert source.calls == 3


async def test_keys_stay_in_use_while_the_issuer_is_down_but_not_for_ever() -> None:
    source = Source("a")
    await source.find("a")
    source.is_down = True
    source.time = 86_000
    assert await source.find("a")
    assert await source.find("a")
    assert source.calls == 2, "an issuer that is down is asked once per interval"
    source.time = 86_401
    with pytest.raises(Unavailable):
        await source.find("a")
    source.is_down, source.time = False, 86_410
    assert await source.find("a")


async def test_without_any_keys_the_issuer_is_unavailable_and_asked_again() -> None:
    source = Source("a")
    source.is_down = True
    for _ in range(3):
        with pytest.raises(Unavailable):
            await source.find("a")
    assert source.calls == 1
    source.is_down, source.time = False, 5
    assert await source.find("a")


async def test_removed_keys_are_gone_when_the_keys_are_old() -> None:
    source = Source("a")
    await source.find("a")
    source.key_ids = ("b",)
    source.time = 601
    assert not await source.find("a")


@pytest.mark.filterwarnings("ignore:Key size should be")
def test_keys_that_are_of_no_use_are_left_out() -> None:
    good = KEY.as_dict(private=False)
    others: list[Any] = [
        {**good, "use": "enc"},
        {**good, "x": "AA"},
        {"kty": "EC"},
        {"kty": "new"},
        {},
        5,
        OctKey.generate_key(256).as_dict(),
        RSAKey.generate_key(1024, auto_kid=True).as_dict(private=False),
    ]
    assert [key.kid for key in usable_keys({"keys": [*others, good]})] == ["k"]
    assert list(usable_keys({"keys": 5})) == list(usable_keys({})) == []


DISCOVERY = {"issuer": "https://i.example/", "jwks_uri": "https://i.example/keys"}


@pytest.mark.parametrize(
    ("discovery", "keys"),
    [
        ((200, {**DISCOVERY, "issuer": "https://i.example"}), (200, {})),
        ((200, {"issuer": "https://i.example/"}), (200, {})),
        ((200, {**DISCOVERY, "jwks_uri": "http://i.example/keys"}), (200, {})),
        ((200, {**DISCOVERY, "jwks_uri": "https://[::/"}), (200, {})),
        ((200, []), (200, {})),
        ((200, DISCOVERY), (200, [])),
        ((200, DISCOVERY), (500, {})),
        ((302, DISCOVERY), (200, {})),
        ((404, {}), (200, {})),
    ],
)
async def test_an_issuer_that_answers_badly_is_unavailable(discovery: tuple[int, Any], keys: tuple[int, Any]) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        status, body = discovery if request.url.path == "/.well-known/openid-configuration" else keys
        return httpx.Response(status, json=body)

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
        with pytest.raises(Unavailable):
            await DiscoveredKeys(client, "https://i.example/")()
