"""What a page costs the database: as many statements for ten kits as for one, whatever hangs below them."""

from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from domain.artifact import AttemptArtifact
from domain.attempt import AttemptKey
from domain.daily_batch_run import BatchPart, BatchRefusal, DailyBatchRun
from domain.kit import ProductLine
from domain.lot_result import LotResult
from domain.lot_row import LotRow
from domain.model_assignment import AssignmentOrder
from domain.model_version import ModelContent, ModelOrigin
from domain.project import ProjectDefinition
from domain.runner import LogChunk
from domain.set_up_model import ModelDefinition
from domain.target import TargetDefinition
from tests.api.in_process import BOTH_DATABASES, Plog, serving
from tests.contract.batch_house import lot
from tests.factories import OWNER
from tests.statements import statements

ATTEMPT = "attempt { id number status cause message exitCode version createdAt startedAt endedAt }"
NODES = {
    "jobs and tasks": "percent currentJob { id } jobs { uuid status metadata dataInfo tasks { id status percent metadata } }",
    "attempts": f"jobs {{ {ATTEMPT} attempts(first: 3) {{ nodes {{ number status }} pageInfo {{ hasNextPage }} }} }}",
    "artifacts": "jobs { artifacts { id name sha256 size inputIds downloadUrl viewerCanDownload { isAllowed } } }",
    "deck requests": "jobs { deckRequest { requestId status deck } }",
    "the way back": "jobs { kit { number jobs { kit { number } } } }",
    "events": "events(first: 3) { nodes { version kind } pageInfo { hasNextPage endCursor } }",
    "logs": "jobs { log { text end isLast } }",
}
KITS = "query ($first: Int!) { kits(first: $first) { totalCount nodes { number %s } } }"
JOBS = "query ($first: Int!) { jobs(first: $first) { nodes { uuid %s } } }"
OF_NODES = """query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id
  ... on Job { attempts { nodes { number } } } ... on Task { name } ... on Kit { number } ... on KitEvent { version } } }"""
REPORT = """mutation ($reports: [TaskReportInput!]!) { taskReport(input: {reports: $reports}) {
  ... on TaskReportPayload { results { state } } } }"""


async def cost(plog: Plog, query: str, **variables: Any) -> tuple[int, dict[str, Any]]:
    """The statements of an operation, and its data."""
    await plog.ask(query, **variables)  # the second time nothing has to be found out about the database itself
    with statements() as seen:
        data = await plog.ask(query, **variables)
    return len(seen), data


async def furnished(plog: Plog, count: int) -> None:
    """Kits with something at every depth; what their jobs have left is the file of a set-up model."""
    content = ModelContent(sha256="ab" * 32, size=1, features=(), targets=("y",), origin=ModelOrigin.UPLOAD)
    async with plog.container.services.database.transaction() as work:
        model = await work.set_up_models.add(ModelDefinition(name="delay"), ProductLine.LOGIC, "ada", "Ada")
        await work.model_versions.add(model.id, content, "ada", "Ada", model.created_at)
    for number in range(count):
        kit = await plog.run(f"kit {number}")
        key = AttemptKey(UUID(kit["jobs"][0]["uuid"]), 1)
        async with plog.container.services.database.transaction() as work:
            at = await work.kits.now()
            shared: dict[str, Any] = {"kit_id": kit["number"], "attempt": key, "media_type": "text/plain", "sha256": "ab" * 32}
            files = [AttemptArtifact(id=uuid4(), name=name, size=1, inputs=(), created_at=at, **shared) for name in ("a", "b")]
            await work.artifacts.add(files)
            await work.logs.add(key, LogChunk(0, b"one line\n"), at)


@BOTH_DATABASES
async def test_ten_kits_cost_as_many_statements_as_one(plog: Plog) -> None:
    await furnished(plog, 10)
    found = {}
    for name, fields in NODES.items():
        one, few = await cost(plog, KITS % fields, first=1)
        ten, many = await cost(plog, KITS % fields, first=10)
        assert (len(few["kits"]["nodes"]), len(many["kits"]["nodes"])) == (1, 10)
        found[name] = (one, ten)
    assert {name: costs for name, costs in found.items() if costs[0] != costs[1]} == {}
    assert max(ten for _, ten in found.values()) <= 8, found


