"""Works off the imports of lot rows, a batch of rows in a transaction, with how far the import has come in the same one.

Every transaction of a batch holds the import's fence (`controllers/background_worker.py`). So the rows that are stored are always
those up to the place that is stored with them, whatever is killed and when.
"""

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from controllers.background_worker import BackgroundWorker, Taken, WorkStore
from domain.artifact import ImportArtifact, result_id
from domain.errors import NotFound, Unavailable, ValidationFailed
from domain.live import Topic
from domain.lot_csv import CsvReader, CsvRow, EncodingFinder, Header, Unreadable
from domain.lot_import import LotImport, LotImportStatus, RefusedRow, read_row, refused, result_lines
from domain.lot_row import LotRowDefinition
from domain.permission_kind import PermissionAction
from domain.storage import UnitOfWork
from resolvers.lot_import import header_of, tell
from resolvers.rights import rights_in
from resolvers.services import Services
from resolvers.upload import keep_pieces, upload_location

log = logging.getLogger(__name__)
BATCH_ROWS = 1_000
BATCH_BYTES = 2**20
RESULT_ROWS = 200  # read at once for the file of refused rows; each may have `lot_csv.MAX_ROW` bytes
PIECE_BYTES = 64 * 1024
Read = LotRowDefinition | RefusedRow


class ImportEnds(Exception):
    """The import can't or is not to go on; the message says why."""

    def __init__(self, status: LotImportStatus, message: str) -> None:
        self.status = status
        super().__init__(message)


class LotImporter(BackgroundWorker[LotImport]):
    """The loop of one server."""

    topic = Topic.LOT_IMPORT
    what = "lot import"
    at_once = 2

    def store(self, work: UnitOfWork) -> WorkStore[LotImport]:
        """See `BackgroundWorker.store`."""
        return work.lot_imports

    async def tell(self, changed: LotImport) -> None:
        """See `BackgroundWorker.tell`."""
        await tell(self._services, changed)

    def take(self, claimed: LotImport) -> Taken[LotImport]:
        """See `BackgroundWorker.take`."""
        return _Import(self._services, claimed)


def _cancelled(held: LotImport) -> ImportEnds:
    return ImportEnds(LotImportStatus.CANCELLED, f"Cancelled; the {held.rows_added} rows that it had added stay.")


