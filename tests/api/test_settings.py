"""Settings that can't be used: each is refused in one sentence that names the very variable, before anything is touched."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from app.container import open_container
from app.database import migrate_database, open_database
from app.settings import Settings, WrongSetting, read_settings

KEYS = '["k:%s"]' % ("a" * 43 + "=")
REDIS = {"REDIS__URL": "redis://127.0.0.1:1"}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working folder without a `.env`, and a data folder in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PLOG_HOME", str(tmp_path / "home"))


def refused(monkeypatch: pytest.MonkeyPatch, **variables: str) -> str:
    """The sentence with which these variables are refused."""
    for name, value in variables.items():
        monkeypatch.setenv(f"PLOG_{name}", value)
    with pytest.raises(WrongSetting) as caught:
        asyncio.run(serve(read_settings()))
    assert "\n" not in str(caught.value)
    return str(caught.value)


async def serve(settings: Settings) -> None:
    async with open_container(settings):
        pass


@pytest.mark.parametrize(
    ("name", "value", "named"),
    [
        ("SERVER__ORIGINS", "https://a.example", "PLOG_SERVER__ORIGINS is wrong: lists and objects must be JSON."),
        ("SERVER__ORIGINS", '["a.example"]', "PLOG_SERVER__ORIGINS is wrong: 'a.example' is no web origin"),
        ("SERVER__ORIGINS", '["https://a.example:port"]', "PLOG_SERVER__ORIGINS is wrong"),
        ("SERVER__ORIGINS", '["https://a.example/path"]', "PLOG_SERVER__ORIGINS is wrong"),
        ("SERVER", "x", "PLOG_SERVER is wrong: lists and objects must be JSON."),
        ("ARTIFACTS__OPTIONS", "{", "PLOG_ARTIFACTS__OPTIONS is wrong: lists and objects must be JSON."),
        ("STEPS__FUNCTIONS", '{"f": "nomodule"}', "PLOG_STEPS__FUNCTIONS is wrong: 'f' must be a place like module:function"),
        ("STEPS__FUNCTIONS", '{"f": "a b:c"}', "PLOG_STEPS__FUNCTIONS is wrong"),
        ("OIDC__ISSUER", "nonsense", "PLOG_OIDC__ISSUER is wrong: 'nonsense' is no issuer"),
        ("OIDC__ISSUER", "https://", "PLOG_OIDC__ISSUER is wrong"),
        ("OIDC__ISSUER", "https://x.example/?a=1", "PLOG_OIDC__ISSUER is wrong"),
        ("OIDC__CLIENT_ID", "plog", "PLOG_OIDC__ISSUER must be set where PLOG_OIDC__CLIENT_ID is."),
        ("OIDC__CLIENT_SECRET", "secret", "PLOG_OIDC__CLIENT_ID must be set where PLOG_OIDC__CLIENT_SECRET is."),
        ("OIDC__CLIENT_SECRET", "secret key", "PLOG_OIDC__CLIENT_SECRET is wrong"),
        ("OIDC__SCOPES", "profile", "PLOG_OIDC__SCOPES is wrong: must be names with spaces between them, and `openid` one of"),
        ("OIDC__SCOPES", 'openid "x"', "PLOG_OIDC__SCOPES is wrong"),
        ("OIDC__SESSION_HOURS", "0", "PLOG_OIDC__SESSION_HOURS is wrong"),
        ("OIDC__SESSION_HOURS", "169", "PLOG_OIDC__SESSION_HOURS is wrong"),
        ("PUBLIC_URL", "https://", "PLOG_PUBLIC_URL must name a host, with a valid port if any, and no user."),
        ("PUBLIC_URL", "https://plog.example:port", "PLOG_PUBLIC_URL must name a host"),
        ("PUBLIC_URL", "https://u:secret@plog.example", "PLOG_PUBLIC_URL must name a host"),
        ("K6__BINARY", "no-such-k6", "PLOG_K6__BINARY is wrong: 'no-such-k6' is no program that can be started here."),
        ("LOTS__ID_PATTERN", "LOT-(", "PLOG_LOTS__ID_PATTERN is wrong: 'LOT-(' is no pattern that lot ids can be held against:"),
        ("LOTS__ID_PATTERN", r"(A)\1", "PLOG_LOTS__ID_PATTERN is wrong"),
        ("CHAT__URL", "api.example/v1", "PLOG_CHAT__URL is wrong: must begin with http:// or https:// and name a host."),
        ("CHAT__URL", "https:///v1", "PLOG_CHAT__URL is wrong"),
        ("CHAT__URL", "https://u:secret@api.example/v1", "PLOG_CHAT__URL is wrong: must be an address with a valid port, and"),
        ("CHAT__URL", "https://api.example/v1?key=secret", "PLOG_CHAT__URL is wrong"),
        ("CHAT__URL", "https://api.example:port/v1", "PLOG_CHAT__URL is wrong"),
        ("CHAT__URL", "https://api.example/v1", "PLOG_CHAT__MODEL must be set where PLOG_CHAT__URL is."),
        ("CHAT__API_KEY", "secret key", "PLOG_CHAT__API_KEY is wrong: must be printable ASCII characters without a space."),
        ("CHAT__API_KEY", "secret\u00e9", "PLOG_CHAT__API_KEY is wrong"),
        ("CHAT__MODEL", "a\nb", "PLOG_CHAT__MODEL is wrong"),
        ("CHAT__ANSWER_SECONDS", "0", "PLOG_CHAT__ANSWER_SECONDS is wrong"),
        ("SECRETS__KEYS", "k:x", "PLOG_SECRETS__KEYS is wrong: lists and objects must be JSON."),
        ("HOME__X", "1", "PLOG_HOME__X is not a setting"),
        ("HOST", "0.0.0.0", "PLOG_PUBLIC_URL must be set where PLOG_HOST is '0.0.0.0'"),
        ("HOST", "::", "PLOG_PUBLIC_URL must be set where PLOG_HOST is '::'"),
        ("PUBLIC_URL", "https://plog.example", "PLOG_PUBLIC_URL leads to plog.example, and the embedded sign-in"),
        ("DATABASE__URL", "postgresql+asyncpg://u@:port/db", "PLOG_DATABASE__URL: the address can't be read"),
        ("DATABASE__URL", "postgresql+asyncpg://u:secret@127.0.0.1:1/db", "PLOG_DATABASE__URL: the database can't be reached"),
        (
            "DATABASE__URL",
            "sqlite+aiosqlite:////nowhere/plog.db",
            "PLOG_DATABASE__URL: the database can't be used: unable to open",
        ),
    ],
)
def test_the_very_variable_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str, named: str) -> None:
    sentence = refused(monkeypatch, **{name: value})
    assert named in sentence
    assert "secret" not in sentence


def test_a_name_in_the_file_is_checked_as_one_in_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("PLOG_RUNNER__CAPACTY=1\nOTHER=2\n")
    assert refused(monkeypatch).startswith("PLOG_RUNNER__CAPACTY is not a setting")
    (tmp_path / ".env").write_text("PLOG_SERVER__ORIGINS=x\n")
    assert refused(monkeypatch).startswith("PLOG_SERVER__ORIGINS is wrong")
    (tmp_path / ".env").write_text("PLOG_RUNNER__CAPACITY=7\nPLOG_ENDURANCE=1\n")
    assert read_settings().runner.capacity == 7
    (tmp_path / ".env").write_bytes(b"PLOG_HOST=\xff")
    assert ".env can't be read" in refused(monkeypatch)


def test_a_data_folder_that_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    for home in (tmp_path / "file", tmp_path / "file" / "below"):
        assert refused(monkeypatch, HOME=str(home)) == f"PLOG_HOME: the data folder {home} can't be made: it is no folder."


@pytest.mark.parametrize("work", ["migrate", "rebuild"])
async def test_every_command_on_the_database_names_it(tmp_path: Path, work: str) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/missing/plog.db"
    settings = Settings.model_validate({"home": tmp_path / "home", "database": {"url": url}})
    with pytest.raises(WrongSetting, match="PLOG_DATABASE__URL: the database can't be used: unable to open"):
        if work == "migrate":
            await migrate_database(settings)
        else:
            async with open_database(settings):
                pass


@pytest.mark.parametrize(("wrong", "reason"), [("/there_is_none", "does not exist"), ("://no_such_role:pass@", "no_such_role")])
async def test_a_database_that_lets_nobody_in(tmp_path: Path, migrated_postgres_url: str, wrong: str, reason: str) -> None:
    scheme, _, address = migrated_postgres_url.partition("://")
    host, _, name = address.rpartition("@")[2].rpartition("/")
    url = f"{scheme}{wrong}{host}/{name}" if "@" in wrong else migrated_postgres_url.removesuffix(f"/{name}") + wrong
    settings = Settings.model_validate({"home": tmp_path / "home", "database": {"url": url}})
    with pytest.raises(WrongSetting, match=f"PLOG_DATABASE__URL: the database can't be used: .*{reason}"):
        await migrate_database(settings)


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        (REDIS, "PLOG_SECRETS__KEYS must be set"),
        (REDIS | {"SECRETS__KEYS": KEYS}, "PLOG_ARTIFACTS__URL must be set"),
    ],
)
def test_servers_that_share_a_redis_share_keys_and_artifacts(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], missing: str
) -> None:
    assert refused(monkeypatch, **given).startswith(missing)


def test_origins_are_held_in_the_form_that_browsers_send() -> None:
    written = ["HTTPS://App.Example/", "https://app.example:443", "http://localhost:5173", "http://[::1]:80", "*"]
    settings: Any = Settings.model_validate({"server": {"origins": written}})
    assert settings.server.origins == [*["https://app.example"] * 2, "http://localhost:5173", "http://[::1]", "*"]


def test_a_server_for_everybody_has_an_address_and_an_issuer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLOG_PUBLIC_URL", "http://localhost:9000")
    asyncio.run(serve(read_settings()))
    monkeypatch.setenv("PLOG_PUBLIC_URL", "https://plog.example")
    monkeypatch.setenv("PLOG_HOST", "0.0.0.0")
    monkeypatch.setenv("PLOG_OIDC__ISSUER", "https://issuer.example")
    asyncio.run(serve(read_settings()))


def test_browsers_sign_in_over_https_or_on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLOG_OIDC__ISSUER", "https://issuer.example")
    monkeypatch.setenv("PLOG_OIDC__CLIENT_ID", "plog")
    for address in ("https://plog.example", "http://localhost:9000", "http://[::1]:9000"):
        monkeypatch.setenv("PLOG_PUBLIC_URL", address)
        asyncio.run(serve(read_settings()))
    assert "PLOG_PUBLIC_URL must begin with https://" in refused(monkeypatch, PUBLIC_URL="http://plog.example")
