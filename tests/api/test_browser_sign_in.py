"""Signing in with a browser, at the embedded issuer and at a certified one: the same way, and nobody comes in by any other."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import quote_plus

import httpx
import pytest
from sqlalchemy import update

from domain.session import SIGN_IN_LIFETIME
from persistence import tables
from persistence.unit_of_work import UnitOfWork
from tests.api.browser import CALLBACK, SESSION, SIGN_IN, Browser, browser, changed, query_of
from tests.api.sign_in_house import CLIENT_SECRET, EVERY_CLIENT, House, house

__all__ = ["house"]


@pytest.fixture
async def visitor(house: House) -> AsyncIterator[Browser]:
    async with browser(house.plog.url) as opened:
        yield opened


def cookies_of(response: httpx.Response) -> dict[str, Any]:
    """The cookies that a response sets, with their attributes."""
    jar: SimpleCookie = SimpleCookie()
    for header in response.headers.get_list("set-cookie"):
        jar.load(header)
    return dict(jar)


def refused(response: httpx.Response, *secrets: str | None, status: int = 403) -> str:
    """The page that says no: readable, with a link to try again, without any of the secrets, and without a session."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert response.headers["cache-control"] == "no-store"
    assert f'href="{SIGN_IN}' in response.text
    assert not [secret for secret in secrets if secret and secret in response.text]
    assert SESSION not in cookies_of(response)
    return response.text


@EVERY_CLIENT
async def test_one_signs_in_and_is_known_by_the_cookie(house: House, visitor: Browser) -> None:
    assert await visitor.viewer() is None
    response = await visitor.sign_in(next_path="/apply?a=1&b=%2F#top")
    assert (response.status_code, response.headers["location"]) == (303, "/apply?a=1&b=%2F#top")
    viewer = await visitor.viewer()
    assert {**viewer, "groups": sorted(viewer["groups"])} == house.ada
    by_get = await visitor.get("/graphql?query={viewer{subject}}")
    assert by_get.json()["data"]["viewer"]["subject"] == house.ada["subject"]
    (session,) = await house.sessions()
    assert (session.subject, session.name, session.groups) == (house.ada["subject"], house.ada["name"], house.ada["groups"])
    assert session.expires_at - session.created_at == timedelta(hours=12)


async def test_cookies_are_out_of_reach_of_scripts_and_other_sites(house: House, visitor: Browser) -> None:
    begun = await visitor.http.get(house.plog.url + SIGN_IN)
    assert begun.headers["cache-control"] == "no-store"
    ((name, mine),) = cookies_of(begun).items()
    assert name.startswith("plog_sign_in_") and (mine["path"], mine["max-age"]) == ("/", "600")
    done = cookies_of(await visitor.get(await visitor.authorized(begun.headers["location"])))
    assert set(done) == {SESSION, name}
    assert done[SESSION]["path"] == "/" and 43_100 < int(done[SESSION]["max-age"]) <= 43_200
    assert (done[name].value, done[name]["max-age"]) == ("", "0")
    for cookie in (mine, *done.values()):
        assert (cookie["httponly"], cookie["samesite"], cookie["secure"], cookie["domain"]) == (True, "lax", "", "")


async def test_what_the_issuer_is_sent_is_new_each_time_and_gives_nothing_away(visitor: Browser) -> None:
    first, second = [query_of(await visitor.begin()) for _ in range(2)]
    assert first["code_challenge_method"] == "S256" and first["response_type"] == "code" and "openid" in first["scope"].split()
    for name in ("state", "nonce", "code_challenge"):
        assert first[name] != second[name] and len(first[name]) == 43
    secrets = [cookie.value for cookie in visitor.http.cookies.jar if cookie.name.startswith("plog_sign_in_")]
    assert len(secrets) == 2
    assert not any(secret in value for secret in secrets if secret for value in (*first.values(), *second.values()))


@EVERY_CLIENT
async def test_a_sign_out_ends_the_session_and_leads_to_the_issuer(house: House, visitor: Browser) -> None:
    await visitor.sign_in()
    async with browser(house.plog.url) as other:
        await other.sign_in()
        stolen = visitor.session
        response = await visitor.sign_out()
        assert response.status_code == 303
        assert query_of(response.headers["location"])["post_logout_redirect_uri"] == f"{house.plog.url}/auth/signed-out"
        at_the_issuer = await visitor.get(response.headers["location"])
        assert at_the_issuer.status_code in (200, 303), at_the_issuer.text
        assert visitor.session is None and await visitor.viewer() is None
        visitor.http.cookies.set(SESSION, stolen or "", domain="127.0.0.1")
        again = await visitor.post()
        assert (again.status_code, again.json()["errors"][0]["extensions"]["code"]) == (401, "UNAUTHENTICATED")
        assert await other.viewer() is not None, "a session ends alone"
    assert "Sign in again" in (await visitor.get("/auth/signed-out")).text


