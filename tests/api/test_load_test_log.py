"""The output of a run's load generator, live: as it is written, to the verdict, on from any byte; told by the bus alone."""

import pytest

from adapters.bus.memory import MemoryBus
from app.client import ServerRefused
from domain.live import Notice, Topic
from domain.load_test_run import RunStatus
from domain.runner import LogChunk
from resolvers import job_log
from tests.api.in_process import Plog
from tests.api.test_kit_subscription import watching
from tests.api.test_load_test_report import STOP, Run, started
from tests.api.test_real_load_test_clients import Pair, servers, shared, told
from tests.api.test_removed_windows import remove_windows
from tests.waiting import eventually

LOG = (
    """subscription ($id: ID!, $after: Int! = 0) { loadTestLog(runId: $id, after: $after) { attempt offset end text isLast } }"""
)
__all__ = ["servers", "shared"]


async def write(run: Run, offset: int, data: bytes) -> None:
    """Do what the reconciler does with what k6 has written."""
    services = run.plog.container.services
    async with services.database.transaction() as work:
        await work.logs.add(run.run.key, LogChunk(offset, data), await work.kits.now())
    await services.bus.publish([Notice(Topic.LOG, str(run.run.key), offset + len(data))])


async def test_a_log_is_shown_as_it_is_written_and_ends_with_the_verdict(servers: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_log, "POLL_SECONDS", 600)
    plog, watched = servers
    run = await started(plog)
    await write(run, 0, "grüß".encode())
    async with watching(watched, LOG, id=run.id) as frames:
        assert await frames.next() == {"attempt": 1, "offset": 0, "end": 6, "text": "grüß", "isLast": False}
        await told(run, RunStatus.STARTING)
        await write(run, 6, " dich\n€".encode()[:-1])  # ends in the middle of a character
        assert await frames.next() == {"attempt": 1, "offset": 6, "end": 12, "text": " dich\n", "isLast": False}
        await told(run, RunStatus.RUNNING)
        async with watching(watched, LOG, id=run.id, after=7) as others:
            assert await others.next() == {"attempt": 1, "offset": 7, "end": 12, "text": "dich\n", "isLast": False}
            await write(run, 14, "€".encode()[-1:])
            for each in (frames, others):
                assert await each.next() == {"attempt": 1, "offset": 12, "end": 15, "text": "€", "isLast": False}
            await told(run, RunStatus.PASSED)
            for each in (frames, others):
                assert await each.rest() == [{"attempt": 1, "offset": 15, "end": 15, "text": "", "isLast": True}]
    async with watching(watched, LOG, id=run.id, after=12) as frames:
        assert await frames.rest() == [{"attempt": 1, "offset": 12, "end": 15, "text": "€", "isLast": True}]


async def test_a_run_that_never_began_has_an_empty_log(plog: Plog) -> None:
    run = await started(plog)
    async with watching(plog, LOG, id=run.id) as frames:
        await plog.answer(STOP, id=run.id)
        assert await frames.rest() == [{"attempt": 1, "offset": 0, "end": 0, "text": "", "isLast": True}]


@pytest.mark.parametrize("id", ["", "nonsense", "TG9hZFRlc3RSdW46OTk5"])
async def test_a_run_that_does_not_exist_ends_the_subscription_with_its_error(plog: Plog, id: str) -> None:
    async with watching(plog, LOG, id=id) as frames:
        with pytest.raises(ServerRefused, match="exists"):
            await frames.next()


async def test_a_log_has_no_byte_before_its_first(plog: Plog) -> None:
    async with watching(plog, LOG, id=(await started(plog)).id, after=-1) as frames:
        with pytest.raises(ServerRefused, match="after: must be 0 or more"):
            await frames.next()


async def test_a_log_that_was_removed_is_none_that_is_empty(plog: Plog) -> None:
    run = await started(plog)
    await write(run, 0, b"a line\n")
    await plog.answer(STOP, id=run.id)
    await remove_windows(plog)
    async with watching(plog, LOG, id=run.id) as frames:
        with pytest.raises(ServerRefused, match=f"run {run.run.id} were removed"):
            await frames.next()


async def test_watchers_that_go_leave_nothing_behind(plog: Plog) -> None:
    bus, run = plog.container.services.bus, await started(plog)
    assert isinstance(bus, MemoryBus)
    await write(run, 0, b"a line\n")
    before = bus.subscriber_count
    async with watching(plog, LOG, id=run.id) as frames:
        await frames.next()
        assert bus.subscriber_count == before + 2
    await eventually(lambda: bus.subscriber_count == before)
