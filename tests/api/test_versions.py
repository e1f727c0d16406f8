"""Versions as clients rely on them: refused when stale, unchanged when known, dense in the history, foldable to any time."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from domain import commands
from domain.artifact import AttemptArtifact
from domain.attempt import AttemptKey, Cause, Ending
from domain.change import Change
from domain.kit import Kit
from domain.runner import LogChunk
from tests.api.in_process import BOTH_DATABASES, KIT, Plog, job_command
from tests.history import fold, history_of

AT = f"""{KIT} query ($id: ID!, $asOf: DateTime, $ifVersionNot: Int) {{
  kit(id: $id, asOf: $asOf, ifVersionNot: $ifVersionNot) {{ __typename ...KitParts ... on Unchanged {{ version }} }} }}"""
EVENTS = """query ($id: ID!, $first: Int! = 50, $after: String, $afterVersion: Int, $filter: KitEventFilter) { kit(id: $id) {
  ... on Kit { events(first: $first, after: $after, afterVersion: $afterVersion, filter: $filter) {
    edges { cursor node { version } } nodes { version kind jobType task status actor recordedAt sequence metadata }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } } }"""
REPORT = """mutation ($reports: [TaskReportInput!]!) { taskReport(input: {reports: $reports}) {
  ... on TaskReportPayload { results { state version code } } ... on UserError { code message } } }"""
FETCHING = {"kind": "STATUS", "task": "fetch", "status": "RUNNING"}
NOTE = {"kind": "NOTE", "metadata": {"a": 1}}


async def report(plog: Plog, kit: dict[str, Any], *reports: dict[str, Any]) -> None:
    """The first reports of the worker of the kit's first job."""
    numbered = [{"sequence": number, **each} for number, each in enumerate(reports, start=1)]
    results = (await plog.answer(REPORT, plog.worker(kit), reports=numbered))["results"]
    assert all(result["state"] == "RECORDED" for result in results), results


async def events(plog: Plog, kit: dict[str, Any], **variables: Any) -> dict[str, Any]:
    """A page of the kit's events."""
    page: dict[str, Any] = (await plog.answer(EVENTS, id=kit["id"], **variables))["events"]
    return page


async def read(plog: Plog, kit: dict[str, Any], **variables: Any) -> dict[str, Any]:
    """The kit, perhaps as of a time; empty where it did not exist."""
    return (await plog.ask(AT, id=kit["id"], **variables))["kit"] or {}


def begin(change: Change) -> None:
    commands.begin_attempt(change, change.kit.jobs[0].id, 1, "runner")


def end(change: Change) -> None:
    ending = Ending(exit_code=None, reports=2, cause=Cause.CANCELLED, message="ended")
    commands.settle_attempt(change, change.kit.jobs[0].id, 1, ending)


@BOTH_DATABASES
async def test_progress_makes_no_version_stale_and_a_status_does(plog: Plog) -> None:
    kit = await plog.run()
    job, seen = kit["jobs"][0], (await read(plog, kit))["version"]
    await report(plog, kit, FETCHING, NOTE, {"kind": "PROGRESS", "task": "fetch", "progress": 0.5})
    query = job_command("jobCancel").replace("... on UserError", "... on VersionConflict { expected current } ... on UserError")
    stale = await plog.answer(query, id=job["id"], expected=seen - 1)
    assert (stale["code"], stale["expected"], stale["current"]) == ("VERSION_CONFLICT", seen - 1, seen)
    taken = await plog.answer(query, id=job["id"], expected=seen)
    assert taken["__typename"] == "JobCommandPayload"


@BOTH_DATABASES
async def test_a_version_is_that_of_the_thing_named(plog: Plog) -> None:
    """A job's change of status makes the version of its kit stale only where the kit's own status changes with it."""
    kit = await plog.create()
    queued = await plog.answer(job_command("jobStart"), id=kit["jobs"][0]["id"], expected=kit["version"])
    assert queued["job"]["status"] == "QUEUED"
    conflict = await plog.command("kitCancel", kit, expected=kit["version"])
    assert conflict["code"] == "VERSION_CONFLICT", "the kit is RUNNING now"
    seen = (await read(plog, kit))["version"]
    await plog.change(kit, begin)
    assert (await plog.command("kitCancel", kit, expected=seen))["__typename"] == "KitCommandPayload", "it still is"


async def test_a_version_that_was_never_reached_is_refused(plog: Plog) -> None:
    kit = await plog.create()
    for version in (kit["version"] + 1, 0, -1):
        for answer in (
            await plog.command("kitStart", kit, expected=version),
            await plog.answer(job_command("jobStart"), id=kit["jobs"][0]["id"], expected=version),
        ):
            assert answer["__typename"] == "ValidationFailed"
            assert [problem["field"] for problem in answer["problems"]] == ["expectedVersion"]
    assert await read(plog, kit) == {"__typename": "Kit", **kit}


async def test_what_is_known_is_not_sent_again(plog: Plog) -> None:
    kit = await plog.create()
    version = kit["version"]
    assert await read(plog, kit, ifVersionNot=version) == {"__typename": "Unchanged", "version": version}
    for other in (version - 1, version + 1, 0, -1):
        assert await read(plog, kit, ifVersionNot=other) == {"__typename": "Kit", **kit}
    await plog.command("kitStart", kit)
    assert (await read(plog, kit, ifVersionNot=version))["version"] > version


@BOTH_DATABASES
async def test_every_time_shows_what_the_history_folds_to(plog: Plog) -> None:
    kit = await plog.run("as of")
    await report(plog, kit, FETCHING, NOTE)
    await plog.command("kitCancel", kit)
    await plog.change(kit, end)
    async with plog.container.services.database.snapshot() as work:
        history = await history_of(work, kit["number"])
        identity = await work.kits.identity(kit["number"])
    assert identity is not None
    times = sorted({event.recorded_at for event in history})
    assert len(times) == 6
    for time in times:
        state = fold([event for event in history if event.recorded_at <= time], identity=identity)
        assert essence(await read(plog, kit, asOf=time.isoformat())) == of_domain(state), time
    assert await read(plog, kit, asOf=times[-1].isoformat()) == await read(plog, kit)
    last = (await read(plog, kit))["version"]
    assert await read(plog, kit, asOf=times[-1].isoformat(), ifVersionNot=last) == {"__typename": "Unchanged", "version": last}
    assert await read(plog, kit, asOf="1999-12-31T23:59:59Z") == {}
    assert await plog.codes(AT, id=kit["id"], asOf="2999-01-01T00:00:00+09:00") == ["VALIDATION_FAILED"]


def essence(shown: dict[str, Any]) -> dict[str, Any]:
    jobs = [
        (
            job["status"],
            job["version"],
            job["attempt"]["number"],
            job["attempt"]["cause"],
            [task["status"] for task in job["tasks"]],
        )
        for job in shown["jobs"]
    ]
    return {name: shown[name] for name in ("version", "status", "statusVersion", "isStarted", "percent")} | {"jobs": jobs}


def of_domain(kit: Kit) -> dict[str, Any]:
    jobs = [
        (job.status, job.version, job.attempt.number, job.attempt.cause, [task.status for task in job.tasks]) for job in kit.jobs
    ]
    return {
        "version": kit.version,
        "status": kit.status,
        "statusVersion": kit.status_version,
        "isStarted": kit.is_started,
        "percent": round(kit.progress * 100, 2),
        "jobs": jobs,
    }


@BOTH_DATABASES
async def test_pages_of_events_are_the_history(plog: Plog) -> None:
    kit = await plog.run()
    await report(plog, kit, *(NOTE for _ in range(40)))
    other = await plog.run("another")  # its events have the same versions
    version = (await read(plog, kit))["version"]
    seen: list[int] = []
    after = None
    while True:
        page = await events(plog, kit, first=7, after=after)
        assert page["pageInfo"]["hasPreviousPage"] is (after is not None)
        assert [edge["node"]["version"] for edge in page["edges"]] == [node["version"] for node in page["nodes"]]
        assert [edge["cursor"] for edge in page["edges"]][:: len(page["edges"]) - 1 or 1][0] == page["pageInfo"]["startCursor"]
        seen += [node["version"] for node in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert seen == list(range(1, version + 1))
    assert [each["version"] for each in (await events(plog, other, first=2))["nodes"]] == [1, 2]


@BOTH_DATABASES
async def test_a_kit_is_there_from_its_creation_on(plog: Plog) -> None:
    kit = await plog.create()
    assert await read(plog, kit, asOf=kit["createdAt"]) == {"__typename": "Kit", **kit}
    before = datetime.fromisoformat(kit["createdAt"]) - timedelta(microseconds=1)
    assert await read(plog, kit, asOf=before.isoformat()) == {}


async def test_events_after_a_version(plog: Plog) -> None:
    """What a merged frame skipped is read by the version that the frame names."""
    kit = await plog.run()
    version = (await read(plog, kit))["version"]
    for after in (0, 1, version - 3, version):
        nodes = (await events(plog, kit, afterVersion=after, first=100))["nodes"]
        assert [node["version"] for node in nodes] == list(range(after + 1, version + 1))
    page = await events(plog, kit, afterVersion=2, first=3)
    assert [node["version"] for node in page["nodes"]] == [3, 4, 5]
    rest = await events(plog, kit, after=page["pageInfo"]["endCursor"], first=2)
    assert [node["version"] for node in rest["nodes"]] == [6, 7]


async def test_events_by_kind_job_task_and_attempt(plog: Plog) -> None:
    kit = await plog.run()
    await report(plog, kit, FETCHING, NOTE, {**NOTE, "task": "fetch"})
    found = {
        "commands": {"kinds": ["CREATED", "STARTED"]},
        "notes": {"kinds": ["NOTE"]},
        "of a task": {"task": "fetch"},
        "of a job": {"jobType": "ML", "kinds": ["STATUS"]},
        "of an attempt": {"attempt": 2},
        "nobody's": {"task": "nope"},
    }
    shown = {
        name: [(node["kind"], node["task"]) for node in (await events(plog, kit, filter=chosen))["nodes"]]
        for name, chosen in found.items()
    }
    assert shown == {
        "commands": [("CREATED", None), ("STARTED", None)],
        "notes": [("NOTE", None), ("NOTE", "fetch")],
        "of a task": [("STATUS", "fetch"), ("STATUS", "fetch"), ("NOTE", "fetch")],
        "of a job": [("STATUS", None), *(("STATUS", task) for task in ("preprocess", "scale", "train", "test"))],
        "of an attempt": [],
        "nobody's": [],
    }


async def test_an_event_says_who_and_what(plog: Plog) -> None:
    kit = await plog.run()
    await report(plog, kit, FETCHING)
    nodes = (await events(plog, kit, first=100))["nodes"]
    assert [node["actor"] for node in nodes if node["kind"] in ("CREATED", "STARTED")] == ["demo:ada", "demo:ada"]
    assert nodes[-1] == {
        "version": len(nodes),
        "kind": "STATUS",
        "jobType": "DECK_COLLECTION",
        "task": "fetch",
        "status": "RUNNING",
        "actor": "worker",
        "recordedAt": nodes[-1]["recordedAt"],
        "sequence": 1,
        "metadata": {},
    }
    assert UUID(kit["jobs"][0]["uuid"]).version == 4


PAST = """query ($id: ID!, $asOf: DateTime) { kit(id: $id, asOf: $asOf) { ... on Kit { version
  events { nodes { version } } later: events(afterVersion: 3, first: 1) { nodes { version } pageInfo { hasNextPage } }
  jobs { kit { version status jobs { status } } attempts { nodes { number status cause endedAt } }
    artifacts { name } first: artifacts(attempt: 1) { name } second: artifacts(attempt: 2) { name } log { text isLast } } } } }"""


@BOTH_DATABASES
async def test_everything_below_a_past_kit_is_as_it_was(plog: Plog) -> None:
    kit = await plog.run()
    job = kit["jobs"][0]
    key = AttemptKey(UUID(job["uuid"]), 1)
    moments = {}

    async def remember(name: str) -> None:
        now = await plog.answer(PAST, id=kit["id"])
        moments[name] = (await read(plog, kit))["updatedAt"], now

    async def leave(name: str, attempt: int) -> None:
        now = (await read(plog, kit))["updatedAt"]
        async with plog.container.services.database.transaction() as work:
            shared: dict[str, Any] = {"media_type": "text/plain", "sha256": "ab" * 32, "size": 1, "inputs": ()}
            owner = AttemptKey(key.job_id, attempt)
            at = datetime.fromisoformat(now)
            await work.artifacts.add(
                [AttemptArtifact(id=uuid4(), kit_id=kit["number"], attempt=owner, name=name, created_at=at, **shared)]
            )

    await remember("begun")
    await report(plog, kit, FETCHING, NOTE)
    await leave("early", 1)
    await remember("reported")
    await plog.change(kit, end)
    await remember("ended")
    await plog.answer(job_command("jobRetry"), id=job["id"])
    await remember("retried")
    await plog.change(kit, lambda change: commands.begin_attempt(change, key.job_id, 2, "runner"))
    await leave("late", 2)
    async with plog.container.services.database.transaction() as work:
        await work.logs.add(key, LogChunk(0, b"written later\n"), await work.kits.now())
    for name, (at, then) in moments.items():
        past = await plog.answer(PAST, id=kit["id"], asOf=at)
        logs = [job.pop("log") for job in past["jobs"]]
        for each in then["jobs"]:
            each.pop("log")
        assert past == then, name
        if name != "retried":  # the log is the one thing that is shown as it is now
            assert logs[0] == {"text": "written later\n", "isLast": True}
