"""Imports of lot rows, whatever dies and when: the rows of the file are there once, and so are those that were refused."""

import asyncio
import csv
import hashlib
import io
import threading
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.artifacts import open_artifacts
from controllers import lot_importer
from controllers.lot_importer import LotImporter, LotImporterSettings
from domain.actor import Person
from domain.approver import EVERY_KIND, Approvers
from domain.errors import IllegalTransition, Unavailable
from domain.lot_import import LotImport, LotImportStatus, read_row
from domain.query import GrantQuery, LotRowQuery
from domain.visibility import EVERY_MODEL, EVERYTHING, Involvement, Membership
from persistence.unit_of_work import Database
from resolvers.grant import revoke_grant
from resolvers.lot_import import cancel_lot_import, find_lot_imports, resume_lot_import, start_lot_import
from resolvers.rights import with_rights
from resolvers.services import Services
from resolvers.upload import keep, upload_location
from tests.factories import grant_everything
from tests.fakes import Crash, FailingDatabase, Fuse, fake_services
from tests.waiting import eventually

BATCH = 4
ROWS = 30
ADA = Person(subject="demo:ada", name="Ada", expires_at=datetime(2100, 1, 1, tzinfo=UTC))
HEADER = "productLine,lotId,product,step,equipment,measuredAt,quantity,attribute.cd\r\n"


def line(number: int, tag: str) -> str:
    """A row of the file; each ninth is empty, each eleventh the lot of row 1 again, each seventh without a quantity."""
    if number % 9 == 0:
        return "\r\n"
    lot, quantity = (1 if number % 11 == 0 else number), ("none" if number % 7 == 0 else number)
    return f'LOGIC,{tag}-{lot},"p\r\n{number}",S1,E1,2026-07-01T09:30:00+09:00,{quantity},{number}.5\r\n'


def file(rows: int = ROWS, tag: str = "LOT") -> bytes:
    return (HEADER + "".join(line(number, tag) for number in range(1, rows + 1))).encode()


def numbers(rows: int = ROWS) -> tuple[list[int], list[int]]:
    """Of the lines 1 to `rows` those that are added, and those that are refused."""
    said = [number for number in range(1, rows + 1) if number % 9]
    refused = [number for number in said if number % 7 == 0 or number % 11 == 0]
    return [number for number in said if number not in refused], refused


@dataclass
class House:
    """A database, files, and servers that import."""

    services: Services
    database: FailingDatabase

    async def started(self, content: bytes | None = None) -> LotImport:
        """An import of a file that Ada has uploaded."""
        content = content or file()
        sha256 = hashlib.sha256(content).hexdigest()
        await keep(self.services, upload_location(ADA.subject, sha256), sha256, content)
        return await start_lot_import(self.services, await self.ada(), {"upload": sha256})

    async def ada(self) -> Person:
        person = await with_rights(self.services, ADA)
        assert isinstance(person, Person)
        return person

    def server(self, name: str = "one", lost_after: float = 30.0) -> LotImporter:
        return LotImporter(self.services, name, LotImporterSettings(interval_seconds=0.01, lost_after_seconds=lost_after))

    async def found(self, started: LotImport) -> LotImport:
        return (await find_lot_imports(self.services, ADA, [started.id]))[started.id]

    async def lots(self, tag: str = "LOT") -> list[tuple[int, float, str]]:
        """Number, attribute and product of each row that was added, by lot."""
        async with self.database.snapshot() as work:
            page = await work.lot_rows.page(LotRowQuery(lot_id_prefix=f"{tag}-", first=10_000), EVERYTHING)
        said = [row.definition for row in page.items]
        return sorted((int(each.lot_id.rpartition("-")[2]), each.attributes["cd"], each.product) for each in said)

    async def result(self, found: LotImport) -> list[list[str]]:
        """The lines of the file of refused rows, without its header."""
        assert found.result_id is not None
        async with self.database.snapshot() as work:
            artifacts = await work.artifacts.get_many([found.result_id], EVERYTHING, Membership(ADA.subject), EVERY_MODEL)
        artifact = artifacts[found.result_id]
        pieces = [piece async for piece in self.services.artifacts.read(artifact.location, 0, artifact.size)]
        content = b"".join(pieces)
        assert (len(content), hashlib.sha256(content).hexdigest()) == (artifact.size, artifact.sha256)
        return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))[1:]

    async def check(self, started: LotImport, tag: str = "LOT") -> None:
        """All is as the file says: every row once, in the right counts, and the refused ones in the file."""
        found, (added, refused) = await self.found(started), numbers()
        assert (found.status, found.message, found.bytes_read) == (LotImportStatus.SUCCEEDED, "", found.size)
        assert (found.rows_read, found.rows_added, found.rows_refused) == (len(added) + len(refused), len(added), len(refused))
        assert await self.lots(tag) == [(number, number + 0.5, f"p\r\n{number}") for number in added]
        # The header is row 1 of the file.
        assert [int(row[0]) for row in await self.result(found)] == [number + 1 for number in refused]


@pytest.fixture
async def house(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.setattr(lot_importer, "BATCH_ROWS", BATCH)
    failing = FailingDatabase(database)
    artifacts = open_artifacts(str(tmp_path / "artifacts"), staging=tmp_path / "staging")
    approvers = Approvers(groups={EVERY_KIND: ("approvers",)})
    services = fake_services(failing, artifacts=artifacts, approvers=approvers)
    await grant_everything(services, "ada")
    return House(services, failing)


async def worked_off(importer: LotImporter) -> None:
    """Let a server take up what there is and bring it as far as it comes."""
    await importer.run_once()
    await asyncio.gather(*importer._working.values())


async def dead(importer: LotImporter) -> None:
    """Let a server die: nothing of it goes on, and it says goodbye to nobody."""
    tasks = list(importer._working.values())
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_file_is_imported(house: House) -> None:
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
async def test_death_at_every_step(house: House, successor: str) -> None:
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


async def test_a_database_that_goes_away_costs_time_and_nothing_else(house: House) -> None:
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


async def test_a_slow_server_that_was_overtaken_writes_nothing_more(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
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


async def test_what_is_being_worked_on_is_left_alone(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lot_importer, "HEARTBEAT_SECONDS", 0.01)
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
    house: House, monkeypatch: pytest.MonkeyPatch
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
    house: House, monkeypatch: pytest.MonkeyPatch, row: int
) -> None:
    """Whether its server notices by the next batch, or as it is waiting for something."""
    monkeypatch.setattr(lot_importer, "HEARTBEAT_SECONDS", 0.01 if row == 6 else 30)
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
    house: House, monkeypatch: pytest.MonkeyPatch
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


async def test_a_file_that_is_gone_fails(house: House) -> None:
    started = await house.started()
    await house.services.artifacts.remove(upload_location(ADA.subject, started.sha256).rpartition("/")[0])
    await worked_off(house.server())
    found = await house.found(started)
    assert (found.status, found.message) == (LotImportStatus.FAILED, "The file that was uploaded is not there any more.")


async def test_an_import_waits_while_files_can_not_be_read(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    started, importer = await house.started(), house.server()

    def unavailable(*_: Any) -> Any:
        raise Unavailable("The store of artifacts does not answer.")

    with monkeypatch.context() as patched:
        patched.setattr(house.services.artifacts, "read", unavailable)
        await worked_off(importer)
    assert (await house.found(started)).status is LotImportStatus.RUNNING
    await worked_off(importer)
    await house.check(started)
