"""The requests to collect decks: a number that people quote, the source as it was sent."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from sqlalchemy.exc import IntegrityError

from domain.deck_request import DeckRequest
from domain.kit import Kit, ProductLine
from domain.visibility import EVERYTHING, Visibility
from persistence.unit_of_work import Database
from tests.factories import store_kit

NOW = datetime(2026, 5, 1, 12, 30, 15, 123456, tzinfo=UTC)
DECK = {"kind": "TABLE", "source": {"folder": "데크/\U0001f600"}, "files": "*.csv", "inputs": [], "responses": ["a"]}


async def add(database: Database, kit: Kit) -> None:
    async with database.transaction() as work:
        await work.deck_requests.add(kit.id, kit.jobs[0].id, DECK, NOW)


async def test_a_request_is_found_by_its_job_and_by_its_number(database: Database) -> None:
    kits = [await store_kit(database) for _ in range(2)]
    for kit in kits:
        await add(database, kit)
    async with database.snapshot() as work:
        found = await work.deck_requests.of_jobs([kit.jobs[0].id for kit in kits] + [kits[0].jobs[1].id, uuid4()])
        by_job = {each.job_id: each for each in found}
        for kit in kits:
            request = by_job[kit.jobs[0].id]
            assert request == DeckRequest(id=request.id, kit_id=kit.id, job_id=kit.jobs[0].id, deck=DECK, created_at=NOW)
            assert await work.deck_requests.get_many([request.id, 99], EVERYTHING) == {request.id: request}
        assert len(found) == 2 and by_job[kits[0].jobs[0].id].id < by_job[kits[1].jobs[0].id].id
        assert await work.deck_requests.of_jobs([]) == []


@pytest.mark.parametrize("number", [0, -1, 99, 2**31 - 1])
async def test_numbers_that_there_are_not(database: Database, number: int) -> None:
    await add(database, await store_kit(database))
    async with database.snapshot() as work:
        assert await work.deck_requests.get_many([number], EVERYTHING) == {}


async def test_a_request_exists_for_those_for_whom_its_kit_does(database: Database) -> None:
    kit = await store_kit(database, line=ProductLine.DRAM)
    await add(database, kit)
    async with database.snapshot() as work:
        (request,) = await work.deck_requests.of_jobs([kit.jobs[0].id])
        for visibility, is_seen in (
            (Visibility(frozenset({ProductLine.DRAM})), True),
            (Visibility(frozenset({ProductLine.LOGIC})), False),
        ):
            assert bool(await work.deck_requests.get_many([request.id], visibility)) is is_seen


async def test_a_job_collects_once(database: Database) -> None:
    kit = await store_kit(database)
    await add(database, kit)
    with pytest.raises(IntegrityError):
        await add(database, kit)
