"""Two servers on one PostgreSQL and one Redis: a job is run once, both show the same, and one takes over from the other."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from app.client import Client
from tests.api.permissions import APPLY, AUDIT, GRANTS, change, decide
from tests.e2e.server import RETRY, PlogServer
from tests.e2e.test_kill import quick_document, started
from tests.e2e.test_load_test_run import (
    STOP,
    VERDICTS,
    check_figures,
    load_test,
    reaches,
    read,
    scenario,
    site,
    start,
    target,
)
from tests.services import RedisServer
from tests.sites import Site
from tests.waiting import eventually

STATE = "subscription ($id: ID!) { kitState(id: $id) { fromVersion toVersion isSnapshot kit { status } } }"
UNHEARD = "query ($id: ID!) { loadTestRun(id: $id) { unheardSince } }"
CANCEL = "mutation ($id: ID!) { kitCancel(id: $id) { ... on UserError { code message } } }"
pytestmark = pytest.mark.timeout(240)
__all__ = ["site"]
Pair = tuple[PlogServer, PlogServer]
soon_lost = pytest.mark.parametrize("pair", ["2"], indirect=True)


@pytest.fixture
async def pair(
    tmp_path: Path, migrated_postgres_url: str, redis_server: RedisServer, request: pytest.FixtureRequest
) -> AsyncIterator[Pair]:
    """Both run attempts; each has a data folder of its own, as on two machines; what they share is in the settings.

    Its parameter is the silence in seconds after which one is lost: short only where one is killed, as a busy machine is silent.
    """
    keys = '["k:%s"]' % ("a" * 43 + "=")
    settings = {"DATABASE__URL": migrated_postgres_url, "REDIS__URL": redis_server.url, "SECRETS__KEYS": keys}
    settings |= {
        "ARTIFACTS__URL": str(tmp_path / "artifacts"),
        "RUNNER__LOST_AFTER_SECONDS": getattr(request, "param", "30"),
        "K6__WINDOW_SECONDS": "1",
    }
    servers = []
    try:
        for name in ("a", "b"):
            (tmp_path / name).mkdir()
            servers.append(await started(tmp_path / name, settings))
        yield servers[0], servers[1]
    finally:
        await asyncio.gather(*(server.stop() for server in servers))


async def test_both_run_jobs_each_once_and_show_the_same(pair: Pair) -> None:
    a, b = pair
    kits = [await server.create_kit(quick_document()) for server in (a, b, a, b)]
    for kit in kits:
        ended = await a.ended(kit["number"])
        assert ended["status"] == "SUCCEEDED", ended
        assert all(len(job["attempts"]["nodes"]) == 1 for job in ended["jobs"])
        assert shown(await b.kit(kit["number"])) == shown(ended)
        started_jobs = Counter(event["jobId"] for event in await history(b, kit["number"]) if event["status"] == "RUNNING")
        assert set(started_jobs.values()) == {1} and len(started_jobs) == 4


def shown(kit: dict[str, Any]) -> dict[str, Any]:
    """A kit without its download links, which name the server and the time."""
    without = [{key: value for key, value in job.items() if key != "artifacts"} for job in kit["jobs"]]
    return {**kit, "jobs": without}


async def history(server: PlogServer, number: int) -> list[dict[str, Any]]:
    query = """query ($number: Int!, $after: String) { kitByNumber(number: $number) { events(first: 100, after: $after,
      filter: {kinds: [STATUS]}) { nodes { jobId task status version } pageInfo { hasNextPage endCursor } } } }"""
    events: list[dict[str, Any]] = []
    after = None
    while True:
        page = (await server.client.run(query, number=number, after=after))["kitByNumber"]["events"]
        events += [event for event in page["nodes"] if event["task"] is None]
        if not page["pageInfo"]["hasNextPage"]:
            return events
        after = page["pageInfo"]["endCursor"]


async def seen_after(client: Client, frames: AsyncIterator[dict[str, Any]], kit_id: str) -> float:
    """Cancel the kit through `client`; the seconds until `frames` show it."""
    began = monotonic()
    await client.command("kitCancel", CANCEL, id=kit_id)
    async for frame in frames:
        if frame["kitState"]["kit"]["status"] == "CANCELLED":
            return monotonic() - began
    raise AssertionError("the stream has ended")


async def test_what_is_done_through_one_is_seen_through_the_other_also_without_redis(
    pair: Pair, redis_server: RedisServer
) -> None:
    a, b = pair
    for is_redis_up, limit in ((True, 1.5), (False, 4.0)):
        kit = await a.create_kit(quick_document(), start=False)
        frames = b.client.stream(STATE, id=kit["id"])
        assert (await anext(frames))["kitState"]["isSnapshot"]
        if not is_redis_up:
            redis_server.kill()
        try:
            assert await seen_after(a.client, frames, kit["id"]) < limit
            if not is_redis_up:
                running = await b.create_kit(quick_document())
                assert (await a.ended(running["number"]))["status"] == "SUCCEEDED"
        finally:
            if not is_redis_up:
                redis_server.start()
    kit = await a.create_kit(quick_document(), start=False)
    frames = b.client.stream(STATE, id=kit["id"])
    await anext(frames)
    assert await seen_after(a.client, frames, kit["id"]) < 4.0


async def test_of_decisions_through_both_at_the_same_moment_one_is_stored(pair: Pair) -> None:
    """By two processes; whoever comes second is told what it became."""
    tokens = {user: pair[0].run("token", user).stdout.strip() for user in ("chris", "dana")}
    deciders = [Client(server.url, tokens["chris"]) for server in pair]
    dana = Client(pair[0].url, tokens["dana"])
    asked, outcomes = {"kinds": ["LOGIC_GENERAL"], "reason": "x"}, Counter[str]()
    for turn in range(20):
        (request,) = (await dana.command("permissionRequestCreate", APPLY, input=asked))["permissionRequests"]
        names = ["Approve", "Reject"] if turn % 2 else ["Approve", "Approve"]
        answers = await asyncio.gather(
            *(client.run(decide(name), id=request["id"], reason="x") for client, name in zip(deciders, names, strict=True))
        )
        told = [next(iter(each.values())) for each in answers]
        (payload,) = [each for each in told if each["__typename"] == "PermissionRequestPayload"]
        (refusal,) = [each for each in told if each["__typename"] == "IllegalTransition"]
        status = payload["permissionRequest"]["status"]
        assert refusal["current"] == status
        outcomes[status] += 1
        grants = (await dana.run(GRANTS, filter={"status": ["ACTIVE"]}))["grants"]["nodes"]
        assert len(grants) == (status == "APPROVED")
        for grant in grants:
            await dana.run(change("Revoke"), id=grant["id"], reason="x")
    entries = (await dana.run(AUDIT))["auditEntries"]["nodes"]
    decided = Counter(each["action"].removeprefix("PERMISSION_") for each in entries)
    assert {name: decided[name] for name in ("APPROVED", "REJECTED") if name in decided} == dict(outcomes)


@soon_lost
async def test_one_is_killed_and_the_other_settles_and_retries(pair: Pair) -> None:
    servers = pair
    kit = await servers[0].create_kit(quick_document())

    def with_attempt() -> PlogServer | None:
        return next((server for server in servers if server.attempt_processes()), None)

    victim = await eventually(with_attempt, deadline=30)
    assert victim is not None
    other = servers[1] if victim is servers[0] else servers[0]
    await victim.kill()
    for process in victim.attempt_processes():  # the machine is gone
        process.kill()
    ended = await other.ended(kit["number"], deadline=30)
    failed = next(job for job in ended["jobs"] if job["status"] == "FAILED")
    assert failed["attempt"]["cause"] == "RUNNER_LOST", failed
    await other.client.command("jobRetry", RETRY, id=failed["id"])
    again = await other.ended(kit["number"])
    assert again["status"] == "SUCCEEDED", again
    attempts = next(job for job in again["jobs"] if job["id"] == failed["id"])["attempts"]["nodes"]
    assert [each["status"] for each in attempts] == ["FAILED", "SUCCEEDED"]
    await victim.start()
    assert shown(await victim.kit(kit["number"])) == shown(again)


async def with_load(pair: Pair, site: Site) -> Pair:
    """The server whose load generator asks the site (one that says its version is there before), and the other one."""
    await eventually(lambda: len(site.asked) > 100, deadline=60)
    (busy,) = [server for server in pair if server.attempt_processes("k6")]
    return busy, pair[1] if busy is pair[0] else pair[0]


async def is_missed(server: PlogServer, run: str) -> bool:
    return (await server.client.run(UNHEARD, id=run))["loadTestRun"]["unheardSince"] is not None


@soon_lost
async def test_a_load_test_whose_server_is_killed_keeps_its_target_and_all_of_its_figures(pair: Pair, site: Site) -> None:
    of = await target(pair[0], site.address + "/openapi.json")
    first = await start(pair[0], await load_test(pair[0], of, scenario(seconds=25), title="first"))
    second = await start(pair[0], await load_test(pair[0], of, scenario(seconds=2), title="second"))
    await reaches(pair[0], first, "RUNNING")
    victim, other = await with_load(pair, site)
    await victim.kill()
    await eventually(lambda: is_missed(other, first), deadline=20)
    asked = len(site.asked)
    await eventually(lambda: len(site.asked) > asked + 100, deadline=20)
    missed, waiting = await read(other, first), await read(other, second)
    assert missed["status"] == "RUNNING" and "has not been heard of since" in missed["message"], missed
    assert waiting["status"] == "QUEUED" and not other.attempt_processes()
    await victim.start()
    found = await reaches(other, first, *VERDICTS, deadline=90)
    assert (found["status"], found["message"]) == ("PASSED", "It ran to its end; nothing was judged."), found
    check_figures(found)
    last = await reaches(other, second, *VERDICTS, deadline=90)
    assert last["status"] == "PASSED" and last["startedAt"] >= found["endedAt"], last


@soon_lost
async def test_a_stop_says_that_it_does_not_reach_a_load_whose_server_is_away(pair: Pair, site: Site) -> None:
    of = await target(pair[0], site.address + "/openapi.json")
    run = await start(pair[0], await load_test(pair[0], of, scenario(seconds=300)))
    await reaches(pair[0], run, "RUNNING")
    victim, other = await with_load(pair, site)
    await victim.kill()
    await eventually(lambda: is_missed(other, run), deadline=20)
    await other.client.command("loadTestStop", STOP, id=run)
    asked = len(site.asked)
    await eventually(lambda: len(site.asked) > asked + 100, deadline=20)
    found = await read(other, run)
    assert found["status"] == "STOPPING" and found["message"].startswith("Stopped by demo:ada. The server"), found
    await victim.start()
    found = await reaches(other, run, *VERDICTS)
    assert (found["status"], found["message"]) == ("ABORTED", "Stopped by demo:ada."), found
    check_figures(found)
    assert not victim.attempt_processes()
