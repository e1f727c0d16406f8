"""What the use cases of lot tracking expect of the database."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Protocol

from domain.lot_import import LotImport, RefusedRow
from domain.lot_row import LotRow, LotRowDefinition, LotRowVersion
from domain.query import HistoryQuery, LotImportQuery, LotRowQuery, Page
from domain.visibility import Visibility


class LotRowStore(Protocol):
    """The lot rows of one unit of work, with all their versions."""

    async def get_many(self, ids: Sequence[int], visibility: Visibility) -> dict[int, LotRow]:
        """The rows of these ids that exist for the caller, by id."""
        ...

    async def page(self, query: LotRowQuery, visibility: Visibility) -> Page[LotRow]:
        """A page of rows."""
        ...

    async def count(self, query: LotRowQuery, visibility: Visibility) -> int:
        """How many rows the query has, wherever its page begins."""
        ...

    async def add(self, definitions: Sequence[LotRowDefinition], actor: str, import_id: int | None = None) -> list[LotRow | int]:
        """Store new rows, in their order; in place of one whose key another row has, also one before it, the number of that."""
        ...

    async def lock(self, number: int, visibility: Visibility) -> LotRow | None:
        """The row, if it exists for the caller, unchanged by others until the unit of work ends."""
        ...

    async def correct(self, corrected: LotRow, actor: str, reason: str) -> int | None:
        """Store the next version of a row that is locked; the number of another row with its key, and nothing stored then."""
        ...

    async def versions(self, queries: Sequence[HistoryQuery], visibility: Visibility) -> list[Page[LotRowVersion]]:
        """Pages of what rows were, as far as that exists for the caller."""
        ...


class LotImportStore(Protocol):
    """The imports of lot rows of one unit of work. Each exists for the person who has started it, and for nobody else."""

    async def get_many(self, ids: Sequence[int], actor: str) -> dict[int, LotImport]:
        """The person's imports of these ids, by id."""
        ...

    async def page(self, query: LotImportQuery, actor: str) -> Page[LotImport]:
        """A page of the person's imports."""
        ...

    async def versions_on_page(self, query: LotImportQuery, actor: str) -> dict[int, int]:
        """The ids of the imports on that page, in its order, with the version of each."""
        ...

    async def count(self, query: LotImportQuery, actor: str) -> int:
        """How many imports the query has, wherever its page begins."""
        ...

    async def add(self, started: LotImport) -> LotImport:
        """Store a new import; the database gives it its number."""
        ...

    async def lock(self, number: int, actor: str) -> LotImport | None:
        """The person's import of that number, unchanged by others until the unit of work ends."""
        ...

    async def change(self, changed: LotImport) -> None:
        """Store what an import that is locked or held has become; once it does not run any more no server has it."""
        ...

    async def claim(self, server: str, working: Collection[int], silence: timedelta) -> LotImport | None:
        """Take up the oldest import that has not ended and that nobody works on; None where there is none.

        `working` are those that this server works on; others count as left where this server has them from before it was
        restarted, or where the server that has them was not heard of for `silence`.
        """
        ...

    async def hold(self, claimed: LotImport) -> LotImport | None:
        """The import as it is now, unchanged by others until the unit of work ends; None where another has taken it up."""
        ...

    async def heartbeat(self, claimed: LotImport) -> bool | None:
        """Record that it is being worked on. Whether it is to be cancelled; None where it is not the claimant's any more."""
        ...

    async def release(self, server: str) -> None:
        """Let others take up at once what this server works on."""
        ...

    async def refuse(self, number: int, rows: Sequence[RefusedRow]) -> None:
        """Keep rows of an import that were refused."""
        ...

    async def refused(self, number: int, after: int, limit: int) -> list[RefusedRow]:
        """The refused rows of an import behind that row of its file, the first so many."""
        ...
