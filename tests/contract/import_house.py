"""Imports of lot rows as their tests need them: a file, who has uploaded it, and the servers that import it."""

import asyncio
import csv
import hashlib
import io
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters.artifacts import open_artifacts
from controllers import lot_importer
from controllers.background_worker import BackgroundWorkerSettings
from controllers.lot_importer import LotImporter
from domain.actor import Person
from domain.approver import EVERY_KIND, Approvers
from domain.lot_import import LotImport, LotImportStatus
from domain.query import LotRowQuery
from domain.visibility import EVERY_MODEL, EVERYTHING, Membership
from persistence.unit_of_work import Database
from resolvers.lot_import import find_lot_imports, start_lot_import
from resolvers.rights import with_rights
from resolvers.services import Services
from resolvers.upload import keep, upload_location
from tests.factories import grant_everything
from tests.fakes import FailingDatabase, fake_services

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
class ImportHouse:
    """A database, files, and servers that import."""

    services: Services
    database: FailingDatabase

    async def started(self, content: bytes | None = None, encoding: str | None = None) -> LotImport:
        """An import of a file that Ada has uploaded."""
        content = content or file()
        sha256 = hashlib.sha256(content).hexdigest()
        await keep(self.services, upload_location(ADA.subject, sha256), sha256, content)
        return await start_lot_import(self.services, await self.ada(), {"upload": sha256, "encoding": encoding})

    async def ada(self) -> Person:
        person = await with_rights(self.services, ADA)
        assert isinstance(person, Person)
        return person

    def server(self, name: str = "one", lost_after: float = 30.0, interval: float = 0.01) -> LotImporter:
        return LotImporter(
            self.services, name, BackgroundWorkerSettings(interval_seconds=interval, lost_after_seconds=lost_after)
        )

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


async def import_house(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ImportHouse:
    monkeypatch.setattr(lot_importer, "BATCH_ROWS", BATCH)
    failing = FailingDatabase(database)
    artifacts = open_artifacts(str(tmp_path / "artifacts"), staging=tmp_path / "staging")
    approvers = Approvers(groups={EVERY_KIND: ("approvers",)})
    services = fake_services(failing, artifacts=artifacts, approvers=approvers)
    await grant_everything(services, "ada")
    return ImportHouse(services, failing)


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
