"""The daily batch by real servers: two of them at the same instant, and kill -9 in the middle of it."""

import asyncio
import base64
import json
import os
import random
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from skops.io import dumps, get_untrusted_types, loads

from domain.batch_query import LotResultQuery
from domain.lot_result import LotResult
from domain.lot_row import LotRow
from domain.query import LotRowQuery
from domain.visibility import EVERYTHING
from persistence.engine import open_engines
from persistence.unit_of_work import Database
from tests.e2e.server import PlogServer
from tests.endurance import SHARE, Tell
from tests.services import RedisServer
from tests.waiting import eventually

FEATURES = ["x0", "x1", "x2"]
ADD = """mutation ($inputs: [LotRowInput!]!) { lotRowsAdd(inputs: $inputs) {
  ... on LotRowsAddPayload { results { isAdded message } } ... on UserError { code message } } }"""
CREATE = """mutation ($input: SetUpModelInput!) { setUpModelCreate(input: $input) {
  ... on SetUpModelCreatePayload { setUpModel { id } } ... on UserError { code message }
  ... on ValidationFailed { problems { field message } } } }"""
COPY = """mutation ($id: ID!, $name: String!) { setUpModelCopy(sourceId: $id, input: {name: $name}) {
  ... on SetUpModelCreatePayload { setUpModel { id } } ... on UserError { code message } } }"""
ASSIGN = """mutation ($input: ModelAssignInput!) { modelAssign(input: $input) {
  ... on ModelAssignmentPayload { modelAssignment { id } } ... on UserError { code message } } }"""
START = """mutation { dailyBatchRun(productLine: LOGIC) { __typename
  ... on DailyBatchRunPayload { dailyBatchRun { id } } ... on AlreadyRunning { dailyBatchRunId }
  ... on UserError { message } } }"""
FOUND = """query ($id: ID!) { dailyBatchRun(id: $id) { status message endedAt considered stored skipped refused } }"""


def trained() -> bytes:
    """A model whose results depend on all features."""
    rows = pd.DataFrame(np.random.default_rng(3).normal(size=(60, 3)), columns=FEATURES)
    forest = RandomForestRegressor(20, random_state=1, n_jobs=1)
    return bytes(dumps(Pipeline([("scale", StandardScaler()), ("model", forest)]).fit(rows, rows.prod(axis=1))))


async def set_up(server: PlogServer, content: bytes) -> str:
    """The id of a model of that file."""
    source = {"upload": {"sha256": await server.upload(content), "targets": ["y"]}}
    document = {"name": "forest", "productLine": "LOGIC", "source": source}
    return str((await server.client.command("setUpModelCreate", CREATE, input=document))["setUpModel"]["id"])


async def assign(server: PlogServer, model: str, **rule: str) -> None:
    await server.client.command("modelAssign", ASSIGN, input={"modelId": model, "rule": rule})


async def add_lots(server: PlogServer, first: int, count: int) -> None:
    """Lots of these numbers, whose inputs are drawn from them."""
    rows = []
    for number in range(first, first + count):
        values = np.random.default_rng(number).normal(size=3)
        rows.append(
            {
                "productLine": "LOGIC",
                "lotId": f"LOT-{number:06d}",
                "product": "SoC",
                "step": f"S{number // max(1, count)}",
                "equipment": "E",
                "measuredAt": "2026-07-01T09:30:00+09:00",
                "quantity": 25,
                "attributes": dict(zip(FEATURES, map(float, values), strict=True)),
            }
        )
    for place in range(0, count, 500):
        answer = await server.client.command("lotRowsAdd", ADD, inputs=rows[place : place + 500])
        assert all(each["isAdded"] for each in answer["results"])


async def state(server: PlogServer, run: str) -> dict[str, Any]:
    return dict((await server.client.run(FOUND, id=run))["dailyBatchRun"])


async def ended(server: PlogServer, run: str) -> dict[str, Any]:
    async def is_over() -> dict[str, Any] | None:
        found = await state(server, run)
        return found if found["endedAt"] else None

    return dict(await eventually(is_over, deadline=300, every=0.1) or {})


async def stored(server: PlogServer) -> tuple[list[LotRow], list[LotResult]]:
    """All rows and results of the server's database."""
    url = server.environment.get("PLOG_DATABASE__URL") or f"sqlite+aiosqlite:///{server.home / 'data' / 'plog.db'}"
    database = Database(*open_engines(url))
    try:
        async with database.snapshot() as work:
            rows = (await work.lot_rows.page(LotRowQuery(first=1_000_000), EVERYTHING)).items
            results = (await work.lot_results.page(LotResultQuery(first=1_000_000), EVERYTHING)).items
        return list(rows), list(results)
    finally:
        await database.close()


def check(content: bytes, rows: Sequence[LotRow], results: Sequence[LotResult], models: int) -> None:
    """Each row has one result of each model, and exactly what skops and scikit-learn predict for it apart from PLOG."""
    keys = {(each.lot_row_id, each.lot_row_version, each.model_version) for each in results}
    assert len(keys) == len(results) == len(rows) * models
    model = loads(content, trusted=get_untrusted_types(data=content))
    values = [[float(row.definition.attributes[name]) for name in FEATURES] for row in rows]
    # Trees compare and add up row by row: all at once gives the same as one by one.
    predicted = model.predict(pd.DataFrame(values, columns=FEATURES))
    expected = {row.id: float(value) for row, value in zip(rows, predicted, strict=True)}
    assert [each.outputs for each in results] == [(expected[each.lot_row_id],) for each in results]