class _Import(Taken[LotImport]):
    """An import that this server has taken up."""

    def __init__(self, services: Services, found: LotImport) -> None:
        super().__init__(services, found)
        self._location = upload_location(found.actor, found.sha256)

    def store(self, work: UnitOfWork) -> WorkStore[LotImport]:
        """See `Taken.store`."""
        return work.lot_imports

    async def fail(self, error_id: str) -> bool:
        """See `Taken.fail`; with the file of what it has refused if that can be written."""
        try:
            result = await self._result()
        except Unavailable:
            raise
        except Exception:
            log.exception("the file of what lot import %d has refused can't be written", self.found.id)
            result = None
        message = (
            f"Internal error, id {error_id}, behind row {self.found.row_number}. Those who run PLOG find it in the log by that "
            "id; the import can be resumed once its cause is gone."
        )
        await self._end(ImportEnds(LotImportStatus.FAILED, message), result)
        return False

    async def run(self) -> None:
        """See `Taken.run`: read the file from where it stands."""
        try:
            header = await self._header()
            encoding = (self.found.bytes_read and self.found.encoding) or await self._encoding()
            await self._read_rows(header, encoding)
            end = ImportEnds(LotImportStatus.SUCCEEDED, "")
        except ImportEnds as found:
            end = found
        except Unreadable as error:
            end = ImportEnds(LotImportStatus.FAILED, str(error))
        except NotFound:
            gone = ImportEnds(LotImportStatus.FAILED, "The file that was uploaded is not there any more.")
            return await self._end(gone, None)  # with it its header is gone, which names what rows consist of
        await self._end(end, await self._result())

    async def cancel(self) -> None:
        """See `Taken.cancel`; what it has added stays."""
        async with self.services.database.transaction() as work:
            self.found = await self.hold(work)
        await self._end(_cancelled(self.found), await self._result())

    async def _header(self) -> Header:
        try:
            return await header_of(self.services, self._location)
        except ValidationFailed as error:
            raise ImportEnds(LotImportStatus.FAILED, f"The file {error.problems[0].message}.") from error

    async def _encoding(self) -> str:
        """What the whole file is written in: it is read once for that before any of its rows is added."""
        finder = EncodingFinder(self.found.encoding)
        async for piece in self._pieces(0):
            await asyncio.to_thread(finder.feed, piece)
        finder.feed(b"", is_end=True)
        async with self.services.database.transaction() as work:
            self.found = await self.hold(work)
            if self.found.encoding != finder.encoding:  # a change counts as having come further
                self.found = self.found.written_in(finder.encoding, max(self.found.updated_at, await work.kits.now()))
                await work.lot_imports.change(self.found)
        return finder.encoding

    async def _read_rows(self, header: Header, encoding: str) -> None:
        begin, number = max((self.found.bytes_read, self.found.row_number), (header.end, header.number))
        reader = CsvReader(header.delimiter, begin, number)
        rows: list[CsvRow] = []
        async for piece in self._pieces(begin):
            rows += await asyncio.to_thread(reader.feed, piece)
            while rows and (len(rows) >= BATCH_ROWS or rows[-1].end - rows[0].start >= BATCH_BYTES):
                await self._take_in(rows[:BATCH_ROWS], header, encoding)
                rows = rows[BATCH_ROWS:]
        try:
            rows += reader.feed(b"", is_end=True)
        finally:  # also before what has no end
            if rows:
                await self._take_in(rows, header, encoding)

    async def _take_in(self, rows: Sequence[CsvRow], header: Header, encoding: str) -> None:
        """Store a batch of rows, and that they are stored, or nothing."""

        def read() -> list[tuple[CsvRow, Read]]:
            found = ((row, read_row(row, header, encoding, self.services.lot_ids)) for row in rows)
            return [(row, each) for row, each in found if each is not None]

        read_rows = await asyncio.to_thread(read)
        async with self.services.database.transaction() as work:
            held = await self.hold(work)
            if held.is_cancel_requested:
                raise _cancelled(held)
            permitted = await self._permitted(work, held)
            wanted, refusals = [], []
            for row, each in read_rows:
                if isinstance(each, RefusedRow):
                    refusals.append(each)
                elif each.product_line in permitted:
                    wanted.append((row, each))
                else:
                    fields = row.fields(encoding, header.delimiter)
                    refusals.append(refused(row.number, fields, f"productLine: you may not work in {each.product_line}"))
            stored = await work.lot_rows.add([each for _, each in wanted], held.actor, held.id)
            for (row, each), result in zip(wanted, stored, strict=True):
                if isinstance(result, int):
                    reason = f"lotId: lot {each.lot_id} has a row for step {each.step!r} already: lot row {result}"
                    refusals.append(refused(row.number, row.fields(encoding, header.delimiter), reason))
            await work.lot_imports.refuse(held.id, refusals)
            added, at = len(read_rows) - len(refusals), max(held.updated_at, await work.kits.now())
            progressed = held.progressed(rows[-1], added=added, refused=len(refusals), at=at)
            await work.lot_imports.change(progressed)
        self.found = progressed
        await tell(self.services, progressed)

    async def _permitted(self, work: UnitOfWork, held: LotImport) -> set[str]:
        """The product lines in which the person may work now; the import ends where one has gone since it was begun."""
        rights = rights_in((await work.grants.active([held.actor])).get(held.actor, ()))
        permitted = {right.product_line for right in rights if right.action is PermissionAction.GENERAL}
        for line in sorted(held.product_lines - permitted):
            raise ImportEnds(
                LotImportStatus.FAILED,
                f"The permission to work in {line} has ended; nothing was read behind row {held.row_number}. "
                "The import can be resumed once it is there again.",
            )
        return set(permitted)

    async def _pieces(self, begin: int) -> AsyncIterator[bytes]:
        """The file from a byte on, in small pieces: what is made of one is many times its size."""
        async for stored in self.services.artifacts.read(self._location, begin, self.found.size):
            for place in range(0, len(stored), PIECE_BYTES):
                yield stored[place : place + PIECE_BYTES]

    async def _end(self, end: ImportEnds, result: ImportArtifact | None) -> None:
        """Let the import end, now that the file with what it has refused can be downloaded."""
        async with self.services.database.transaction() as work:
            held = await self.hold(work)
            at = max(held.updated_at, await work.kits.now())
            if result is not None:
                await work.artifacts.add_once(replace(result, created_at=at))
            ended = replace(held.became(end.status, at, str(end)), result_id=held.result_id if result is None else result.id)
            await work.lot_imports.change(ended)
        await tell(self.services, ended)
        counts = {"added": ended.rows_added, "refused": ended.rows_refused}
        log.info("lot import ended", extra={"lot_import": ended.id, "status": str(end.status), **counts})

    async def _result(self) -> ImportArtifact | None:
        """The file of the refused rows, stored. It is written twice: its checksum has to be known before it is sent."""
        if not self.found.rows_refused:
            return None
        header = await self._header()
        digest, size = hashlib.sha256(), 0
        async for piece in self._result_pieces(header):
            digest.update(piece)
            size += len(piece)
        sha256 = digest.hexdigest()
        found = self.found
        result = ImportArtifact(
            id=result_id(found.id, sha256),
            name=f"lot-import-{found.id}-refused.csv",
            media_type="text/csv",
            sha256=sha256,
            size=size,
            created_at=found.updated_at,
            import_id=found.id,
            actor=found.actor,
        )

        async def rest(offset: int) -> AsyncIterator[bytes]:
            position = 0
            async for piece in self._result_pieces(header):
                yield piece[max(0, offset - position) :]
                position += len(piece)

        await keep_pieces(self.services, result.location, sha256, size, rest)
        return result

    async def _result_pieces(self, header: Header) -> AsyncIterator[bytes]:
        yield result_lines(header, (), is_beginning=True)
        last = 0
        while True:
            async with self.services.database.snapshot() as work:
                rows = await work.lot_imports.refused(self.found.id, last, RESULT_ROWS)
            if not rows:
                return
            yield result_lines(header, rows, is_beginning=False)
            last = rows[-1].number
