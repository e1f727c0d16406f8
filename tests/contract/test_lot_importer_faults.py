"""Imports of lot rows that meet errors which nobody expects: they are tried again, and in the end fail and say so."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from controllers import background_worker, lot_importer
from domain.errors import Unavailable
from domain.lot_import import LotImport, LotImportStatus
from persistence.lot_tables import lot_import
from persistence.unit_of_work import Database
from resolvers.lot_import import cancel_lot_import, resume_lot_import
from resolvers.upload import upload_location
from tests.contract.import_house import ADA, ROWS, ImportHouse, dead, import_house, worked_off
from tests.waiting import eventually


@pytest.fixture
async def house(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ImportHouse:
    return await import_house(database, tmp_path, monkeypatch)


class Faults:
    """Reads of rows that break off at a byte of the file with an error that nobody expects, as often as is said of that byte."""

    def __init__(self, house: ImportHouse, monkeypatch: pytest.MonkeyPatch, times: dict[int, int]) -> None:
        self.left, self._read = times, house.services.artifacts.read
        monkeypatch.setattr(house.services.artifacts, "read", self._read_rows)

    async def _read_rows(self, location: str, start: int, end: int) -> AsyncIterator[bytes]:
        is_of_rows = start > 0  # header, encoding and results are read from the beginning
        place = next((place for place, left in sorted(self.left.items()) if is_of_rows and left and place > start), end)
        async for piece in self._read(location, start, place):
            yield piece
        if place < end:
            self.left[place] -= 1
            raise RuntimeError("an affair of the inside")


async def failed_for(house: ImportHouse, started: LotImport, caplog: pytest.LogCaptureFixture) -> LotImport:
    """The import, which has failed for a reason that can be found in the log, and nowhere else."""
    failed = await house.found(started)
    assert failed.status is LotImportStatus.FAILED
    told = re.fullmatch("Internal error, id ([0-9a-f]{16}), behind row ([0-9]+)[.] .* can be resumed[^.]*[.]", failed.message)
    assert told is not None and int(told[2]) == failed.row_number
    (logged,) = [each for each in caplog.records if getattr(each, "error_id", "") == told[1]]
    assert logged.levelno == logging.ERROR and logged.exc_info is not None and "of the inside" in str(logged.exc_info[1])
    return failed


@pytest.mark.parametrize("servers", [1, 2])
async def test_an_import_that_can_not_be_read_on_fails_and_can_be_resumed(
    house: ImportHouse, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, servers: int
) -> None:
    """Also where the server has died that has tried it first."""
    started, one = await house.started(), house.server()
    with monkeypatch.context() as patched:
        faults = Faults(house, patched, {1200: 99})
        if servers == 2:
            await one.run_once()
            await eventually(lambda: faults.left[1200] < 98)
            await dead(one)
            one = house.server("two", lost_after=0.0)
        before = faults.left[1200]
        await worked_off(one)
        assert before - faults.left[1200] == background_worker.TRIES
        failed = await failed_for(house, started, caplog)
        await worked_off(one)
        assert await house.found(started) == failed
    assert 0 < failed.rows_added == len(await house.lots()) and failed.rows_read < ROWS
    assert len(await house.result(failed)) == failed.rows_refused > 0
    await resume_lot_import(house.services, await house.ada(), started.id)
    await worked_off(one)
    await house.check(started)


@pytest.mark.parametrize("encoding", [None, "utf-8"], ids=["detected", "given"])
async def test_an_import_that_never_stores_a_row_fails_as_well(
    house: ImportHouse, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, encoding: str | None
) -> None:
    started, importer, tries = await house.started(encoding=encoding), house.server(), []

    def broken(*_: Any) -> Any:
        tries.append(1)
        raise RuntimeError("an affair of the inside")

    with monkeypatch.context() as patched:
        patched.setattr(lot_importer, "read_row", broken)
        await worked_off(importer)
    failed = await failed_for(house, started, caplog)
    assert (failed.row_number, len(tries)) == (0, background_worker.TRIES)
    await resume_lot_import(house.services, await house.ada(), started.id)
    await worked_off(importer)
    await house.check(started)


async def test_an_import_whose_result_can_not_be_stored_fails_without_one(
    house: ImportHouse, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    started, importer = await house.started(), house.server()

    def broken(*_: Any) -> Any:
        raise RuntimeError("an affair of the inside")

    with monkeypatch.context() as patched:
        patched.setattr(house.services.artifacts, "append", broken)
        await worked_off(importer)
    failed = await failed_for(house, started, caplog)
    assert failed.result_id is None and failed.bytes_read == failed.size
    await resume_lot_import(house.services, await house.ada(), started.id)
    await worked_off(importer)
    await house.check(started)


async def test_an_import_that_comes_further_each_time_is_tried_again(house: ImportHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    started = await house.started()
    faults = Faults(house, monkeypatch, dict.fromkeys(range(500, started.size, 500), background_worker.TRIES - 1))
    await worked_off(house.server())
    assert len(faults.left) > 2 and not any(faults.left.values())
    await house.check(started)


async def test_an_import_that_is_tried_again_can_be_cancelled(house: ImportHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background_worker, "HEARTBEAT_SECONDS", 0.01)
    started = await house.started()
    faults = Faults(house, monkeypatch, {1200: 99})
    importer = house.server(interval=5.0)
    await importer.run_once()
    await eventually(lambda: faults.left[1200] < 99)
    await cancel_lot_import(house.services, ADA, started.id)
    await asyncio.gather(*importer._working.values())
    assert (await house.found(started)).status is LotImportStatus.CANCELLED and faults.left[1200] == 98


async def test_a_server_is_heard_of_while_what_it_has_to_cancel_waits(
    house: ImportHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background_worker, "HEARTBEAT_SECONDS", 0.01)
    started, importer = await house.started(), house.server()

    def unavailable(*_: Any) -> Any:
        raise Unavailable("The store of artifacts does not answer.")

    async def is_heard_of_after(last: datetime | None) -> datetime | None:
        async with house.database.snapshot() as work:
            connection: Any = work.connection  # type: ignore[attr-defined]
            at: datetime = (await connection.execute(select(lot_import.c.heartbeat_at))).scalar_one()
            return at if last is None or at > last else None

    with monkeypatch.context() as patched:
        patched.setattr(house.services.artifacts, "append", unavailable)  # where the file of refused rows is put
        await importer.run_once()

        async def waits() -> bool:
            return "does not answer" in (await house.found(started)).message

        await eventually(waits)
        await cancel_lot_import(house.services, ADA, started.id)
        last = None
        for _ in range(4):  # one may have been on its way before
            last = await eventually(partial(is_heard_of_after, last))
    await asyncio.gather(*importer._working.values())
    found = await house.found(started)
    assert (found.status, found.fence) == (LotImportStatus.CANCELLED, 1)


async def test_an_import_whose_file_is_gone_when_it_is_resumed_keeps_its_result(
    house: ImportHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    started, importer = await house.started(), house.server()
    Faults(house, monkeypatch, {1200: background_worker.TRIES})
    await worked_off(importer)
    refused = await house.result(await house.found(started))
    await house.services.artifacts.remove(upload_location(ADA.subject, started.sha256).rpartition("/")[0])
    await resume_lot_import(house.services, await house.ada(), started.id)
    await worked_off(importer)
    gone = await house.found(started)
    assert (gone.status, gone.message) == (LotImportStatus.FAILED, "The file that was uploaded is not there any more.")
    assert await house.result(gone) == refused and len(refused) == gone.rows_refused > 0