async def test_the_command_starts_a_run_and_follows_it_to_its_end(tmp_path: Path) -> None:
    server = PlogServer(tmp_path / "plog")
    await server.start()
    try:
        await assign(server, await set_up(server, trained()), product="SoC")
        await add_lots(server, 0, 30)
        dry = await asyncio.to_thread(server.run, "batch", "run", "--dry-run")
        assert dry.returncode == 0 and "30 would be stored, 0 skipped, 0 refused" in dry.stdout, dry
        told = await asyncio.to_thread(server.run, "batch", "run", "--product-line", "LOGIC", "--json")
        run = json.loads(told.stdout)
        assert (told.returncode, run["status"], run["stored"], run["isDryRun"]) == (0, "SUCCEEDED", 30, False), told
        refused = await asyncio.to_thread(server.run, "batch", "run", "--product-line", "NONE")
        assert refused.returncode == 1 and "ProductLine" in refused.stderr, refused
    finally:
        await server.stop()


@pytest.mark.endurance
@pytest.mark.timeout(1800)
async def test_two_servers_that_trigger_at_the_same_instant_store_nothing_twice(
    tmp_path: Path, migrated_postgres_url: str, redis_server: RedisServer, tell: Tell
) -> None:
    """50 times in full."""
    times, content = max(5, round(50 * SHARE)), trained()
    settings = {
        "DATABASE__URL": migrated_postgres_url,
        "REDIS__URL": redis_server.url,
        "ARTIFACTS__URL": str(tmp_path / "artifacts"),
        "SECRETS__KEYS": json.dumps(["shared:" + base64.b64encode(os.urandom(32)).decode()]),
    }
    servers = [PlogServer(tmp_path / name, settings) for name in ("one", "two")]
    try:
        for server in servers:
            await server.start()
        model = await set_up(servers[0], content)
        await assign(servers[0], model, product="SoC")
        refusals = 0
        for number in range(times):
            await add_lots(servers[0], number * 20, 20)
            answers = [
                answer["dailyBatchRun"]
                for answer in await asyncio.gather(*(server.client.run(START) for server in servers for _ in range(2)))
            ]
            started = [each["dailyBatchRun"]["id"] for each in answers if each["__typename"] == "DailyBatchRunPayload"]
            others = [each["dailyBatchRunId"] for each in answers if each["__typename"] == "AlreadyRunning"]
            assert len(started) == 1 and others == started * 3, answers
            refusals += len(others)
            found = await ended(servers[number % 2], started[0])
            assert (found["status"], found["stored"], found["skipped"]) == ("SUCCEEDED", 20, 20 * number), found
        rows, results = await stored(servers[0])
        check(content, rows, results, 1)
        tell(f"{times} times two servers at once, {len(results)} results, none twice; {refusals} others said so")
    finally:
        for server in servers:
            await server.stop()


async def has_more(server: PlogServer, run: str, before: int) -> bool:
    """Whether the run has stored more results, or has ended."""
    found = await state(server, run)
    return found["stored"] > before or bool(found["endedAt"])


async def wait_for_moment(seconds: float) -> None:
    """Let the server work for a while: the moment of the kill is what the test is about."""
    await asyncio.sleep(seconds)


@pytest.mark.endurance
@pytest.mark.timeout(1800)
async def test_kill_9_in_the_middle_of_the_batch(tmp_path: Path, database_settings: dict[str, str], tell: Tell) -> None:
    """20 kills in full, each at a random moment of a run: the results are complete, and each is there once."""
    kills, content, chance = max(2, round(20 * SHARE)), trained(), random.Random(4)
    server = PlogServer(tmp_path / "plog", database_settings)
    await server.start()
    try:
        model = await set_up(server, content)
        await add_lots(server, 0, 3_000)
        models, run = 0, ""
        places: list[int] = []
        while len(places) < kills:
            if not run or (await state(server, run))["endedAt"]:
                models += 1
                if models > 1:
                    model = (await server.client.command("copy", COPY, id=model, name=f"copy {models}"))["setUpModel"]["id"]
                await assign(server, model, product="SoC")
                run = str((await server.client.run(START))["dailyBatchRun"]["dailyBatchRun"]["id"])
            before = (await state(server, run))["stored"]
            if (
                len(places) % 2
            ):  # each other kill falls between two batches of rows, the others anywhere, also before there is one
                await eventually(partial(has_more, server, run, before), deadline=60, every=0.01)
            await wait_for_moment(chance.uniform(0.0, 0.2 if len(places) % 2 else 8.0))
            seen = await state(server, run)
            if not seen["endedAt"]:
                places.append(seen["stored"])
                await server.kill()
                await server.start()
        found = await ended(server, run)
        assert (found["status"], found["message"]) == ("SUCCEEDED", "")
        rows, results = await stored(server)
        check(content, rows, results, models)
        stages = f"{min(places)} to {max(places)} results were stored"
        tell(f"{kills} kills while {stages}, {models} runs: {len(results)} results, each once")
        assert max(places) > 0
    finally:
        await server.stop()
