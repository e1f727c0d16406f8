"""The daily batch and the promotion of a model at the same moment: what is stored is of the version in use when it is stored."""

import asyncio
from typing import Any

import pytest

from persistence.repositories.lot_result import LotResultRepository
from persistence.unit_of_work import Database
from tests.contract.batch_house import BatchHouse, ran
from tests.contract.test_daily_batch_results import SUCCEEDED, house
from tests.databases import waits_for_a_lock
from tests.waiting import eventually

__all__ = ["house"]


async def test_a_promotion_waits_until_what_the_version_before_said_is_stored(
    house: BatchHouse, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    (row,) = await house.rows(1)
    model = await house.model()
    await house.assign(model, row)
    second = await house.add_version(model, 9)
    promoting: list[asyncio.Task[None]] = []
    add = LotResultRepository.add

    async def promote_and_add(results: LotResultRepository, *given: Any) -> int:
        if not promoting:
            promoting.append(asyncio.create_task(house.activate(model, 2, second.number)))
            if results._connection.dialect.name == "postgresql":  # the other has one writer at a time
                await eventually(lambda: waits_for_a_lock(database))
            assert not promoting[0].done()
        return await add(results, *given)

    monkeypatch.setattr(LotResultRepository, "add", promote_and_add)
    run = await ran(house)
    await promoting[0]
    assert run.status is SUCCEEDED
    assert (await house.results())[0].model_version.number == 1
