"""The command `plog` as a person uses it: what it prints, and one sentence for everything that can be mended."""

import asyncio
import json
import signal
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.server import PLOG, PlogServer, demo_document
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
        ("SECRETS__KEYS", "not json", "PLOG_SECRETS__KEYS is wrong"),
        ("REDIS__URL", "redis://127.0.0.1:1", "PLOG_SECRETS__KEYS must be set"),
        ("ARTIFACTS__URL", "ftp://x", "PLOG_ARTIFACTS__URL"),
        ("STEPS__TEMPLATES", "/nowhere/templates.toml", "PLOG_STEPS__TEMPLATES"),
        ("STEPS__TEMPLATES", "{home}/typo.toml", "[x] DECK_COLLECTION must be a section of its own, [x.DECK_COLLECTION]"),
        ("HOST", "0.0.0.0", "PLOG_PUBLIC_URL must be set"),
        ("PUBLIC_URL", "https://plog.example", "loopback"),
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


@pytest.mark.parametrize("command", [("migrate",), ("rebuild-projection",)])
def test_a_database_that_can_t_be_used_is_one_sentence(offline: PlogServer, command: tuple[str, ...]) -> None:
    offline.environment["PLOG_DATABASE__URL"] = "sqlite+aiosqlite:////nowhere/at/all/plog.db"
    done = offline.run(*command)
    assert done.returncode == 2 and done.stderr.startswith("PLOG_DATABASE__URL: the database can't be used"), done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    "command", [("token", "ada"), ("kit", "watch", "1"), ("kit", "cancel", "1"), ("demo",), ("rebuild-projection",)]
)
def test_a_client_away_from_the_data_says_so_and_leaves_nothing_behind(offline: PlogServer, command: tuple[str, ...]) -> None:
    done = offline.run(*command)
    assert done.returncode == 2 and "There is no PLOG data in" in done.stderr and "PLOG_HOME" in done.stderr, done
    assert len(done.stderr.strip().splitlines()) == 1
    assert list(offline.home.iterdir()) == []


@pytest.mark.parametrize(
    ("command", "named"),
    [
        (("export-schema", "/nowhere/x"), "/nowhere/x can't be written: No such file"),
        (("export-settings", "/tmp"), "/tmp can't be written: Is a directory"),
        (("kit", "watch", "1", "--token", "é"), "The token is none"),
    ],
)
def test_what_can_not_be_used_is_one_sentence(offline: PlogServer, command: tuple[str, ...], named: str) -> None:
    done = offline.run(*command)
    assert done.returncode in (1, 2) and named in done.stderr, done
    assert len(done.stderr.strip().splitlines()) == 1


def test_demo_users_need_the_embedded_issuer(offline: PlogServer) -> None:
    offline.environment["PLOG_OIDC__ISSUER"] = "https://issuer.example"
    done = offline.run("token", "ada")
    assert done.returncode == 2 and "PLOG_OIDC__ISSUER" in done.stderr


def test_no_server_is_one_sentence(offline: PlogServer) -> None:
    done = offline.run("kit", "start", "1", "--token", "x")
    assert done.returncode == 1 and offline.url in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    done = offline.run("load-test", "start", "1", "--token", "x")
    assert done.returncode == 2 and offline.url in done.stderr, "1 would say that a run had FAILED"
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr


