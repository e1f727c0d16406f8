"""Imports of lot rows, whatever dies and when: the rows of the file are there once, and so are those that were refused."""

import asyncio
import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from controllers import background_worker, lot_importer
from domain.actor import Person
from domain.errors import IllegalTransition, Unavailable
from domain.lot_import import LotImportStatus, read_row
from domain.query import GrantQuery
from domain.visibility import Involvement
from persistence.unit_of_work import Database
from resolvers.grant import revoke_grant
from resolvers.lot_import import cancel_lot_import, resume_lot_import, tell
from resolvers.upload import upload_location
from tests.contract.import_house import ADA, ROWS, ImportHouse, dead, file, import_house, worked_off
from tests.factories import grant_everything
from tests.fakes import Crash, Fuse
from tests.waiting import eventually


@pytest.fixture
async def house(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ImportHouse:
    return await import_house(database, tmp_path, monkeypatch)


async def test_a_file_is_imported(house: ImportHouse) -> None:
    started = await house.started()
    await worked_off(house.server())
    await house.check(started)
    found = await house.found(started)
    assert found.encoding == "utf-8" and found.started_at is not None and found.ended_at is not None
    again = await house.started()
    await worked_off(house.server())
    found = await house.found(again)
    assert (found.rows_added, found.rows_refused) == (0, found.rows_read)
    reasons = [row[1] for row in await house.result(found)]
    assert any("LOT-2 has a row for step 'S1' already: lot row" in reason for reason in reasons)


@pytest.mark.parametrize("successor", ["one", "two"])
async def test_death_at_every_step(house: ImportHouse, successor: str) -> None:
    """One life for each commit that could be the last thing a server does, before and after it; itself or another goes on."""
    deaths = []
    for steps in range(1, 200):
        tag = f"L{steps}"
        started = await house.started(file(tag=tag))
        importer = house.server()
        house.database.fuse = fuse = Fuse(steps)
        with suppress(Crash):
            await worked_off(importer)
        if fuse.steps is None:
            deaths.append(fuse.names[-1])
        house.database.fuse = Fuse()
        await dead(importer)
        await worked_off(house.server(successor, lost_after=30.0 if successor == "one" else 0.0))
        await house.check(started, tag)
        if len(deaths) < steps:
            break
    assert len(deaths) > 15 and set(deaths) == {"before commit", "after commit"}


async def test_a_database_that_goes_away_costs_time_and_nothing_else(house: ImportHouse) -> None:
    for failures in (1, 3):
        for where in ("before_commit", "after_commit"):
            tag = f"{where[0].upper()}{failures}"
            started = await house.started(file(tag=tag))
            importer = house.server()
            await importer.run_once()
            setattr(house.database, where, failures)
            for _ in range(2 * failures + 2):
                await worked_off(importer)
            await house.check(started, tag)


async def test_rows_whose_commit_was_not_answered_are_not_read_again(
    house: ImportHouse, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    started = await house.started()
    failures = [2]

    async def fail_from_now_on(*given: Any) -> None:
        await tell(*given)
        if failures and (await house.found(started)).rows_read:
            house.database.after_commit = failures.pop()  # the next batch's, and what is read after it

    monkeypatch.setattr(lot_importer, "tell", fail_from_now_on)
    await worked_off(house.server())
    assert not failures and not [record for record in caplog.records if record.exc_info]
    await house.check(started)


class Gate:
    """Holds up what reads rows, in its thread, from a row of the file on, until it is opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, row: int) -> None:
        self.opened, self.reached, self._row = threading.Event(), threading.Event(), row
        monkeypatch.setattr(lot_importer, "read_row", self._read_row)

    def _read_row(self, row: Any, *given: Any) -> Any:
        if row.number >= self._row:
            self.reached.set()
            self.opened.wait(20)
        return read_row(row, *given)


async def test_a_slow_server_that_was_overtaken_writes_nothing_more(house: ImportHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    started, slow = await house.started(), house.server("slow")
    with monkeypatch.context() as patched:
        gate = Gate(patched, 18)  # its batch has no row that is refused
        await slow.run_once()
        await eventually(gate.reached.is_set)
    assert (await house.found(started)).rows_read > 0
    quick = house.server("quick", lost_after=0.0)
    with monkeypatch.context() as patched:
        second = Gate(patched, 26)
        await quick.run_once()
        await eventually(second.reached.is_set)
        before = await house.found(started)
        gate.opened.set()
        await asyncio.gather(*slow._working.values())
        assert await house.found(started) == before and len(await house.lots()) == before.rows_added
        second.opened.set()
        await asyncio.gather(*quick._working.values())
    await house.check(started)


async def test_what_is_being_worked_on_is_left_alone(house: ImportHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background_worker, "HEARTBEAT_SECONDS", 0.01)
    started, one = await house.started(), house.server("one")
    gate = Gate(monkeypatch, 15)
    await one.run_once()
    await eventually(gate.reached.is_set)
    held = await house.found(started)
    other = house.server("other", lost_after=1.0)

    async def has_waited() -> bool:
        await other.run_once()
        return datetime.now(UTC) - held.updated_at > timedelta(seconds=2)

    await eventually(has_waited, every=0.05)
    assert not other._working and (await house.found(started)).fence == held.fence
    gate.opened.set()
    await asyncio.gather(*one._working.values())
    await house.check(started)


async def test_a_server_that_is_stopped_leaves_its_imports_to_others_at_once(
    house: ImportHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    started, one = await house.started(), house.server("one")
    with monkeypatch.context() as patched:
        gate = Gate(patched, 15)
        running = asyncio.create_task(one.run())
        await eventually(gate.reached.is_set)
        gate.opened.set()
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
    await worked_off(house.server("two"))
    await house.check(started)


@pytest.mark.parametrize("row", [6, 15])
async def test_an_import_that_is_cancelled_ends_and_keeps_what_it_has_added(
    house: ImportHouse, monkeypatch: pytest.MonkeyPatch, row: int
) -> None:
    """Whether its server notices by the next batch, or as it is waiting for something."""
    monkeypatch.setattr(background_worker, "HEARTBEAT_SECONDS", 0.01 if row == 6 else 30)
    started, one = await house.started(), house.server()
    gate = Gate(monkeypatch, row)
    await one.run_once()
    await eventually(gate.reached.is_set)
    cancelled = await cancel_lot_import(house.services, ADA, started.id)
    assert (cancelled.status, cancelled.is_cancel_requested) == (LotImportStatus.RUNNING, True)
    if row == 15:
        gate.opened.set()
    await asyncio.gather(*one._working.values())
    gate.opened.set()
    found, added = await house.found(started), len(await house.lots())
    assert (found.status, found.rows_added) == (LotImportStatus.CANCELLED, added) and found.rows_read < ROWS
    assert f"the {added} rows that it had added stay" in found.message
    assert len(await house.result(found)) == found.rows_refused if found.rows_refused else found.result_id is None
    with pytest.raises(IllegalTransition):
        await resume_lot_import(house.services, await house.ada(), started.id)


async def test_a_permission_that_is_revoked_ends_an_import_which_can_be_resumed(
    house: ImportHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    started, one = await house.started(), house.server()
    gate = Gate(monkeypatch, 15)
    await one.run_once()
    await eventually(gate.reached.is_set)
    chris = Person(subject="demo:chris", name="Chris", expires_at=ADA.expires_at, groups=frozenset({"approvers"}))
    async with house.database.snapshot() as work:
        grants = (await work.grants.page(GrantQuery(), Involvement(ADA.subject))).items
    for grant in grants:
        if grant.kind.startswith("LOGIC"):
            await revoke_grant(house.services, chris, grant.id, "no more")
    gate.opened.set()
    await asyncio.gather(*one._working.values())
    failed = await house.found(started)
    assert failed.status is LotImportStatus.FAILED
    assert failed.message.startswith(
        f"The permission to work in LOGIC has ended; nothing was read behind row {failed.row_number}."
    )
    assert len(await house.lots()) == failed.rows_added and failed.rows_read < ROWS
    await grant_everything(house.services, "ada")
    resumed = await resume_lot_import(house.services, await house.ada(), started.id)
    assert (resumed.status, resumed.message, resumed.ended_at) == (LotImportStatus.QUEUED, "", None)
    await worked_off(house.server())
    await house.check(started)


async def test_a_file_that_is_gone_fails(house: ImportHouse) -> None:
    started = await house.started()
    await house.services.artifacts.remove(upload_location(ADA.subject, started.sha256).rpartition("/")[0])
    await worked_off(house.server())
    found = await house.found(started)
    assert (found.status, found.message) == (LotImportStatus.FAILED, "The file that was uploaded is not there any more.")


async def test_an_import_waits_while_files_can_not_be_read(house: ImportHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    started, importer = await house.started(), house.server()

    def unavailable(*_: Any) -> Any:
        raise Unavailable("The store of artifacts does not answer.")

    with monkeypatch.context() as patched:
        patched.setattr(house.services.artifacts, "read", unavailable)
        working = asyncio.create_task(worked_off(importer))

        async def waits() -> bool:
            return (await house.found(started)).message.endswith("The store of artifacts does not answer.")

        await eventually(waits)
    assert (await house.found(started)).status is LotImportStatus.RUNNING
    await working
    await house.check(started)