async def test_a_program_is_told_where_to_lead_after_a_sign_out(visitor: Browser) -> None:
    await visitor.sign_in()
    response = await visitor.sign_out(accept="application/json")
    assert response.status_code == 200 and "post_logout_redirect_uri" in response.json()["location"]
    assert await visitor.viewer() is None
    assert (await visitor.sign_out()).status_code == 303, "once more does no harm"


async def test_a_sign_out_by_another_sites_page_is_refused(visitor: Browser) -> None:
    await visitor.sign_in()
    forged: list[dict[str, str]] = [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:1"},
        {},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ]
    for headers in forged:
        response = await visitor.http.post(f"{visitor.home}/auth/sign-out", headers=headers)
        assert (response.status_code, response.json()["code"]) == (403, "CSRF"), headers
    assert (await visitor.get("/auth/sign-out")).status_code == 405
    assert await visitor.viewer() is not None


async def test_a_new_sign_in_takes_the_place_of_the_old_session(house: House, visitor: Browser) -> None:
    await visitor.sign_in()
    before = visitor.session
    await visitor.sign_in()
    assert visitor.session != before
    old, new = await house.sessions()
    assert old.ended_at is not None and new.ended_at is None


async def test_several_tabs_sign_in_at_the_same_time(visitor: Browser) -> None:
    addresses = [await visitor.begin(f"/tab/{number}") for number in range(3)]
    for number in (1, 0, 2):
        response = await visitor.get(await visitor.authorized(addresses[number]))
        assert response.headers["location"] == f"/tab/{number}"


async def test_a_state_that_is_not_the_browsers_own_is_refused(house: House, visitor: Browser) -> None:
    async with browser(house.plog.url) as thief:
        await thief.begin()
        callback = await visitor.authorized(await visitor.begin())
        code = query_of(callback)["code"]
        refused(await thief.get(callback), code)
        (own,) = [cookie.value or "" for cookie in thief.http.cookies.jar if cookie.name.startswith("plog_sign_in_")]
        name = f"plog_sign_in_{query_of(callback)['state'][:8]}"
        thief.http.cookies.set(name, own, domain="127.0.0.1")
        assert "this browser" in refused(await thief.get(callback), code), "with its own secret under the name of the other"
        for state in (None, "", "x", "x" * 43, query_of(callback)["state"][:-1] + "!", "é\u2028", "; Path=/"):
            refused(await visitor.get(changed(callback, state=state)), code)
        assert await house.sessions() == []
        assert (await visitor.get(callback)).status_code == 303, "nobody else has used it up"


async def test_an_answer_counts_once_even_for_who_has_the_cookie(house: House, visitor: Browser) -> None:
    callback = await visitor.authorized(await visitor.begin())
    copied = dict(visitor.http.cookies)
    assert (await visitor.get(callback)).status_code == 303
    refused(await visitor.get(callback), query_of(callback)["code"])
    async with httpx.AsyncClient(cookies=copied, trust_env=False) as copy:
        refused(await copy.get(callback), query_of(callback)["code"])
    assert len(await house.sessions()) == 1


async def test_an_answer_that_comes_twice_at_once_makes_one_session(house: House, visitor: Browser) -> None:
    callback = await visitor.authorized(await visitor.begin())
    responses = await asyncio.gather(*(visitor.get(callback) for _ in range(8)))
    assert sorted(response.status_code for response in responses) == [303, *[403] * 7]
    assert len(await house.sessions()) == 1


@EVERY_CLIENT
async def test_a_code_that_was_changed_or_is_somebody_elses_is_refused(house: House, visitor: Browser) -> None:
    async with browser(house.plog.url) as other:
        foreign = query_of(await other.authorized(await other.begin(), "bela"))["code"]
        for code in ("", None, "x", foreign):
            callback = await visitor.authorized(await visitor.begin("/apply"))
            page = refused(await visitor.get(changed(callback, code=code)), code if code != "x" else None)
            assert f'href="{SIGN_IN}?next=%2Fapply"' in page
    assert await house.sessions() == []


async def test_what_stands_in_an_answer_twice_is_refused(house: House, visitor: Browser) -> None:
    callback = await visitor.authorized(await visitor.begin())
    for name in ("state", "code", "iss"):
        refused(await visitor.get(f"{callback}&{name}={query_of(callback)[name]}"), status=400)
    assert await house.sessions() == []


