"""What load generators report: each number once, windows by their last revision, and nothing of what makes no sense."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from domain.actor import Generator, Worker
from domain.attempt import AttemptKey
from domain.load_test_run import REFUSED_REPORTS, LoadTestRun, RunStatus
from domain.metric_window import MetricWindow
from domain.visibility import EVERY_PROJECT
from persistence.repositories.load_test_run import LoadTestRunRepository
from resolvers import load_test_run
from resolvers.load_test import load_plan
from tests.api.in_process import BOTH_DATABASES, ERROR, Plog
from tests.api.test_load_test import ARCHIVE, UPDATE, analysed, created, load_test

LATER = datetime(2100, 1, 1, tzinfo=UTC)
START = f"""mutation ($id: ID!, $expected: Int, $key: String) {{
  loadTestStart(id: $id, expectedVersion: $expected, idempotencyKey: $key) {{
    __typename ... on LoadTestRunPayload {{ run {{ id number status version placeInQueue }} }} {ERROR} }} }}"""
STOP = f"""mutation ($id: ID!, $expected: Int, $key: String) {{ loadTestStop(id: $id, expectedVersion: $expected,
  idempotencyKey: $key) {{ __typename ... on LoadTestRunPayload {{ run {{ id status message version }} }} {ERROR} }} }}"""
REPORT = f"""mutation ($reports: [LoadTestReportInput!]!, $key: String) {{
  loadTestReport(reports: $reports, idempotencyKey: $key) {{
    __typename ... on LoadTestReportPayload {{ results {{ sequence state code message consumed }} }} {ERROR} }} }}"""
RUN = """query ($id: ID!, $after: DateTime, $first: Int! = 100) { loadTestRun(id: $id) { status message k6Requests k6Version
  metrics(after: $after, first: $first) { scenario windowStart requests failed vus } figures { scenario requests failed } script
  thresholds { metric value isMet } placeInQueue loadTest { id } log { text }
  waitsFor { reason behind { number } } } }"""
RUNS = """query ($filter: LoadTestRunFilter, $first: Int! = 50, $after: String) { loadTestRuns(filter: $filter, first: $first,
  after: $after) { totalCount nodes { number status } pageInfo { hasNextPage endCursor } } }"""


@dataclass
class Run:
    """A queued run, as its generator sees it."""

    plog: Plog
    id: str
    run: LoadTestRun

    @property
    def generator(self) -> Generator:
        return Generator(attempt=self.run.key, expires_at=LATER)

    async def report(self, *reports: Mapping[str, Any], key: str | None = None, actor: Any = None) -> Any:
        headers = self.plog.holding(actor or self.generator)
        return await self.plog.answer(REPORT, headers, reports=list(reports), key=key)

    async def states(self, *reports: Mapping[str, Any]) -> list[tuple[str, str | None, bool]]:
        results = (await self.report(*reports))["results"]
        return [(each["state"], each["code"], each["consumed"]) for each in results]

    async def read(self, **variables: Any) -> dict[str, Any]:
        return dict(await self.plog.answer(RUN, id=self.id, **variables))


async def started(plog: Plog) -> Run:
    made = await created(plog, await analysed(plog), load_test())
    run = (await plog.answer(START, id=made["id"]))["run"]
    async with plog.container.services.database.snapshot() as work:
        return Run(plog, run["id"], (await work.load_test_runs.get_many([run["number"]], EVERY_PROJECT))[run["number"]])


def window(sequence: int, start: int, *times: float, scenario: str = "s1", revision: int = 1, **figures: Any) -> dict[str, Any]:
    made = MetricWindow(start, scenario, revision, **figures)
    for time in times:
        made.times.add(time)
    return {"sequence": sequence, "kind": "WINDOW", "metadata": made.as_json()}


TAKEN = ("RECORDED", None, True)


@BOTH_DATABASES
async def test_each_window_stands_by_its_last_revision(plog: Plog) -> None:
    run = await started(plog)
    assert await run.states(window(1, 1000, 10.0), window(2, 1000, scenario="", vus=3)) == [TAKEN] * 2
    assert await run.states(window(2, 1000, scenario="", vus=9), window(3, 1010, 5.0, 6.0, failed=1)) == [TAKEN] * 2
    late = [window(4, 1000, 10.0, 20.0, 30.0, revision=3), window(5, 1000, 10.0, 20.0, revision=2)]
    assert await run.states(*late) == [TAKEN] * 2
    found = await run.read()
    overall, browse = found["metrics"]
    assert (overall["requests"], overall["failed"], overall["vus"]) == ([3, 0, 2], [0, 0, 1], [3, None, None])
    assert overall["windowStart"] == [f"1970-01-01T00:16:{second:02}+00:00" for second in (40, 45, 50)]
    assert (browse["scenario"], browse["requests"]) == ("browse", [3, 0, 2])
    assert [(each["requests"], each["failed"]) for each in found["figures"]] == [(5, 1), (5, 1)]
    later = await run.read(after=overall["windowStart"][0])
    assert later["metrics"][0]["requests"] == [2]
    assert (await run.read(first=1))["metrics"][0]["requests"] == [3]


@BOTH_DATABASES
async def test_numbers_are_taken_once_in_order_and_what_makes_no_sense_uses_its_own_up(plog: Plog) -> None:
    run = await started(plog)
    assert await run.states(window(2, 5)) == [("REFUSED", "SEQUENCE_GAP", False)]
    assert await run.states(window(0, 5)) == [("REFUSED", "VALIDATION_FAILED", False)]
    refused = ("REFUSED", "VALIDATION_FAILED", True)
    bad = [
        {"sequence": 1, "kind": "WINDOW", "metadata": {"start": 5}},
        {"sequence": 2, "kind": "WINDOW", "metadata": {**window(1, 5)["metadata"], "times": {"ranges": [["a", 1]], "total": 0}}},
        {"sequence": 3, "kind": "WINDOW", "metadata": [1]},
        {"sequence": 4, "kind": "SUMMARY"},
        {"sequence": 5, "kind": "SUMMARY", "metadata": {"a": "x" * 70_000}},
        {"sequence": 6, "kind": "SUMMARY", "metadata": {"metrics": {"http_reqs": {"count": "7"}}}},
        {"sequence": 7, "kind": "NOTE", "metadata": {"malformedReport": "x"}},
        {"sequence": 8, "kind": "SUMMARY", "metadata": {"k6": "1.1.0", "metrics": {"http_reqs": {"count": 7}}}},
    ]
    assert await run.states(*bad) == [refused] * 6 + [TAKEN] * 2
    found = await run.read()
    assert (found["metrics"], found["k6Requests"], found["k6Version"]) == ([], 7, "1.1.0")


TELLING = window(1, 1000, 10.0)["metadata"]
TIMES = TELLING["times"]
SENSELESS: list[dict[str, Any]] = [
    *({"start": start} for start in (1.5, "5", True, None, -5, 1003, 2**33, 10**18)),
    *({"isElsewhere": True, "clockOffset": offset} for offset in (1.5, "7", True, None, 1005, -(2**33))),
    *({"failed": count} for count in (-1, 1.0, "1", True, None, 2**31)),
    *({name: -1} for name in ("revision", "vus", "vusLeast", "vusTotal", "vusCount", "maxVus")),
    {"scenario": 5},
    *({"times": TIMES | {"ranges": [each]}} for each in ([1.5, 1], [10_000, 1], [1, 0], [1, "1"], [1, 2**40], [True, 1])),
    *({"times": TIMES | {name: value}} for name in ("total", "least", "greatest") for value in (-1.0, "nan", "inf", None)),
]


async def test_what_is_no_window_is_refused_and_the_run_says_so(plog: Plog) -> None:
    run = await started(plog)
    bad = [{"sequence": at, "kind": "WINDOW", "metadata": TELLING | each, "each": each} for at, each in enumerate(SENSELESS, 1)]
    for report in bad:
        each = report.pop("each")
        assert await run.states(report) == [("REFUSED", "VALIDATION_FAILED", True)], each
    last = len(bad)
    assert await run.states(window(last + 1, 1000, 10.0)) == [TAKEN]
    (told,) = (await run.report({"sequence": last + 2, "kind": "WINDOW", "metadata": TELLING | {"start": 1003}}))["results"]
    assert "is no window" in told["message"] and "start must be a multiple of 5" in told["message"]
    end = {"sequence": last + 3, "kind": "SUMMARY", "metadata": {"metrics": {"http_reqs": {"count": 1}}}}
    assert await run.states(end) == [TAKEN]
    async with plog.container.services.database.snapshot() as work:
        found = (await work.load_test_runs.get_many([run.run.id], EVERY_PROJECT))[run.run.id]
    assert found.said(REFUSED_REPORTS) == last + 1 and found.k6_requests == 1


@BOTH_DATABASES
async def test_windows_lie_no_further_apart_than_a_run_can_last_some_times(plog: Plog) -> None:
    run = await started(plog)
    far = int(run.run.most_span) // 5 * 5
    refused = ("REFUSED", "VALIDATION_FAILED", True)
    assert await run.states(window(1, 10**9, 1.0), window(2, 10**9 + far + 5, 1.0)) == [TAKEN, refused]
    assert await run.states(window(3, 10**9 - far - 5, 1.0), window(4, 10**9 - 5, 1.0)) == [refused, TAKEN]
    assert await run.states(window(5, 10**9 + far, 1.0), window(6, 10**9 + far - 5, 1.0)) == [refused, TAKEN]


async def test_nobody_but_the_runs_own_generator_can_report(plog: Plog) -> None:
    run = await started(plog)
    worker = Worker(attempt=run.run.key, kit_id=1, expires_at=LATER)
    stranger = Generator(attempt=AttemptKey(uuid4(), 1), expires_at=LATER)
    second = Generator(attempt=AttemptKey(run.run.uuid, 2), expires_at=LATER)
    assert (await run.report(window(1, 5), actor=worker))["code"] == "PERMISSION_DENIED"
    assert (await run.report(window(1, 5), actor=stranger))["code"] == "NOT_FOUND"
    assert (await run.report(window(1, 5), actor=second))["code"] == "NOT_FOUND"
    assert (await plog.answer(REPORT, reports=[window(1, 5)]))["code"] == "PERMISSION_DENIED"
    assert await plog.codes(RUN, plog.holding(run.generator), id=run.id) == ["PERMISSION_DENIED"], "a generator reads nothing"
    assert (await run.read())["metrics"] == []


async def test_a_run_with_a_verdict_takes_no_more(plog: Plog) -> None:
    run = await started(plog)
    stopped = (await plog.answer(STOP, id=run.id))["run"]
    assert (stopped["status"], stopped["message"]) == ("ABORTED", "Stopped by demo:ada before its turn came.")
    assert await run.states(window(1, 5, 1.0)) == [("REFUSED", "ATTEMPT_SUPERSEDED", False)]
    assert (await plog.answer(STOP, id=run.id))["code"] == "ILLEGAL_TRANSITION"


@BOTH_DATABASES
async def test_repeats_with_a_key_start_and_stop_once(plog: Plog) -> None:
    made = await created(plog, await analysed(plog), load_test())
    first = (await plog.answer(START, id=made["id"], key="k"))["run"]
    assert (await plog.answer(START, id=made["id"], key="k"))["run"] == first
    assert (await plog.answer(RUNS))["totalCount"] == 1 and first["placeInQueue"] == 1
    assert (await plog.answer(START, id=made["id"], expected=7))["code"] == "VALIDATION_FAILED"
    assert (await plog.answer(STOP, id=first["id"], expected=1, key="s"))["run"]["status"] == "ABORTED"
    assert (await plog.answer(STOP, id=first["id"], expected=1, key="s"))["run"]["status"] == "ABORTED"
    assert (await plog.answer(STOP, id=first["id"], expected=1))["code"] == "VERSION_CONFLICT"


@BOTH_DATABASES
async def test_runs_are_filtered_and_paged(plog: Plog) -> None:
    target = await analysed(plog)
    tests = [await created(plog, target, load_test(title=title)) for title in ("a", "b")]
    runs = [(await plog.answer(START, id=test["id"]))["run"] for test in (tests[0], tests[1], tests[0])]
    await plog.answer(STOP, id=runs[2]["id"])

    async def numbers(first: int = 50, **filters: Any) -> list[int]:
        found: list[int] = []
        after = None
        while True:
            page = await plog.answer(RUNS, filter=filters, first=first, after=after)
            found += [each["number"] for each in page["nodes"]]
            if not page["pageInfo"]["hasNextPage"]:
                assert page["totalCount"] == len(found)
                return found
            after = page["pageInfo"]["endCursor"]

    one, two, three = (run["number"] for run in runs)
    assert await numbers(1) == [three, two, one] == await numbers()
    assert await numbers(loadTestId=tests[0]["id"]) == [three, one]
    assert await numbers(statuses=["QUEUED"]) == [two, one] == await numbers(statuses=["QUEUED"], targetId=target["id"])
    assert await numbers(loadTestId=target["id"]) == []
    found = [await plog.answer(RUN, id=run["id"]) for run in runs]
    assert [each["placeInQueue"] for each in found] == [1, 2, None]
    waits = [{"reason": "SERVER", "behind": []}, {"reason": "ROOM", "behind": []}, None]
    assert [each["waitsFor"] for each in found] == waits


@pytest.mark.parametrize("limit", [1, 2])
@BOTH_DATABASES
async def test_a_target_is_claimed_by_so_many_runs_and_no_more(plog: Plog, limit: int) -> None:
    made = await created(plog, await analysed(plog), load_test())
    for _ in range(3):
        await plog.answer(START, id=made["id"])
    database = plog.container.services.database
    async with database.transaction() as work:
        await work.attempts.heartbeat("r", "process", "here", await work.kits.now())
        unfinished = await work.load_test_runs.unfinished()
        waiting = list((await work.load_test_runs.get_many([run.id for run in unfinished], EVERY_PROJECT)).values())
    claimed = []
    for run in waiting:
        async with database.transaction() as work:
            claimed.append(await work.load_test_runs.claim(run, "runner", "r", limit))
    assert [each is not None for each in claimed] == [True] * limit + [False] * (3 - limit)
    async with database.snapshot() as work:
        mine = await work.load_test_runs.claimed_by("r")
    assert [(run.id, run.status) for run in mine] == [(run.id, RunStatus.STARTING) for run in waiting[:limit]]


async def test_a_start_that_was_overtaken_begins_anew_with_its_key(plog: Plog, monkeypatch: pytest.MonkeyPatch) -> None:
    made = await created(plog, await analysed(plog), load_test())

    async def overtaken(*given: Any) -> Any:
        monkeypatch.setattr(load_test_run, "load_plan", load_plan)
        changed = await plog.answer(UPDATE, id=made["id"], input=load_test(title="another"))
        assert changed["__typename"] == "LoadTestPayload"
        return await load_plan(*given)

    monkeypatch.setattr(load_test_run, "load_plan", overtaken)
    first = await plog.answer(START, id=made["id"], key="k")
    assert first["__typename"] == "LoadTestRunPayload", first
    assert await plog.answer(START, id=made["id"], key="k") == first
    found = (await plog.answer("{ loadTestRuns { nodes { title loadTestVersion } } }"))["nodes"]
    assert found == [{"title": "another", "loadTestVersion": 2}]


async def test_a_stop_that_was_overtaken_stops_all_the_same(plog: Plog, monkeypatch: pytest.MonkeyPatch) -> None:
    run = await started(plog)
    change = LoadTestRunRepository.change

    async def overtaken(*_given: Any) -> None:
        monkeypatch.setattr(LoadTestRunRepository, "change", change)

    monkeypatch.setattr(LoadTestRunRepository, "change", overtaken)
    stopped = await plog.answer(STOP, id=run.id, key="k")
    assert stopped["run"]["status"] == "ABORTED"
    assert await plog.answer(STOP, id=run.id, key="k") == stopped


async def test_the_repeat_of_a_start_is_its_run_though_nothing_could_be_started_now(plog: Plog) -> None:
    made = await created(plog, await analysed(plog), load_test())
    first = (await plog.answer(START, id=made["id"], key="k"))["run"]
    await plog.answer(STOP, id=first["id"])
    await plog.answer(ARCHIVE, id=made["id"])
    again = (await plog.answer(START, id=made["id"], key="k"))["run"]
    assert (again["id"], again["status"]) == (first["id"], "ABORTED")


async def test_reports_that_were_overtaken_are_taken_in_all_the_same(plog: Plog, monkeypatch: pytest.MonkeyPatch) -> None:
    run = await started(plog)
    take_in = LoadTestRunRepository.take_in

    async def overtaken(*_given: Any) -> bool:
        monkeypatch.setattr(LoadTestRunRepository, "take_in", take_in)
        return False

    monkeypatch.setattr(LoadTestRunRepository, "take_in", overtaken)
    answer = await run.report(window(1, 1000, 10.0), key="k")
    assert [each["state"] for each in answer["results"]] == ["RECORDED"]
    assert (await run.read())["metrics"][0]["requests"] == [1], "what is said to be recorded is there"
