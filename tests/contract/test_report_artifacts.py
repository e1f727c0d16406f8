"""Artifacts that workers report: uploaded first, a name once in an attempt, with what they were made from."""

import pytest

from domain.artifact import AttemptArtifact, blob_location
from domain.event import EventKind
from domain.report import ReportedArtifact
from domain.visibility import EVERY_MODEL, EVERY_PROJECT, EVERYTHING
from persistence.unit_of_work import Database
from tests.contract.intake_bench import Bench, new_bench, shown

CHECKSUM = "ab" * 32


@pytest.fixture
async def bench(database: Database) -> Bench:
    return await new_bench(database)


def artifact(name: str = "data.csv", sha256: str = CHECKSUM, size: int = 3, inputs: tuple[str, ...] = ()) -> ReportedArtifact:
    return ReportedArtifact(name=name, media_type="text/csv", sha256=sha256, size=size, inputs=inputs)


def upload(bench: Bench, sha256: str = CHECKSUM, size: int = 3) -> None:
    bench.artifacts.sizes[blob_location(bench.worker.attempt, sha256)] = size


async def test_an_artifact_is_reported_after_its_upload(bench: Bench) -> None:
    server = bench.server()
    reports = [bench.report(1), bench.report(2, EventKind.ARTIFACT, artifact=artifact()), bench.report(3)]
    early = await server.submit(bench.worker, reports)
    assert shown(early) == ["RECORDED", "NOT_UPLOADED", "NOT_UPLOADED"]
    assert [each.consumed for each in early] == [True, False, False]
    upload(bench, size=2)
    assert shown(await server.submit(bench.worker, reports[1:])) == ["NOT_UPLOADED"] * 2
    upload(bench)
    assert shown(await server.submit(bench.worker, reports)) == ["RECORDED"] * 3
    async with bench.database.snapshot() as work:
        (found,) = await work.artifacts.of_jobs([bench.worker.attempt.job_id])
    assert (found.name, found.sha256, found.size, found.attempt) == ("data.csv", CHECKSUM, 3, bench.worker.attempt)
    assert await bench.sequences() == [1, 2, 3]


@pytest.mark.parametrize("sha256", ["", "x", "../../etc/passwd", "AB" * 32, "\x00", "\ud800", "/"])
async def test_an_artifact_whose_checksum_is_none_is_refused_at_once(bench: Bench, sha256: str) -> None:
    """Nothing could ever be uploaded under it: to wait for that would stop the worker for good."""
    reports = [bench.report(1, EventKind.ARTIFACT, artifact=artifact(sha256=sha256)), bench.report(2)]
    results = await bench.server().submit(bench.worker, reports)
    assert shown(results) == ["VALIDATION_FAILED", "RECORDED"] and results[0].consumed


async def test_a_note_that_brings_an_artifact_along_leaves_none(bench: Bench) -> None:
    results = await bench.server().submit(bench.worker, [bench.report(1, artifact=artifact())])
    assert shown(results) == ["VALIDATION_FAILED"]
    async with bench.database.snapshot() as work:
        assert await work.artifacts.of_jobs([bench.worker.attempt.job_id]) == []


async def test_artifacts_know_what_they_were_made_from(bench: Bench) -> None:
    upload(bench)
    upload(bench, "cd" * 32)
    reports = [
        bench.report(1, EventKind.ARTIFACT, artifact=artifact("raw.csv")),
        bench.report(2, EventKind.ARTIFACT, artifact=artifact("clean.csv", "cd" * 32, inputs=("raw.csv", "unknown"))),
    ]
    await bench.server().submit(bench.worker, reports)
    async with bench.database.snapshot() as work:
        clean, raw = await work.artifacts.of_jobs([bench.worker.attempt.job_id])
    assert (raw.inputs, clean.inputs) == ((), (raw.id,))


async def artifacts(bench: Bench) -> list[AttemptArtifact]:
    async with bench.database.snapshot() as work:
        return await work.artifacts.of_jobs([bench.worker.attempt.job_id])


async def test_the_same_content_again_is_no_second_artifact(bench: Bench) -> None:
    upload(bench)
    first, second = (bench.report(number, EventKind.ARTIFACT, artifact=artifact()) for number in (1, 2))
    server = bench.server()
    assert shown(await server.submit(bench.worker, [first, second])) == ["RECORDED", "COALESCED"]
    assert shown(await bench.server().submit(bench.worker, [first, second])) == ["RECORDED", "COALESCED"]
    third = bench.report(3, EventKind.ARTIFACT, artifact=artifact())
    assert shown(await bench.server().submit(bench.worker, [third])) == ["COALESCED"]
    assert len(await artifacts(bench)) == 1 and await bench.sequences() == [1]
    await bench.check()


@pytest.mark.parametrize("is_one_batch", [True, False])
async def test_another_content_under_a_name_that_is_taken_is_refused(bench: Bench, is_one_batch: bool) -> None:
    """What was accepted stays, and what was made from it goes on naming it."""
    for checksum in (CHECKSUM, "cd" * 32, "ef" * 32):
        upload(bench, checksum)
    server = bench.server()
    reports = [
        bench.report(1, EventKind.ARTIFACT, artifact=artifact("raw.csv")),
        bench.report(2, EventKind.ARTIFACT, artifact=artifact("clean.csv", "cd" * 32, inputs=("raw.csv",))),
        bench.report(3, EventKind.ARTIFACT, artifact=artifact("raw.csv", "ef" * 32)),
        bench.report(4),
    ]
    parts = [reports] if is_one_batch else [[report] for report in reports]
    results = [result for part in parts for result in await server.submit(bench.worker, part)]
    assert shown(results) == ["RECORDED", "RECORDED", "VALIDATION_FAILED", "RECORDED"]
    assert results[2].consumed and (results[2].message or "").startswith("artifact.name: ")
    assert await bench.server().submit(bench.worker, reports) == results
    clean, raw = await artifacts(bench)
    assert (raw.sha256, clean.inputs) == (CHECKSUM, (raw.id,))
    async with bench.database.snapshot() as work:
        assert await work.artifacts.get_many([raw.id], EVERYTHING, EVERY_PROJECT, EVERY_MODEL) == {raw.id: raw}