async def test_an_answer_of_another_issuer_is_refused(house: House, visitor: Browser) -> None:
    for issuer in (None, "", "https://evil.example"):
        callback = await visitor.authorized(await visitor.begin())
        assert "another sign-in service" in refused(await visitor.get(changed(callback, iss=issuer)))
        error = changed(await visitor.authorized(await visitor.begin(), ""), iss=issuer)
        assert "another sign-in service" in refused(await visitor.get(error))
    assert await house.sessions() == []


async def test_who_declines_is_told_so_and_may_try_again(house: House, visitor: Browser) -> None:
    callback = await visitor.authorized(await visitor.begin("/apply"), "")
    assert query_of(callback)["error"] == "access_denied"
    page = refused(await visitor.get(callback))
    assert "The sign-in was declined." in page and f'href="{SIGN_IN}?next=%2Fapply"' in page and "<b>" not in page
    assert (await visitor.sign_in()).status_code == 303


async def test_nothing_of_what_a_stranger_sends_is_shown(visitor: Browser) -> None:
    text = "Call+0800+<script>alert(1)</script>"
    for query in (f"error={text}&error_description={text}", f"state={text}&error={text}", f"state=x&code={text}&iss={text}"):
        page = refused(await visitor.get(f"{CALLBACK}?{query}"))
        assert "script" not in page and "0800" not in page
    callback = await visitor.authorized(await visitor.begin(), "")
    page = refused(await visitor.get(changed(callback, error=text, error_description=text)))
    assert "script" not in page and "0800" not in page


@EVERY_CLIENT
async def test_no_issuer_goes_without_pkce(house: House, visitor: Browser) -> None:
    without: list[dict[str, str | None]] = [{"code_challenge": None}, {"code_challenge_method": "plain"}, {"code_challenge": "x"}]
    for changes in without:
        callback = await visitor.authorized(changed(await visitor.begin(), **changes))
        assert query_of(callback)["error"] == "invalid_request"
        refused(await visitor.get(callback))
    assert await house.sessions() == []


@EVERY_CLIENT
async def test_a_code_is_worth_nothing_without_the_verifier(house: House, visitor: Browser) -> None:
    for verifier in (None, "", "x" * 43):
        address = await visitor.begin()
        code = query_of(await visitor.authorized(address))["code"]
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": visitor.home + CALLBACK}
        form |= {} if verifier is None else {"code_verifier": verifier}
        if house.plog.container.settings.oidc.client_secret.get_secret_value():
            auth: httpx.Auth = httpx.BasicAuth("a+client", quote_plus(CLIENT_SECRET))
        else:
            auth = httpx.Auth()
            form["client_id"] = query_of(address)["client_id"]
        response = await visitor.http.post(house.token_endpoint, data=form, auth=auth)
        assert (response.status_code, response.json()["error"]) in ((400, "invalid_grant"), (400, "invalid_request"))


async def test_a_sign_in_takes_ten_minutes_at_most(house: House, visitor: Browser) -> None:
    async def age(callback: str, by: timedelta) -> httpx.Response:
        async with house.plog.container.services.database.transaction() as work:
            assert isinstance(work, UnitOfWork)
            begun = datetime.now(UTC) - by
            await work.connection.execute(update(tables.sign_in).values(begun_at=begun))
        return await visitor.get(callback)

    minute = timedelta(minutes=1)
    late = await visitor.authorized(await visitor.begin())
    assert "longer than 10 minutes" in refused(await age(late, SIGN_IN_LIFETIME + minute))
    assert (await age(await visitor.authorized(await visitor.begin()), SIGN_IN_LIFETIME - minute)).status_code == 303


async def test_one_is_led_to_plog_alone(house: House, visitor: Browser) -> None:
    for path in (
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "javascript:evil",
        "/\t/evil",
        "",
        "evil",
        "/\r\nx: y",
    ):
        response = await visitor.http.get(house.plog.url + SIGN_IN, params={"next": path})
        refused(response, status=400)
        assert "evil" not in response.text and "set-cookie" not in response.headers


async def test_the_log_tells_who_signed_in_and_no_secret(
    house: House, visitor: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", "app")
    caplog.set_level("DEBUG", "resolvers")
    caplog.set_level("DEBUG", "adapters")
    address = await visitor.begin()
    callback = await visitor.authorized(address)
    await visitor.get(callback)
    token = visitor.session or ""
    await visitor.viewer()
    await visitor.sign_out()
    told = json.dumps([{name: str(value) for name, value in record.__dict__.items()} for record in caplog.records])
    assert house.ada["subject"] in told and "signed out" in told
    for secret in (token, query_of(callback)["code"], query_of(callback)["state"], query_of(address)["nonce"], CLIENT_SECRET):
        assert secret and secret not in told
