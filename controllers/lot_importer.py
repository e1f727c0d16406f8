"""Works off the imports of lot rows, a batch of rows in a transaction, with how far the import has come in the same one.

Any server may take up an import that nobody works on, also one whose server has died. Each time it gets a greater number, its
fence, which every transaction of a batch holds it to: a server that was slow and has been overtaken writes nothing more. So the
rows that are stored are always those up to the place that is stored with them, whatever is killed and when.
"""

import asyncio
import hashlib
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

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
IMPORTS_AT_ONCE = 2
HEARTBEAT_SECONDS = 1.0
TRIES = 6  # the waits between them, each twice as long as the one before, are half a minute together
Read = LotRowDefinition | RefusedRow


class ImportEnds(Exception):
    """The import can't or is not to go on; the message says why."""

    def __init__(self, status: LotImportStatus, message: str) -> None:
        self.status = status
        super().__init__(message)


class TakenOver(Exception):
    """Another server has taken up the import, or it has ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LotImporterSettings:
    """How often to look for imports if not woken sooner, and the silence after which others take up what a server works on."""

    interval_seconds: float = 1.0
    lost_after_seconds: float = 30.0


class LotImporter:
    """The loop of one server. `server` is its name, the same after a restart: what it was at it takes up again at once."""

    def __init__(self, services: Services, server: str, settings: LotImporterSettings) -> None:
        self._services = services
        self._server = server
        self._settings = settings
        self._working: dict[int, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Look whenever an import has changed, and at least once an interval, until cancelled; others go on at once then."""
        async with self._services.bus.subscribe(Topic.LOT_IMPORT) as notices:
            woken = asyncio.ensure_future(anext(notices))
            try:
                while True:
                    await self.run_once()
                    await asyncio.wait({woken}, timeout=self._settings.interval_seconds)
                    if woken.done():
                        woken.result()
                        woken = asyncio.ensure_future(anext(notices))
            finally:
                woken.cancel()
                await self._leave()

    async def run_once(self) -> None:
        """Take up what nobody works on, as far as there is room."""
        try:
            while len(self._working) < IMPORTS_AT_ONCE:
                silence = timedelta(seconds=self._settings.lost_after_seconds)
                async with self._services.database.transaction() as work:
                    claimed = await work.lot_imports.claim(self._server, self._working, silence)
                if claimed is None:
                    return
                await tell(self._services, claimed)
                task = self._working[claimed.id] = asyncio.create_task(self._work(claimed))
                task.add_done_callback(partial(self._forget, claimed.id))
        except Unavailable as error:
            log.warning("the lot importer has to wait: %s", error)
        except Exception:
            log.exception("a round of the lot importer failed; the next one begins anew")

    def _forget(self, number: int, _: "asyncio.Task[None]") -> None:
        del self._working[number]

    async def _leave(self) -> None:
        tasks = list(self._working.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if tasks:
            with suppress(Unavailable):
                async with self._services.database.transaction() as work:
                    await work.lot_imports.release(self._server)

    async def _work(self, claimed: LotImport) -> None:
        """Bring an import to its end, unless it is overtaken or something does not answer: then it is taken up again."""
        working = asyncio.create_task(self._import(claimed).run())
        beating = asyncio.create_task(self._beat(claimed))
        try:
            await asyncio.wait({working, beating}, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                working.result()
                return
            is_to_be_cancelled = beating.result()
            await _stopped(working)
            if is_to_be_cancelled:
                await self._import(claimed).cancel()
        except TakenOver:
            log.info("another server has taken up a lot import", extra={"lot_import": claimed.id})
        except Unavailable as error:
            log.warning("lot import %d has to wait: %s", claimed.id, error)
            await asyncio.sleep(self._settings.interval_seconds)
        except Exception:
            log.exception("lot import %d can't be brought to an end now", claimed.id)
            await asyncio.sleep(self._settings.interval_seconds)
        finally:
            await _stopped(working)
            await _stopped(beating)

    def _import(self, claimed: LotImport) -> "_Import":
        return _Import(self._services, claimed, self._settings.interval_seconds)

    async def _beat(self, claimed: LotImport) -> bool:
        """Record that it is being worked on, until it is to be cancelled (True) or another has it (False)."""
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            with suppress(Unavailable):
                async with self._services.database.transaction() as work:
                    is_to_be_cancelled = await work.lot_imports.heartbeat(claimed)
                if is_to_be_cancelled is not False:
                    return bool(is_to_be_cancelled)


def _cancelled(held: LotImport) -> ImportEnds:
    return ImportEnds(LotImportStatus.CANCELLED, f"Cancelled; the {held.rows_added} rows that it had added stay.")


async def _stopped(task: "asyncio.Task[object]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


class _Import:
    """An import that this server has taken up."""

    def __init__(self, services: Services, claimed: LotImport, first_wait: float) -> None:
        self._services = services
        self._found = claimed
        self._first_wait = first_wait
        self._location = upload_location(claimed.actor, claimed.sha256)

    async def run(self) -> None:
        """Read the file from where it stands, and end the import; `TakenOver`, or `Unavailable`, where that is for later."""
        await self._tried(self._run)

    async def cancel(self) -> None:
        """End the import because somebody wants it; what it has added stays."""
        await self._tried(self._cancel)

    async def _tried(self, bring_to_an_end: Callable[[], Awaitable[None]]) -> None:
        """Try again what goes wrong unexpectedly; the import fails once it has come no further in `TRIES` of them."""
        tries = 0
        while True:
            place = self._found.bytes_read
            try:
                return await bring_to_an_end()
            except (TakenOver, Unavailable):
                raise
            except Exception as error:
                fault = error
            async with self._services.database.transaction() as work:
                self._found = await self._hold(work)
            tries = 1 if self._found.bytes_read > place else tries + 1
            if tries == TRIES:
                return await self._fail(fault)
            log.warning("lot import %d met an error and is tried again", self._found.id, exc_info=fault)
            await asyncio.sleep(self._first_wait * 2 ** (tries - 1))

    async def _fail(self, fault: Exception) -> None:
        """End the import for an error that only the log shows, with the file of what it has refused if that can be written."""
        error_id = secrets.token_hex(8)
        facts = {"error_id": error_id, "lot_import": self._found.id}
        log.error("internal error %s in lot import %d", error_id, self._found.id, exc_info=fault, extra=facts)
        try:
            result = await self._result()
        except Unavailable:
            raise
        except Exception:
            log.exception("the file of what lot import %d has refused can't be written", self._found.id)
            result = None
        message = (
            f"Internal error, id {error_id}, behind row {self._found.row_number}. Those who run PLOG find it in the log by that "
            "id; the import can be resumed once its cause is gone."
        )
        await self._end(ImportEnds(LotImportStatus.FAILED, message), result)

    async def _run(self) -> None:
        try:
            header = await self._header()
            encoding = self._found.encoding or await self._encoding()
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

    async def _cancel(self) -> None:
        async with self._services.database.transaction() as work:
            self._found = await self._hold(work)
        await self._end(_cancelled(self._found), await self._result())

    async def _header(self) -> Header:
        try:
            return await header_of(self._services, self._location)
        except ValidationFailed as error:
            raise ImportEnds(LotImportStatus.FAILED, f"The file {error.problems[0].message}.") from error

    async def _encoding(self) -> str:
        """What the whole file is written in: it is read once for that before any of its rows is added."""
        finder = EncodingFinder()
        async for piece in self._pieces(0):
            await asyncio.to_thread(finder.feed, piece)
        finder.feed(b"", is_end=True)
        async with self._services.database.transaction() as work:
            held = await self._hold(work)
            self._found = held.written_in(finder.encoding, max(held.updated_at, await work.kits.now()))
            await work.lot_imports.change(self._found)
        return finder.encoding

    async def _read_rows(self, header: Header, encoding: str) -> None:
        begin, number = max((self._found.bytes_read, self._found.row_number), (header.end, header.number))
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
            found = ((row, read_row(row, header, encoding, self._services.lot_ids)) for row in rows)
            return [(row, each) for row, each in found if each is not None]

        read_rows = await asyncio.to_thread(read)
        async with self._services.database.transaction() as work:
            held = await self._hold(work)
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
        self._found = progressed
        await tell(self._services, progressed)

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

    async def _hold(self, work: UnitOfWork) -> LotImport:
        held = await work.lot_imports.hold(self._found)
        if held is None:
            raise TakenOver
        return held

    async def _pieces(self, begin: int) -> AsyncIterator[bytes]:
        """The file from a byte on, in small pieces: what is made of one is many times its size."""
        async for stored in self._services.artifacts.read(self._location, begin, self._found.size):
            for place in range(0, len(stored), PIECE_BYTES):
                yield stored[place : place + PIECE_BYTES]

    async def _end(self, end: ImportEnds, result: ImportArtifact | None) -> None:
        """Let the import end, now that the file with what it has refused can be downloaded."""
        async with self._services.database.transaction() as work:
            held = await self._hold(work)
            at = max(held.updated_at, await work.kits.now())
            if result is not None:
                await work.artifacts.add_once(replace(result, created_at=at))
            ended = replace(held.became(end.status, at, str(end)), result_id=held.result_id if result is None else result.id)
            await work.lot_imports.change(ended)
        await tell(self._services, ended)
        counts = {"added": ended.rows_added, "refused": ended.rows_refused}
        log.info("lot import ended", extra={"lot_import": ended.id, "status": str(end.status), **counts})

    async def _result(self) -> ImportArtifact | None:
        """The file of the refused rows, stored. It is written twice: its checksum has to be known before it is sent."""
        if not self._found.rows_refused:
            return None
        header = await self._header()
        digest, size = hashlib.sha256(), 0
        async for piece in self._result_pieces(header):
            digest.update(piece)
            size += len(piece)
        sha256 = digest.hexdigest()
        found = self._found
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

        await keep_pieces(self._services, result.location, sha256, size, rest)
        return result

    async def _result_pieces(self, header: Header) -> AsyncIterator[bytes]:
        yield result_lines(header, (), is_beginning=True)
        last = 0
        while True:
            async with self._services.database.snapshot() as work:
                rows = await work.lot_imports.refused(self._found.id, last, RESULT_ROWS)
            if not rows:
                return
            yield result_lines(header, rows, is_beginning=False)
            last = rows[-1].number
