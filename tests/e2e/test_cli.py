"""The command `plog` as a person uses it: what it prints, and one sentence for everything that can be mended."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.server import PlogServer, demo_document
from tests.e2e.test_kill import quick_document, started


@pytest.fixture
def offline(tmp_path: Path) -> PlogServer:
    """Settings without a running server."""
    return PlogServer(tmp_path / "plog")


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[PlogServer]:
    made = await started(tmp_path, {})
    yield made
    await made.stop()


@pytest.mark.parametrize(
    ("name", "value", "named"),
    [
        ("PORT", "eighty", "PLOG_PORT is wrong"),
        ("PORT", "70000", "PLOG_PORT is wrong"),
        ("DATABASE__URL", "mysql://x", "PLOG_DATABASE__URL is wrong"),
        ("DATABASE__URL", "postgresql+asyncpg://nobody@127.0.0.1:1/none", "PLOG_DATABASE__URL"),
        ("DATABSE__URL", "x", "PLOG_DATABSE__URL is not a setting"),
        ("RUNNER__CAPACTY", "1", "PLOG_RUNNER__CAPACTY is not a setting"),
        ("RUNNER__KIND", "magic", "PLOG_RUNNER__KIND is wrong"),
        ("SECRETS__KEYS", '["short:abc"]', "PLOG_SECRETS__KEYS"),
        ("SECRETS__KEYS", "not json", "PLOG_SECRETS"),
        ("REDIS__URL", "nonsense", "PLOG_REDIS__URL"),
        ("ARTIFACTS__URL", "ftp://x", "PLOG_ARTIFACTS__URL"),
        ("STEPS__TEMPLATES", "/nowhere/templates.toml", "PLOG_STEPS__TEMPLATES"),
        ("STEPS__TEMPLATES", "{home}/typo.toml", "[x] DECK_COLLECTION must be a section of its own, [x.DECK_COLLECTION]"),
        ("HOST", "0.0.0.0", "loopback"),
        ("PUBLIC_URL", "plog.example", "PLOG_PUBLIC_URL"),
        ("LOG__LEVEL", "LOUD", "PLOG_LOG__LEVEL is wrong"),
    ],
)
def test_a_wrong_setting_is_one_sentence(offline: PlogServer, name: str, value: str, named: str) -> None:
    offline.environment[f"PLOG_{name}"] = value.format(home=offline.home)
    (offline.home / "typo.toml").write_text('[x.DOE]\ncomand = ["a"]\n')
    done = offline.run("serve")
    assert done.returncode == 2, done.stderr
    assert named in done.stderr and "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr


def test_a_port_in_use_is_one_sentence(offline: PlogServer, tmp_path: Path) -> None:
    other = PlogServer(tmp_path / "other")
    asyncio.run(_while_running(other, offline))


async def _while_running(other: PlogServer, offline: PlogServer) -> None:
    await other.start()
    try:
        offline.environment["PLOG_PORT"] = str(other.port)
        done = await asyncio.to_thread(offline.run, "serve")
        assert done.returncode == 2 and "Address already in use" in done.stderr, done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
    finally:
        await other.stop()


def test_a_token_of_an_unknown_user_is_refused(offline: PlogServer) -> None:
    done = offline.run("token", "zoe")
    assert done.returncode == 1 and "zoe" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_demo_users_need_the_embedded_issuer(offline: PlogServer) -> None:
    offline.environment["PLOG_OIDC__ISSUER"] = "https://issuer.example"
    done = offline.run("token", "ada")
    assert done.returncode == 2 and "PLOG_OIDC__ISSUER" in done.stderr


def test_no_server_is_one_sentence(offline: PlogServer) -> None:
    done = offline.run("kit", "start", "1")
    assert done.returncode == 1 and offline.url in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr


async def test_a_kit_from_the_terminal(server: PlogServer, tmp_path: Path) -> None:
    file = tmp_path / "kit.json"
    file.write_text(json.dumps(quick_document()))
    created = await asyncio.to_thread(server.run, "kit", "create", str(file), "--start")
    assert created.returncode == 0 and "Kit 1 was created" in created.stdout, created
    watched = await asyncio.to_thread(server.run, "kit", "watch", "1")
    assert watched.returncode == 0 and "SUCCEEDED" in watched.stdout, watched
    again = await asyncio.to_thread(server.run, "kit", "start", "1")
    assert again.returncode == 1 and "Kit 1" in again.stderr
    rebuilt = await asyncio.to_thread(server.run, "rebuild-projection")
    assert rebuilt.returncode == 0 and "1 kits" in rebuilt.stdout and "0 differences" in rebuilt.stdout, rebuilt


async def test_what_is_wrong_with_a_kit_is_told_field_by_field(server: PlogServer, tmp_path: Path) -> None:
    document = demo_document("table")
    document["definition"]["design"]["constraints"] = ["supply_v > 9"]
    file = tmp_path / "kit.json"
    file.write_text(json.dumps(document))
    done = await asyncio.to_thread(server.run, "kit", "create", str(file))
    assert done.returncode == 1 and "definition.design.constraints" in done.stderr, done


async def test_cancelling_from_the_terminal(server: PlogServer, tmp_path: Path) -> None:
    file = tmp_path / "kit.json"
    file.write_text(json.dumps(quick_document()))
    await asyncio.to_thread(server.run, "kit", "create", str(file), "--start")
    cancelled = await asyncio.to_thread(server.run, "kit", "cancel", "1")
    assert cancelled.returncode == 0, cancelled
    watched = await asyncio.to_thread(server.run, "kit", "watch", "1")
    assert watched.returncode == 1 and "CANCELLED" in watched.stdout


def test_the_documents_are_what_the_program_says(offline: PlogServer, tmp_path: Path) -> None:
    for command, name in (("export-schema", "schema.graphql"), ("export-settings", "docs/settings.md")):
        written = tmp_path / Path(name).name
        assert offline.run(command, str(written)).returncode == 0
        assert written.read_text() == (Path(__file__).parents[2] / name).read_text(), f"run `make schema` ({name})"


def test_help_tells_every_command(offline: PlogServer) -> None:
    done = offline.run("--help")
    assert done.returncode == 0
    for command in ("serve", "migrate", "token", "rebuild-projection", "export-schema", "kit", "demo"):
        assert command in done.stdout
