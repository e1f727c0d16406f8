"""Runs whose windows go to InfluxDB too: with either of the two away in mid-run, both end up with all of k6's requests."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.server import PlogServer
from tests.e2e.test_load_test_run import STOP, VERDICTS, check_figures, load_test, reaches, read, scenario, site, start, target
from tests.endurance import Tell
from tests.services import InfluxServer
from tests.sites import Site
from tests.waiting import eventually

__all__ = ["site"]
SETTINGS = {"K6__WINDOW_SECONDS": "1"}


@pytest.fixture
async def server(tmp_path: Path, influx: InfluxServer) -> AsyncIterator[PlogServer]:
    server = PlogServer(tmp_path / "plog", SETTINGS | influx.settings)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


def stored(influx: InfluxServer, load_test: str) -> int:
    """How many requests InfluxDB has of a load test of this scenario, by its title's number."""
    rows = influx.query('|> filter(fn: (r) => r._field == "requests" and r.scenario == "größe")')
    return sum(row["_value"] for row in rows if row["load_test"] == load_test)


async def windows(server: PlogServer, run: str) -> int:
    """How many windows of the run PLOG has."""
    metrics = (await read(server, run))["metrics"]
    return len(metrics[0]["requests"]) if metrics else 0


async def reach(server: PlogServer, run: str, count: int) -> None:
    """Wait for that many windows."""

    async def is_there() -> bool:
        return await windows(server, run) >= count

    await eventually(is_there, deadline=30)


async def stopped(server: PlogServer, run: str) -> dict[str, Any]:
    """The run, stopped once it has been seen to go on: how long its load lasts is not a matter of how fast this machine is."""
    await server.client.command("loadTestStop", STOP, id=run)
    found = await reaches(server, run, *VERDICTS)
    assert found["status"] == "ABORTED", found["message"]
    return found


async def test_both_may_be_away_in_mid_run(server: PlogServer, influx: InfluxServer, site: Site, tell: Tell) -> None:
    of = await target(server, site.address + "/openapi.json")
    run = await start(server, await load_test(server, of, scenario(seconds=300)))

    await reach(server, run, 2)
    influx.kill()
    asked, before = len(site.asked), await windows(server, run)
    await eventually(lambda: len(site.asked) > asked + 200, deadline=30)
    assert await windows(server, run) <= before + 1, "a window is in PLOG when InfluxDB has it"
    influx.start()
    await reach(server, run, before + 2)
    await server.kill()
    asked = len(site.asked)
    await eventually(lambda: len(site.asked) > asked + 100, deadline=30)
    await server.start()
    found = await stopped(server, run)
    check_figures(found)
    assert found["k6Requests"] == stored(influx, "1") > 300
    tell(f"of {found['k6Requests']:.0f} requests none is lost, in PLOG or InfluxDB, each of which was killed in mid-run")


async def test_a_server_starts_without_influxdb_and_its_figures_wait(
    server: PlogServer, influx: InfluxServer, site: Site
) -> None:
    await server.stop()
    influx.kill()
    await server.start()
    assert "InfluxDB" in server.log.read_text()
    run = await start(server, await load_test(server, await target(server, site.address + "/openapi.json"), scenario(seconds=2)))
    await eventually(lambda: len(site.asked) > 100, deadline=30)
    influx.start()
    found = await reaches(server, run, *VERDICTS)
    assert found["status"] == "PASSED" and found["figures"][0]["requests"] == found["k6Requests"], found


