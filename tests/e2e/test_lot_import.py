"""Imports of 100,000 lot rows by real servers: how long they take and how much memory, and kill -9 in the middle of them."""

import asyncio
import base64
import csv
import hashlib
import io
import json
import os
import random
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from domain.lot_row import MAX_QUANTITY, LotRow
from domain.query import LotRowOrder, LotRowQuery
from domain.visibility import EVERYTHING
from persistence.engine import open_engines
from persistence.unit_of_work import Database
from tests.e2e.server import PlogServer
from tests.endurance import SHARE, Tell
from tests.waiting import eventually

START = """mutation ($input: LotImportInput!) { lotImportStart(input: $input) {
  ... on LotImportPayload { lotImport { id } } ... on UserError { code message } } }"""
FOUND = """query ($id: ID!) { lotImport(id: $id) { status message bytesRead bytesTotal rowsRead rowsAdded rowsRefused endedAt
  result { downloadUrl } } }"""
STEPS = 10
REFUSED_OF = 1_000  # every so many rows there is one that is refused


def file_of(rows: int) -> bytes:
    """A file of so many rows, of each 1,000 of which one is no row, and another a duplicate of the one before it."""
    text = io.StringIO()
    writer = csv.writer(text)
    attributes = [f"attribute.x{number}" for number in range(5)]
    writer.writerow(["productLine", "lotId", "product", "step", "equipment", "measuredAt", "quantity", *attributes])
    chance = random.Random(5)
    for number in range(rows):
        known = number - 1 if number % REFUSED_OF == 3 else number
        quantity = 0 if number % REFUSED_OF == 1 else 25
        values = [round(chance.uniform(-1, 1), 6) for _ in attributes]
        lot = (f"LOT-{known // STEPS:06d}", f"제품-{known % 7}", f"STEP-{known % STEPS:02d}", f"EQP-{known % 90:03d}")
        writer.writerow(["LOGIC", *lot, "2026-07-01T09:30:00+09:00", quantity, *values])
    return text.getvalue().encode()


def expected(content: bytes) -> tuple[dict[tuple[str, str], list[str]], dict[int, list[str]]]:
    """The file's rows that are added, by lot and step, and those that are refused, by their numbers."""
    added: dict[tuple[str, str], list[str]] = {}
    refused = {}
    for number, row in enumerate(csv.reader(io.StringIO(content.decode(), newline="")), 1):
        if number > 1 and (row[6] == "0" or (row[1], row[3]) in added):
            refused[number] = row
        elif number > 1:
            added[row[1], row[3]] = row
    return added, refused


def reason(row: list[str], stored: Mapping[tuple[str, str], LotRow]) -> str:
    """Why the row is refused, with these stored."""
    if row[6] == "0":
        return f"quantity: must be from 1 to {MAX_QUANTITY}"
    return f"lotId: lot {row[1]} has a row for step {row[3]!r} already: lot row {stored[row[1], row[3]].id}"


async def started(server: PlogServer, content: bytes) -> str:
    """The id of an import of a file that was sent."""
    sha256 = hashlib.sha256(content).hexdigest()
    async with httpx.AsyncClient(timeout=60, headers={"Authorization": f"Bearer {server.token}"}) as client:
        response = await client.put(f"{server.url}/uploads/{sha256}?size={len(content)}", content=content)
    assert response.status_code == 204, response.text
    return str((await server.client.command("lotImportStart", START, input={"upload": sha256}))["lotImport"]["id"])


async def found(server: PlogServer, id: str) -> dict[str, Any]:
    return dict((await server.client.run(FOUND, id=id))["lotImport"])


async def ended(server: PlogServer, id: str) -> dict[str, Any]:
    async def is_over() -> dict[str, Any] | None:
        each = await found(server, id)
        return each if each["endedAt"] else None

    return dict(await eventually(is_over, deadline=600, every=0.25) or {})


async def stored(server: PlogServer) -> list[LotRow]:
    """All rows of the server's database."""
    url = server.environment.get("PLOG_DATABASE__URL") or f"sqlite+aiosqlite:///{server.home / 'data' / 'plog.db'}"
    database = Database(*open_engines(url))
    rows: list[LotRow] = []
    query = LotRowQuery(order=LotRowOrder.NUMBER, is_descending=False, first=5_000)
    try:
        while True:
            async with database.snapshot() as work:
                page = await work.lot_rows.page(query, EVERYTHING)
            rows += page.items
            if not page.has_more:
                return rows
            last = page.items[-1].id
            query = LotRowQuery(order=LotRowOrder.NUMBER, is_descending=False, first=5_000, after=(last, last))
    finally:
        await database.close()