@BOTH_DATABASES
async def test_jobs_across_kits_cost_as_many_statements_as_one(plog: Plog) -> None:
    await furnished(plog, 5)
    fields = f"{ATTEMPT} kit {{ number }} attempts {{ nodes {{ number }} }} artifacts {{ name }} tasks {{ id }}"
    one, _ = await cost(plog, JOBS % fields, first=1)
    many, data = await cost(plog, JOBS % fields, first=20)
    assert one == many
    assert len({job["kit"]["number"] for job in data["jobs"]["nodes"]}) == 5


@pytest.mark.parametrize("kind", ["Kit", "Job", "Task", "KitEvent", "Artifact", "Attempt", "DeckRequest"])
async def test_ten_nodes_cost_as_many_statements_as_one(plog: Plog, kind: str) -> None:
    await furnished(plog, 10)
    fields = "id events(first: 1) { nodes { id } } jobs { id tasks { id } attempt { id } artifacts { id } deckRequest { id } }"
    kits = (await plog.ask(KITS % fields, first=10))["kits"]["nodes"]
    of_kind = {
        "Kit": lambda kit: kit["id"],
        "Job": lambda kit: kit["jobs"][0]["id"],
        "Task": lambda kit: kit["jobs"][0]["tasks"][0]["id"],
        "KitEvent": lambda kit: kit["events"]["nodes"][0]["id"],
        "Artifact": lambda kit: kit["jobs"][0]["artifacts"][0]["id"],
        "Attempt": lambda kit: kit["jobs"][0]["attempt"]["id"],
        "DeckRequest": lambda kit: kit["jobs"][0]["deckRequest"]["id"],
    }
    chosen = [of_kind[kind](kit) for kit in kits]
    one, _ = await cost(plog, OF_NODES, ids=chosen[:1])
    ten, data = await cost(plog, OF_NODES, ids=chosen)
    assert [(each["__typename"], each["id"]) for each in data["nodes"]] == [(kind, each) for each in chosen]
    assert one == ten


@BOTH_DATABASES
async def test_a_page_costs_the_same_however_long_the_histories_are(plog: Plog) -> None:
    kit = await plog.run()
    query = KITS % NODES["jobs and tasks"]
    before, _ = await cost(plog, query, first=10)
    notes = [{"sequence": number, "kind": "NOTE", "metadata": {"n": number}} for number in range(1, 501)]
    await plog.ask(REPORT, plog.worker(kit), reports=notes)
    after, data = await cost(plog, query, first=10)
    assert (after, len(data["kits"]["nodes"])) == (before, 1)


TARGETS = "query ($first: Int!) { targets(first: $first) { totalCount nodes { name project { name } analysis { title } } } }"


@BOTH_DATABASES
async def test_ten_targets_cost_as_many_statements_as_one(plog: Plog) -> None:
    async with plog.container.services.database.transaction() as work:
        for number in range(10):
            project = await work.projects.add(ProjectDefinition(name=f"p{number}", members=(OWNER,)), "ada")
            await work.targets.add(project.id, TargetDefinition(name="t", url="http://x.test"), "ada")
    one, few = await cost(plog, TARGETS, first=1)
    ten, many = await cost(plog, TARGETS, first=10)
    assert (len(few["targets"]["nodes"]), len(many["targets"]["nodes"])) == (1, 10)
    assert one == ten


MODELS = """query ($first: Int!) { setUpModels(first: $first, descending: false) { totalCount nodes {
  name activeVersion { number } viewerCanUse { isAllowed } viewerCanApply { isAllowed } viewerAccessRequest { id model { name } }
  copies(first: 2) { nodes { name activeVersion { number } sourceModel { name } } pageInfo { hasNextPage } } } } }"""


