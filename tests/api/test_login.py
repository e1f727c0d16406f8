"""Logins through the API: proposed by a target, put into a load test, refused where credentials would go astray."""

from typing import Any

import pytest

from tests.api.in_process import BOTH_DATABASES, Plog
from tests.api.test_load_test import API, CREATE, PREVIEW, analysed, created, load_test
from tests.api.test_secret import DELETE, START, put
from tests.k6 import inspect

LOGIN = "login { kind scheme username secret clientId clientSecret clientInBody tokenUrl scopes location parameter }"
PROPOSALS = f"query ($id: ID!) {{ target(id: $id) {{ loginProposals {{ {LOGIN} wants isElsewhere }} }} }}"
READ = f"query ($id: ID!) {{ loadTest(id: $id) {{ version {LOGIN} }} }}"
SCHEMES = {
    "basic": {"type": "http", "scheme": "basic"},
    "key": {"type": "apiKey", "in": "header", "name": "X-Key"},
    "oauth": {
        "type": "oauth2",
        "flows": {
            "clientCredentials": {"tokenUrl": "/token", "scopes": {"read": ""}},
            "password": {"tokenUrl": "https://victim.example/token", "scopes": {}},
        },
    },
}
SECURED: dict[str, Any] = {**API, "components": {**API["components"], "securitySchemes": SCHEMES}}
PASSWORD = {"kind": "OAUTH2_PASSWORD", "scheme": "oauth", "username": "ada", "secret": "api_key"}


@BOTH_DATABASES
async def test_a_proposal_becomes_the_login_of_a_load_test(plog: Plog) -> None:
    target = await analysed(plog, SECURED)
    await put(plog, target)
    basic, key, client, password = (await plog.answer(PROPOSALS, id=target["id"]))["loginProposals"]
    assert (basic["wants"], key["wants"], client["wants"]) == (["username", "secret"], ["secret"], ["clientId", "secret"])
    assert (password["wants"], password["isElsewhere"]) == (["username", "secret", "tokenUrl"], True)
    assert (key["login"]["location"], key["login"]["parameter"]) == ("HEADER", "X-Key")
    proposed = {name: value for name, value in client["login"].items() if value}
    document = load_test(login={**proposed, "clientId": "plog", "secret": "api_key"})
    made = await created(plog, target, document)
    login = (await plog.answer(READ, id=made["id"]))["login"]
    assert login["tokenUrl"].startswith("http://localhost:") and login["tokenUrl"].endswith("/token")
    assert (login["kind"], login["scopes"], login["secret"]) == ("OAUTH2_CLIENT_CREDENTIALS", ["read"], "api_key")
    preview = await plog.answer(PREVIEW, target=target["id"], input=document)
    assert "Authorization: Bearer ${token:login}" in preview["scenarios"][0]["requests"][0]["headers"]
    assert login["tokenUrl"] in preview["script"]
    await inspect(preview["script"])
    await plog.answer(DELETE, id=target["id"], name="api_key")
    assert (await plog.answer(START, id=made["id"]))["names"] == ["api_key"]


@pytest.mark.parametrize(
    ("login", "server", "field"),
    [
        ({"kind": "BEARER", "secret": "none"}, None, "secret"),
        ({"kind": "BEARER"}, None, "secret"),
        ({"kind": "BASIC", "scheme": "basic", "secret": "api_key"}, None, "username"),
        ({"kind": "API_KEY", "scheme": "basic", "secret": "api_key"}, None, "scheme"),
        (PASSWORD, None, "tokenUrl"),
        ({**PASSWORD, "tokenUrl": "https://victim.example/token"}, None, "secret"),
        ({"kind": "BEARER", "secret": "api_key"}, "https://victim.example", "secret"),
    ],
)
async def test_no_credential_goes_astray(plog: Plog, login: dict[str, Any], server: str | None, field: str) -> None:
    target = await analysed(plog, {**SECURED, "servers": [{"url": "/v1"}, {"url": "https://victim.example"}]})
    await put(plog, target)
    answer = await plog.answer(CREATE, target=target["id"], input=load_test(login=login, server=server))
    assert [each["field"] for each in answer["problems"]] == [f"input.login.{field}"], answer


async def test_a_secret_for_another_server_goes_there_where_a_person_says_so(plog: Plog) -> None:
    target = await analysed(plog, SECURED)
    await put(plog, target, server="https://victim.example")
    login = {**PASSWORD, "tokenUrl": "https://victim.example/token"}
    made = await created(plog, target, load_test(login=login))
    assert (await plog.answer(READ, id=made["id"]))["login"]["tokenUrl"] == "https://victim.example/token"
    assert (await plog.answer(PROPOSALS, id=target["id"]))["loginProposals"]
