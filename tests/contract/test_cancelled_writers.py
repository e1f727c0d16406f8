"""A caller that goes away in mid-transaction takes nothing and nobody with it: the lock it held is free at once."""

import asyncio
import gc

import pytest

from domain.change import Change
from domain.event import EventKind
from persistence.unit_of_work import Database
from resolvers.change import change_kit
from tests.factories import store_kit
from tests.fakes import fake_services
from tests.history import history_of


def note(change: Change) -> None:
    change.emit_for_job(change.kit.jobs[0], EventKind.NOTE, metadata={"a": 1})


@pytest.mark.parametrize("steps", range(0, 60, 3))
async def test_writing_goes_on_after_a_writer_was_cancelled_wherever_it_stood(database: Database, steps: int) -> None:
    services = fake_services(database)
    kit = await store_kit(database)
    await change_kit(services, "ada", kit.id, note)
    gc.disable()  # what a traceback holds on to must not matter
    try:
        writing = asyncio.create_task(change_kit(services, "ada", kit.id, note))
        for _ in range(steps):
            await asyncio.sleep(0.0001)
        writing.cancel()
        await asyncio.wait({writing})
        async with asyncio.timeout(8):  # a writer that finds the database locked waits for longer
            after = await change_kit(services, "bela", kit.id, note)
    finally:
        gc.enable()
    async with database.snapshot() as work:
        assert [event.version for event in await history_of(work, kit.id)] == list(range(1, after.version + 1))