@BOTH_DATABASES
async def test_ten_set_up_models_cost_as_many_statements_as_one_with_their_copies(plog: Plog) -> None:
    content = ModelContent(sha256="ab" * 32, size=1, features=(), targets=("y",), origin=ModelOrigin.UPLOAD)
    async with plog.container.services.database.transaction() as work:
        sources: list[int | None] = [None] * 10
        for copy in range(4):
            for place, source in enumerate(sources):
                definition = ModelDefinition(name=f"{copy} of {place}")
                model = await work.set_up_models.add(definition, ProductLine.LOGIC, "ada", "Ada", source)
                await work.model_versions.add(model.id, content, "ada", "Ada", model.created_at)
                sources[place] = source or model.id
    one, few = await cost(plog, MODELS, first=1)
    ten, many = await cost(plog, MODELS, first=10)
    assert (len(few["setUpModels"]["nodes"]), len(many["setUpModels"]["nodes"])) == (1, 10)
    copies = [each["copies"] for each in many["setUpModels"]["nodes"]]
    assert all(len(each["nodes"]) == 2 and each["pageInfo"]["hasNextPage"] for each in copies)
    assert one == ten


BATCH: dict[str, str] = {
    "dailyBatchRuns": """query ($first: Int!) { dailyBatchRuns(first: $first) { nodes { number viewerCanCancel { isAllowed }
      parts { stored modelVersion { number } } refusals(first: 2) { nodes { reason lotRow { lotId } } } } } }""",
    "lotResults": """query ($first: Int!) { lotResults(first: $first) { nodes { outputs { value } lotRow { lotId }
      modelVersion { number } } } }""",
    "lotRows": "query ($first: Int!) { lotRows(first: $first) { nodes { lotId results(first: 2) { nodes { number } } } } }",
    "modelAssignments": """query ($first: Int!) { modelAssignments(first: $first) { nodes { model { name } lotRow { lotId }
      isInForce viewerCanUnassign { isAllowed } } } }""",
}


async def batches(plog: Plog) -> None:
    """Ten models, each assigned to a row of its own, with a result and a refusal in a run of its own."""
    content = ModelContent(sha256="ab" * 32, size=1, features=(), targets=("y",), origin=ModelOrigin.UPLOAD)
    line = ProductLine.LOGIC
    async with plog.container.services.database.transaction() as work:
        at = await work.kits.now()
        for place in range(10):
            (row,) = await work.lot_rows.add([lot(f"LOT-{place}", place)], "ada")
            model = await work.set_up_models.add(ModelDefinition(name=f"m {place}"), line, "ada", "Ada")
            key = await work.model_versions.add(model.id, content, "ada", "Ada", at)
            run = await work.daily_batch_runs.add(DailyBatchRun.queued(line, at, day=at.date() + timedelta(days=place)))
            assert isinstance(row, LotRow) and run is not None
            await work.daily_batch_runs.change(run.became("CANCELLED", at))
            order = AssignmentOrder(model_id=model.id, lot_row_id=row.id)
            await work.model_assignments.add(order, line, "ada", "Ada", at)
            await work.daily_batch_runs.add_parts([BatchPart(run_id=run.id, model_version=key)])
            of: dict[str, Any] = {"run_id": run.id, "model_version": key, "lot_row_id": row.id, "lot_row_version": 1}
            await work.daily_batch_runs.refuse([BatchRefusal(reason="none", **of)])
            given: dict[str, Any] = {"targets": ("y",), "outputs": (0.5,), "input_sha256": "ab" * 32, "out_of_range": ()}
            await work.lot_results.add([LotResult(product_line=line, **of, **given)], at)


@BOTH_DATABASES
async def test_ten_of_the_daily_batch_cost_as_many_statements_as_one(tmp_path: Path, plog_settings: dict[str, Any]) -> None:
    quiet = {"jobs_seconds": 60, "daily_batch_time": ""}  # the server's own loop reads the same tables otherwise
    async with serving(tmp_path / "plog", {**plog_settings, "scheduler": quiet}) as plog:
        await batches(plog)
        for name, query in BATCH.items():
            await _check_cost(plog, name, query)


async def _check_cost(plog: Plog, name: str, query: str) -> None:
    costs = []
    for first in (1, 10):
        variables: dict[str, Any] = {"first": first}
        await plog.ask(query, **variables)
        with statements(unseen=("clock_timestamp", "lease", "runner")) as seen:
            assert len((await plog.ask(query, **variables))[name]["nodes"]) == first
        costs.append(len(seen))
    assert costs[0] == costs[1], (name, costs)
