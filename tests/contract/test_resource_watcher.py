"""Reading what is under test while a load generator runs, once more when it has ended, and never after that."""

import asyncio
from collections.abc import Sequence

import pytest

from controllers import resource_watcher
from controllers.resource_watcher import ResourceWatcher
from domain.load_test_run import LoadTestRun, RunStatus
from domain.query import WindowQuery
from domain.resource_usage import PodReader, PodReading, PodSpecs, PodWatch
from persistence.unit_of_work import Database
from resolvers.load_generator import launch_order
from tests.factories import store_load_tests, store_run
from tests.fakes import FailingDatabase, FakeRunner, fake_services


class Pods(PodReader, PodWatch):
    """One pod, which uses as many millicores as it was read times."""

    def __init__(self) -> None:
        self.reads = 0
        self.is_slow = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    def watch(self, url: str) -> PodWatch:
        return self

    async def read(self) -> Sequence[PodReading]:
        self.reads += 1
        self.is_slow.set()
        await self.may_answer.wait()
        return [PodReading(pod="api", cpu_millicores=float(self.reads), memory_bytes=1, specs=PodSpecs())]


class House:
    """A run on a runner, in windows of 5 s, and the watcher of its resources, which can be restarted."""

    def __init__(self, database: Database, run: LoadTestRun) -> None:
        self.database = FailingDatabase(database)
        self.services = fake_services(self.database)
        self.runner, self.pods, self.run = FakeRunner(), Pods(), run
        self.restart()

    def restart(self) -> None:
        self.watcher = ResourceWatcher(self.services, self.pods, self.runner)

    async def look(self, *seconds: int) -> dict[int, float | None]:
        """What is stored after a look at each of these seconds: millicores by start."""
        for second in seconds:
            await self.watcher.run_once(second)
        async with self.database.snapshot() as work:
            (found,) = await work.resource_usages.find([WindowQuery(run_id=self.run.id)])
        return {each.start: each.cpu_millicores for each in found}


@pytest.fixture
async def house(database: Database, monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.setattr(resource_watcher, "LEAST_SECONDS", 0.0)
    (load_test,) = await store_load_tests(database, 1)
    queued = await store_run(database, load_test)
    async with database.transaction() as work:
        await work.attempts.heartbeat("runner-1", "process", "host", await work.kits.now())
        claimed = await work.load_test_runs.claim(queued, "runner", "runner-1", 1)
        assert claimed is not None
        run = await work.load_test_runs.change(claimed, RunStatus.RUNNING, "runner")
    assert run is not None
    made = House(database, run)
    await made.runner.launch(launch_order(made.services, run))
    return made


async def test_the_window_in_which_the_load_ends_is_read_and_none_after_it(house: House) -> None:
    assert await house.look(101, 102, 104) == {}, "the first reading is what later ones begin from"
    assert await house.look(105, 106) == {100: 2.0}
    house.runner.finish(house.run.key)
    assert await house.look(107, 110, 115) == {100: 2.0, 105: 3.0}
    house.restart()
    assert await house.look(120, 125, 130) == {100: 2.0, 105: 3.0}, "its verdict is still to come, its load is over"
    assert house.pods.reads == 3


async def test_a_run_inside_one_window_is_read(house: House) -> None:
    await house.look(101, 102)
    house.runner.finish(house.run.key)
    assert await house.look(103) == {100: 2.0}


async def test_who_judges_a_run_has_its_last_reading_stored_before(house: House) -> None:
    await house.look(101, 105)
    house.runner.finish(house.run.key)
    await house.watcher.finish(house.run.id)
    assert await house.look() == {100: 2.0, 105: 3.0}
    await house.watcher.finish(house.run.id)
    assert await house.look(106, 110) == {100: 2.0, 105: 3.0} and house.pods.reads == 3


async def test_a_last_reading_that_comes_too_soon_says_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource_watcher, "LEAST_SECONDS", 60.0)
    await house.look(101, 105)
    await house.watcher.finish(house.run.id)
    assert await house.look() == {100: 2.0}


async def test_a_run_is_judged_where_its_last_reading_can_not_be_stored(house: House) -> None:
    await house.look(101)
    house.database.before_commit = 1
    await house.watcher.finish(house.run.id)
    assert await house.look() == {}


async def test_who_judges_a_run_waits_for_a_last_reading_that_has_begun(house: House) -> None:
    await house.look(101, 105)
    house.runner.finish(house.run.key)
    house.pods.may_answer.clear()
    house.pods.is_slow.clear()
    async with asyncio.TaskGroup() as group:
        reading = group.create_task(house.watcher.run_once(106))
        await house.pods.is_slow.wait()
        judging = group.create_task(house.watcher.finish(house.run.id))
        done, _ = await asyncio.wait({judging}, timeout=0.2)
        assert not done, "the verdict would come before the last reading"
        house.pods.may_answer.set()
        await asyncio.gather(reading, judging)
    assert await house.look() == {100: 2.0, 105: 3.0} and house.pods.reads == 3


async def test_nothing_is_read_of_a_run_that_was_judged_in_the_meantime(house: House) -> None:
    await house.watcher.finish(house.run.id)
    assert await house.look(105, 110) == {} and house.pods.reads == 0, "its runner still says that it is there"


async def test_looks_that_wait_for_a_slow_one_read_their_window_once(house: House) -> None:
    await house.look(101)
    house.pods.may_answer.clear()
    house.pods.is_slow.clear()
    async with asyncio.TaskGroup() as group:
        group.create_task(house.watcher.run_once(105))
        await house.pods.is_slow.wait()
        waiting = {group.create_task(house.watcher.run_once(second)) for second in (110, 111)}
        done, _ = await asyncio.wait(waiting, timeout=0.2)
        assert not done
        house.pods.may_answer.set()
    assert await house.look() == {100: 2.0, 105: 3.0} and house.pods.reads == 3
