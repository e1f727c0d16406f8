"""What it costs to find the runs of a label, target or project: what they are, however many others came later."""

from dataclasses import replace
from uuid import uuid4

import pytest

from domain.project import ProjectDefinition
from domain.query import LoadTestRunQuery
from domain.target import TargetDefinition
from domain.visibility import EVERY_PROJECT
from persistence.unit_of_work import Database
from tests.factories import OWNER, queued_run, store_load_tests
from tests.statements import instructions

OTHERS = 1_000


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
async def test_others_that_came_later_cost_nothing(database: Database) -> None:
    """The statement is the same on PostgreSQL, which does not count its work so."""
    (load_test,) = await store_load_tests(database, 1)
    run = replace(queued_run(load_test), label="v1")
    async with database.transaction() as work:
        project = await work.projects.add(ProjectDefinition(name="q", members=(OWNER,)), "ada")
        target = await work.targets.add(project.id, TargetDefinition(name="t", url="http://x.test"), "ada")
        other = await work.load_tests.add(target, load_test.definition, "ada")
        wanted = [(await work.load_test_runs.add(replace(run, uuid=uuid4()), "")).id for _ in range(2)]
    queries = [
        LoadTestRunQuery(label="v1"),
        LoadTestRunQuery(target_id=load_test.target_id),
        LoadTestRunQuery(project_id=load_test.project_id),
    ]

    async def costs() -> list[int]:
        found = []
        async with database.snapshot() as work:
            for query in queries:
                with instructions() as counted:
                    assert [each.id for each in (await work.load_test_runs.page(query, EVERY_PROJECT)).items] == wanted[::-1]
                found.append(counted[0])
        return found

    await costs()  # what a connection prepares once is not counted
    few = await costs()
    async with database.transaction() as work:
        for number in range(OTHERS):
            await work.load_test_runs.add(replace(queued_run(other), label=f"v2.{number}"), "")
    many = await costs()
    assert all(after <= 2 * before + 5 for before, after in zip(few, many, strict=True)), (few, many)