@pytest.fixture
async def fed_by_k6(tmp_path: Path, influx: InfluxServer) -> AsyncIterator[PlogServer]:
    server = PlogServer(tmp_path / "plog", SETTINGS | influx.settings | {"INFLUXDB__FEED": "k6"})
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def test_what_k6_writes_itself_is_complete_through_a_restart_of_plog(fed_by_k6: PlogServer, site: Site, tell: Tell) -> None:
    server = fed_by_k6
    of = await target(server, site.address + "/openapi.json")
    run = await start(server, await load_test(server, of, scenario(seconds=300)))
    await reach(server, run, 2)
    await server.kill()
    asked = len(site.asked)
    await eventually(lambda: len(site.asked) > asked + 100, deadline=30)
    await server.start()
    await reach(server, run, 6)
    found = await stopped(server, run)
    check_figures(found)
    assert found["k6Requests"] > 100
    starts = found["metrics"][0]["windowStart"]
    assert len(starts) == len(set(starts)) >= 6
    tell(f"of {found['k6Requests']:.0f} requests that k6 wrote itself none is lost, and PLOG was killed in mid-run")


async def test_what_k6_could_not_write_makes_a_run_invalid_by_so_many(
    fed_by_k6: PlogServer, influx: InfluxServer, site: Site, tell: Tell
) -> None:
    server = fed_by_k6
    run = await start(server, await load_test(server, await target(server, site.address + "/openapi.json"), scenario(seconds=20)))
    await reach(server, run, 2)
    influx.kill()
    asked = len(site.asked)
    await eventually(lambda: len(site.asked) > asked + 200, deadline=30)
    influx.start()
    found = await reaches(server, run, *VERDICTS)
    lost = found["k6Requests"] - found["figures"][0]["requests"]
    assert found["status"] == "INVALID" and lost > 100 and f"{lost:g}" in found["message"], found["message"]
    assert "InfluxDB" in found["log"]["text"] and influx.TOKEN not in found["log"]["text"]
    tell(f"of {found['k6Requests']:.0f} requests that k6 wrote itself {lost:.0f} are lost with InfluxDB killed, and it says so")


@pytest.mark.parametrize("ways", [("runner", "k6"), ("k6", "runner")])
async def test_a_run_under_way_is_read_as_it_was_begun(
    tmp_path: Path, influx: InfluxServer, site: Site, ways: tuple[str, str], tell: Tell
) -> None:
    server = PlogServer(tmp_path / "plog", SETTINGS | influx.settings | {"INFLUXDB__FEED": ways[0]})
    await server.start()
    try:
        of = await target(server, site.address + "/openapi.json")
        run = await start(server, await load_test(server, of, scenario(seconds=8)))
        await reach(server, run, 2)
        await server.kill()
        server.move({"INFLUXDB__FEED": ways[1]})
        await server.start()
        found = await reaches(server, run, *VERDICTS)
    finally:
        await server.stop()
    assert found["status"] == "PASSED", found["message"]
    check_figures(found)
    assert "set-up: 0 requests" not in found["log"]["text"]
    killed = f"PLOG was killed in mid-run and came back with FEED={ways[1]}"
    tell(f"of {found['k6Requests']:.0f} requests of a run with FEED={ways[0]} none is lost, and {killed}")


async def test_a_stop_while_influxdb_is_away_keeps_the_figures(server: PlogServer, influx: InfluxServer, site: Site) -> None:
    of = await target(server, site.address + "/openapi.json")
    run = await start(server, await load_test(server, of, scenario(seconds=60)))
    await reach(server, run, 2)
    influx.pause()
    try:
        asked = len(site.asked)
        await eventually(lambda: len(site.asked) > asked + 300, deadline=30)
        await server.client.command("loadTestStop", STOP, id=run)
        found = await reaches(server, run, *VERDICTS, deadline=25)
    finally:
        influx.resume()
    assert found["status"] == "ABORTED", found["message"]
    check_figures(found)
    assert found["k6Requests"] > 300, "k6 could say its summary"


@pytest.mark.parametrize("name", ["TOKEN", "ORG", "BUCKET"])
async def test_a_wrong_setting_is_named_at_the_start(tmp_path: Path, influx: InfluxServer, name: str) -> None:
    server = PlogServer(tmp_path / "plog", influx.settings | {f"INFLUXDB__{name}": "wrong"})
    ended = server.run("serve")
    assert ended.returncode != 0 and f"PLOG_INFLUXDB__{name} is wrong" in ended.stderr and "Traceback" not in ended.stderr
