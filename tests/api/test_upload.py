"""Who may upload files, how much in a day, and by what sign-in."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from resolvers import upload as uploads
from tests.api.browser import browser
from tests.api.in_process import BOTH_DATABASES, Plog
from tests.api.permissions import granted, revoke
from tests.api.test_session_cookie import ALLOWED, FOREIGN
from tests.waiting import eventually

pytestmark = BOTH_DATABASES
QUOTA = 1000


@pytest.fixture
def plog_settings(plog_settings: dict[str, Any]) -> dict[str, Any]:
    """A thousand bytes a day, and one other origin."""
    return {**plog_settings, "artifacts": {"daily_upload_mb": QUOTA / 1e6}, "server": {"origins": [ALLOWED]}}


def file(size: int, letter: str = "a") -> bytes:
    return letter.encode() * size


def address(content: bytes) -> str:
    return f"/uploads/{hashlib.sha256(content).hexdigest()}?size={len(content)}"


async def put(plog: Plog, content: bytes, user: str = "ada", sent: Any = None, offset: int = 0) -> httpx.Response:
    headers = {**plog.signed_in(user), "upload-offset": str(offset)}
    return await plog.http.put(address(content), content=content[offset:] if sent is None else sent, headers=headers)


async def held(plog: Plog, content: bytes, user: str = "ada") -> int:
    return int((await plog.http.head(address(content), headers=plog.signed_in(user))).headers["upload-offset"])


def answer(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


async def test_it_takes_a_permission_in_some_product_line(plog: Plog) -> None:
    content = file(10)
    refused = await put(plog, content, "dana")
    assert answer(refused) == (403, "PERMISSION_DENIED") and "“DRAM general”" in refused.json()["message"]
    assert (await plog.http.head(address(content), headers=plog.signed_in("dana"))).status_code == 403
    grant = await granted(plog, "DRAM_GENERAL")
    assert (await put(plog, content, "dana")).status_code == 204 and await held(plog, content, "dana") == 10
    await revoke(plog, grant)
    assert answer(await put(plog, file(11), "dana")) == (403, "PERMISSION_DENIED")


async def test_a_person_uploads_so_much_a_day(plog: Plog, monkeypatch: pytest.MonkeyPatch) -> None:
    """Finished or not; what is there already can be sent again, and another person has a day of their own."""
    first, second, third = file(600), file(600, "b"), file(400, "c")
    assert (await put(plog, first)).status_code == 204
    refused = await put(plog, second)
    assert answer(refused) == (413, "UPLOAD_QUOTA_EXCEEDED") and "1000 bytes" in refused.json()["message"]
    assert await held(plog, second) == 0
    assert (await put(plog, first)).status_code == 204
    assert (await put(plog, third, sent=third[:300])).status_code == 204
    assert answer(await put(plog, file(101, "d"))) == (413, "UPLOAD_QUOTA_EXCEEDED")
    assert (await put(plog, third, offset=300)).status_code == 204 and await held(plog, third) == 400
    assert answer(await put(plog, file(1, "e"))) == (413, "UPLOAD_QUOTA_EXCEEDED")
    assert (await put(plog, second, "bela")).status_code == 204
    monkeypatch.setattr(uploads, "QUOTA_TIME", timedelta(days=-1))
    assert (await put(plog, second)).status_code == 204, "a day later"
    assert not +plog.container.services.uploads_to_come


async def test_files_at_once_keep_to_it_together(plog: Plog) -> None:
    """Also what is still to come of them; what never came counts no longer once its sender has gone."""
    going_on = asyncio.Event()

    async def slowly(content: bytes) -> AsyncIterator[bytes]:
        yield content[:100]
        await going_on.wait()
        yield content[100:]

    first, other = file(600), file(600, "b")
    sending = asyncio.create_task(put(plog, first, sent=slowly(first)))
    await eventually(lambda: held(plog, first))
    assert answer(await put(plog, other)) == (413, "UPLOAD_QUOTA_EXCEEDED")
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    await eventually(lambda: asyncio.sleep(0, not +plog.container.services.uploads_to_come))
    assert await held(plog, first) == 100 and (await put(plog, other)).status_code == 204
    answers = await asyncio.gather(*(put(plog, file(150, letter)) for letter in "cdefgh"))
    assert sum(each.status_code == 204 for each in answers) <= 2


async def test_a_browser_uploads_by_its_session_from_pages_that_may_use_it(plog: Plog) -> None:
    content = file(10)
    async with browser(plog.url) as visitor:
        await visitor.sign_in()
        for headers in FOREIGN:
            refused = await visitor.http.put(plog.url + address(content), content=content, headers=headers)
            assert answer(refused) == (403, "CSRF"), headers
        assert await held(plog, content) == 0
        for letter, headers in (
            ("a", {"origin": visitor.home}),
            ("b", {"origin": ALLOWED}),
            ("c", {"sec-fetch-site": "same-origin"}),
        ):
            content = file(10, letter)
            assert (await visitor.http.put(plog.url + address(content), content=content, headers=headers)).status_code == 204
            assert (await visitor.http.head(plog.url + address(content))).headers["upload-offset"] == "10"
            assert await held(plog, content) == 10
        kept = "; ".join(f"{name}={value}" for name, value in visitor.http.cookies.items())
        await visitor.sign_out()
        over = await plog.http.put(address(content), content=content, headers={"origin": plog.url, "cookie": kept})
        assert answer(over) == (401, "UNAUTHENTICATED")