async def plog(server: PlogServer, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """A command while the server serves."""
    return await asyncio.to_thread(server.run, *arguments)


@pytest.fixture
def document(tmp_path: Path) -> str:
    """The file of a kit of quick steps."""
    file = tmp_path / "kit.json"
    file.write_text(json.dumps(quick_document()))
    return str(file)


async def test_a_kit_from_the_terminal(server: PlogServer, document: str) -> None:
    created = await plog(server, "kit", "create", document)
    assert (created.returncode, created.stdout) == (0, "Kit 1 was created.\n"), created
    begun = await plog(server, "kit", "start", "1")
    assert begun.returncode == 0 and begun.stdout in ("Kit 1 is QUEUED.\n", "Kit 1 is RUNNING.\n"), begun
    watched = await plog(server, "kit", "watch", "1")
    assert watched.returncode == 0, watched
    lines = watched.stdout.splitlines()
    assert lines[-1] == "Kit 1 SUCCEEDED 100 %" and "OPTIMIZE SUCCEEDED" in lines and len(lines) == len(set(lines)), lines
    again = await plog(server, "kit", "start", "1")
    assert again.returncode == 1 and "Kit 1" in again.stderr
    unknown = await plog(server, "token", "zoe")
    assert unknown.returncode == 1 and "zoe" in unknown.stderr and len(unknown.stderr.strip().splitlines()) == 1
    rebuilt = await plog(server, "rebuild-projection")
    assert rebuilt.returncode == 0 and "1 kits" in rebuilt.stdout and "0 differences" in rebuilt.stdout, rebuilt


async def test_scripts_get_json_and_may_repeat_themselves(server: PlogServer, document: str) -> None:
    arguments = ("kit", "create", document, "--start", "--json", "--idempotency-key", "nightly")
    first, second = [json.loads((await plog(server, *arguments)).stdout) for _ in range(2)]
    assert first["number"] == second["number"] == 1 and set(first) == {"id", "number", "name", "status"}
    watched = await plog(server, "kit", "create", document, "--watch", "--json")
    assert watched.returncode == 0 and "OPTIMIZE SUCCEEDED" in watched.stderr, watched
    kit = json.loads(watched.stdout)
    assert (kit["number"], kit["status"], len(kit["jobs"])) == (2, "SUCCEEDED", 4)


async def test_watching_outlives_the_server(server: PlogServer, document: str) -> None:
    await plog(server, "kit", "create", document, "--start")
    process = watching(server)
    assert process.stdout is not None
    first = await asyncio.to_thread(process.stdout.readline)
    await server.kill()
    await server.start()
    lines = [first, *(await asyncio.to_thread(process.stdout.read)).splitlines()]
    assert await asyncio.to_thread(process.wait, 15) == 0, lines
    assert any("Trying again in" in line for line in lines) and lines[-1] == "Kit 1 SUCCEEDED 100 %", lines


async def test_watching_for_a_while_only(server: PlogServer, document: str) -> None:
    await plog(server, "kit", "create", document)
    watched = await plog(server, "kit", "watch", "1", "--timeout", "0.5")
    assert watched.returncode == 1 and "The kit has not ended within 0.5 s" in watched.stderr, watched


async def test_watching_a_kit_of_which_one_job_was_run_comes_to_an_end(server: PlogServer, document: str) -> None:
    await plog(server, "kit", "create", document)
    process = watching(server)
    assert process.stdout is not None
    assert await asyncio.to_thread(process.stdout.readline) == "Kit 1 PENDING 0 %\n"
    kit = await server.kit(1)
    await server.start_job(kit["jobs"][0]["id"])
    assert await asyncio.to_thread(process.wait, 60) == 1
    assert "nothing will come" in process.stdout.read()
    process.stdout.close()


async def test_ctrl_c_is_no_success(server: PlogServer, document: str) -> None:
    await plog(server, "kit", "create", document)
    process = watching(server)
    assert process.stdout is not None
    assert await asyncio.to_thread(process.stdout.readline) == "Kit 1 PENDING 0 %\n"
    process.send_signal(signal.SIGINT)
    assert await asyncio.to_thread(process.wait, 15) == 130
    process.stdout.close()
    server.signal(signal.SIGINT)
    assert await server.wait(15) == 130


def watching(server: PlogServer, of: str = "kit") -> "subprocess.Popen[str]":
    """`plog kit watch 1`, or that of a load test, whose output is read while it runs."""
    command = [str(PLOG), of, "watch", "1"]
    return subprocess.Popen(
        command, env=server.environment, cwd=server.home, stdout=subprocess.PIPE, text=True, preexec_fn=hear_ctrl_c
    )


def hear_ctrl_c() -> None:
    """Tests that run in the background of a script inherit that SIGINT is ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


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
    assert (cancelled.returncode, cancelled.stdout) == (0, "Kit 1 is CANCELLED.\n"), cancelled
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
    for command in ("serve", "migrate", "token", "rebuild-projection", "export-schema", "kit", "load-test", "demo", "sample-api"):
        assert command in done.stdout