async def check(server: PlogServer, content: bytes, end: dict[str, Any]) -> None:
    """Every row of the file is there once with what the file says, or in the list of those that were refused, with the reason."""
    added, refused = expected(content)
    assert (end["status"], end["message"]) == ("SUCCEEDED", "")
    assert (end["rowsRead"], end["rowsAdded"], end["rowsRefused"]) == (len(added) + len(refused), len(added), len(refused))
    assert end["bytesRead"] == end["bytesTotal"] == len(content)
    rows = [row for row in await stored(server) if row.definition.lot_id.startswith("LOT-")]
    assert len(rows) == len(added)
    for row in rows:
        said = row.definition
        line = added[said.lot_id, said.step]
        assert [str(said.product_line), said.product, said.equipment, said.quantity] == [line[0], line[2], line[4], 25]
        assert list(said.attributes.values()) == [float(each) for each in line[7:]] and row.version == 1
    async with httpx.AsyncClient(timeout=60) as client:
        told = (await client.get(end["result"]["downloadUrl"])).raise_for_status().content
    known = {(row.definition.lot_id, row.definition.step): row for row in rows}
    listed = list(csv.reader(io.StringIO(told.decode("utf-8-sig"), newline="")))[1:]
    assert listed == [[str(number), reason(row, known), *row] for number, row in refused.items()]


@asynccontextmanager
async def watched_memory(server: PlogServer) -> AsyncIterator[list[int]]:
    """The most resident memory of the server meanwhile, in bytes, looked at all the time."""
    peak = [0]

    async def watch() -> None:
        process = psutil.Process(server.pid)
        while True:
            peak[0] = max(peak[0], process.memory_info().rss)
            await asyncio.sleep(0.02)

    watching = asyncio.create_task(watch())
    try:
        yield peak
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching


@pytest.mark.endurance
@pytest.mark.timeout(1200)
async def test_req_005_1_a_hundred_thousand_rows(tmp_path: Path, database_settings: dict[str, str], tell: Tell) -> None:
    """100,000 rows in full; a server's memory does not grow with the file."""
    rows = max(2_000, round(100_000 * SHARE))
    content = file_of(rows)
    server = PlogServer(tmp_path / "plog", database_settings)
    await server.start()
    try:
        small = file_of(1_000).replace(b"LOT-", b"PRE-")
        await ended(server, await started(server, small))
        before = psutil.Process(server.pid).memory_info().rss
        began = time.monotonic()
        async with watched_memory(server) as peak:
            id = await started(server, content)
            end = await ended(server, id)
        seconds = time.monotonic() - began
        kind = "PostgreSQL" if database_settings else "SQLite"
        tell(
            f"{kind}: {rows:,} rows ({len(content) / 1e6:.1f} MB) in {seconds:.1f} s, {rows / seconds:,.0f} rows a second; "
            f"resident memory {before / 1e6:.0f} MB before, {peak[0] / 1e6:.0f} MB at its peak"
        )
        assert peak[0] - before < 100e6
        assert end["rowsRefused"] == 2 * rows // REFUSED_OF
        await check(server, content, end)
    finally:
        await server.stop()


@pytest.mark.endurance
@pytest.mark.timeout(1800)
async def test_kill_9_in_the_middle_of_an_import(tmp_path: Path, database_settings: dict[str, str], tell: Tell) -> None:
    """20 kills at most, each at a random moment of an import, until it has ended: the rows are those of the file, each once."""
    kills, chance = max(3, round(20 * SHARE)), random.Random(3)
    content = file_of(max(10_000, round(100_000 * SHARE)))
    server = PlogServer(tmp_path / "plog", database_settings)
    await server.start()
    try:
        id = await started(server, content)
        places: list[int] = []
        while len(places) < kills and not (seen := await found(server, id))["endedAt"]:
            await wait_for_moment(chance.uniform(0.0, 1.0))
            places.append(seen["rowsRead"])
            await server.kill()
            await server.start()
        await check(server, content, await ended(server, id))
        tell(f"{len(places)} kills while rows {min(places):,} to {max(places):,} had been read: every row once")
        assert max(places) > 0, places
    finally:
        await server.stop()


@pytest.mark.endurance
@pytest.mark.timeout(600)
async def test_another_server_takes_up_what_a_killed_one_was_at(tmp_path: Path, migrated_postgres_url: str, tell: Tell) -> None:
    """Both have one database and one store of files, and nothing else in common."""
    shared = {
        "DATABASE__URL": migrated_postgres_url,
        "ARTIFACTS__URL": str(tmp_path / "artifacts"),
        "SECRETS__KEYS": json.dumps(["shared:" + base64.b64encode(os.urandom(32)).decode()]),
        "RUNNER__LOST_AFTER_SECONDS": "1",
    }
    content = file_of(max(10_000, round(100_000 * SHARE)))
    one, other = PlogServer(tmp_path / "one", shared), PlogServer(tmp_path / "other", shared)
    await one.start()
    try:
        id = await started(one, content)

        async def is_under_way() -> int:
            return int((await found(one, id))["rowsRead"])

        read = await eventually(is_under_way, deadline=60, every=0.05)
        await one.kill()
        await other.start()
        await check(other, content, await ended(other, id))
        tell(f"killed when {read:,} rows had been read; the other server read the rest: every row once")
    finally:
        await asyncio.gather(one.stop(), other.stop())


async def wait_for_moment(seconds: float) -> None:
    """Let the server work for a while: the moment of the kill is what the test is about."""
    await asyncio.sleep(seconds)
