"""Finding results of models for lots; the daily batch stores them."""

from collections.abc import Sequence

from domain.actor import Actor
from domain.batch_query import LotResultQuery
from domain.lot_result import LotResult
from domain.query import HistoryQuery, Page
from resolvers.authorisation import visibility_of
from resolvers.services import Services


async def find_lot_results(services: Services, actor: Actor, ids: list[int]) -> dict[int, LotResult]:
    """The results of these ids that exist for the caller."""
    async with services.database.snapshot() as work:
        return await work.lot_results.get_many(ids, visibility_of(actor))


async def list_lot_results(services: Services, actor: Actor, query: LotResultQuery) -> Page[LotResult]:
    """A page of the results that exist for the caller."""
    async with services.database.snapshot() as work:
        return await work.lot_results.page(query, visibility_of(actor))


async def count_lot_results(services: Services, actor: Actor, query: LotResultQuery) -> int:
    """How many results the query has in all."""
    async with services.database.snapshot() as work:
        return await work.lot_results.count(query, visibility_of(actor))


async def results_of_lot_rows(services: Services, actor: Actor, queries: Sequence[HistoryQuery]) -> list[Page[LotResult]]:
    """Pages of the results for lot rows, oldest first."""
    async with services.database.snapshot() as work:
        return await work.lot_results.of_rows(queries, visibility_of(actor))
