"""The kinds of persons and token holders that operations are tried by, in a world where each has what their name says."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from adapters.identity.local_issuer import DemoUser, LocalIssuer
from app.identity import ISSUER, read_keys
from domain.actor import Person as Actor
from domain.kit import ProductLine
from domain.lot_result import LotResult
from domain.model_version import VersionKey
from domain.permission_kind import PermissionAction, Right
from gql.ids import encode
from resolvers.model_access_request import create_access_request
from resolvers.permission_request import approve_permission_request, create_permission_requests
from tests.api import batch, lots
from tests.api.in_process import HOST, UNSIGNED, Plog, job_command
from tests.api.models import optimized, set_up
from tests.api.permissions import applied
from tests.api.test_load_test import load_test
from tests.api.test_load_test_report import STOP, Run, started
from tests.api.test_project import UPDATE


class Who(StrEnum):
    """Kinds of callers."""

    NOBODY = "nobody"
    NO_PERMISSION = "no permission"
    LOGIC_GENERAL = "logic general"
    LOGIC_SET_UP = "logic set-up"
    DRAM_GENERAL = "DRAM general"
    APPROVER = "approver"
    VIEWER = "viewer of the project"
    EDITOR = "editor of the project"
    OWNER = "owner of the project"
    JOB_TOKEN = "job token"
    RUN_TOKEN = "run token"


KIND_OF = {
    Who.LOGIC_GENERAL: "LOGIC_GENERAL",
    Who.LOGIC_SET_UP: "LOGIC_MODEL_SET_UP",
    Who.DRAM_GENERAL: "DRAM_GENERAL",
}
USERS = {who: DemoUser(username=who.name.lower(), name=who.value, groups=()) for who in Who}
USERS[Who.APPROVER] = DemoUser(username="approver", name="approver", groups=("approvers",))


@dataclass(frozen=True)
class World:
    """A LOGIC kit that runs, one that was cancelled, and the model of a third; a project with a target, load test, two runs;
    a lot row with a result, and an import; a model's assignment; an application and a grant.

    The applicant and holder is Dana, who is none of the callers. `headers` are those of each kind of caller.
    """

    plog: Plog
    kit: dict[str, Any]
    cancelled: dict[str, Any]
    run: Run
    ended: str
    ids: Mapping[str, Any]
    request: dict[str, Any]
    grant: dict[str, Any]
    headers: Mapping[Who, Mapping[str, str]]


def signed_in_as(plog: Plog, user: DemoUser) -> Mapping[str, str]:
    """The headers of somebody whom the issuer says to be that."""
    keys = read_keys(plog.container.settings).derive("local issuer")
    issuer = LocalIssuer(ISSUER, plog.container.settings.oidc.audience, keys, host=HOST, users=[user])
    return {"authorization": f"Bearer {issuer.issue(user.username, timedelta(hours=1))}"}


async def _give(plog: Plog, user: DemoUser, kind: str) -> None:
    """Let somebody have a permission, applied for and approved as people do."""
    at = datetime.now(UTC)
    person = Actor(subject=user.subject, name=user.name, expires_at=at)
    approver = Actor(subject="demo:chris", name="Chris", expires_at=at, groups=frozenset({"approvers"}))
    (request,) = await create_permission_requests(plog.container.services, person, {"kinds": [kind], "reason": "test"})
    await approve_permission_request(plog.container.services, approver, request.id, "test")


PROJECT = """query ($id: ID!) { loadTestRun(id: $id) { loadTest { id number project { id } target { id } } } }"""


ACCESS = {"modelId": "", "purpose": "test", "until": "2100-01-01T00:00:00Z"}


def _applicant() -> Actor:
    """Somebody of the product line who is none of the callers."""
    rights = frozenset({Right(ProductLine.LOGIC, PermissionAction.GENERAL)})
    return Actor(subject="demo:dana", name="Dana", expires_at=datetime.now(UTC), rights=rights)


async def _with_result(plog: Plog, model: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    """The id of a run of the daily batch that has ended, once there is a result of it for that row."""
    run = await batch.ran(plog)
    async with plog.container.services.database.transaction() as work:
        at = await work.kits.now()
        result = LotResult(
            product_line=ProductLine.LOGIC,
            lot_row_id=row["number"],
            lot_row_version=1,
            model_version=VersionKey(model["number"], 1),
            targets=("delay",),
            outputs=(0.5,),
            input_sha256="0" * 64,
            out_of_range=(),
            run_id=run["number"],
        )
        await work.lot_results.add([result], at)
    return str(run["id"])


async def made_world(plog: Plog) -> World:
    """All of that, made by Ada."""
    kit, cancelled = await plog.run("runs"), await plog.start("cancelled")
    await plog.answer(job_command("jobCancel"), id=cancelled["jobs"][0]["id"])
    ended = await started(plog)
    await plog.answer(STOP, id=ended.id)
    test = (await plog.answer(PROJECT, id=ended.id))["loadTest"]
    start = "mutation ($id: ID!) { loadTestStart(id: $id) { ... on LoadTestRunPayload { run { id number } } } }"
    run = (await plog.answer(start, id=test["id"]))["run"]
    members = [{"subject": "demo:ada", "role": "OWNER"}] + [
        {"subject": USERS[who].subject, "role": who.name} for who in (Who.VIEWER, Who.EDITOR, Who.OWNER)
    ]
    changed = await plog.answer(UPDATE, id=test["project"]["id"], input={"name": "shop", "members": members})
    assert changed["__typename"] == "ProjectCommandPayload", changed
    for who, kind in KIND_OF.items():
        await _give(plog, USERS[who], kind)
    await _give(plog, DemoUser(username="dana", name="Dana", groups=()), "DRAM_GENERAL")
    headers: dict[Who, Mapping[str, str]] = {who: signed_in_as(plog, user) for who, user in USERS.items()}
    headers[Who.NOBODY] = UNSIGNED
    headers[Who.JOB_TOKEN] = plog.worker(kit)
    headers[Who.RUN_TOKEN] = plog.holding(ended.generator)
    grants = '{ grants(filter: {kinds: ["DRAM_GENERAL"]}, first: 1) { nodes { id } } }'
    (grant,) = (await plog.ask(grants, plog.signed_in("dana")))["grants"]["nodes"]
    ids = {"project": test["project"]["id"], "target": test["target"]["id"], "loadTest": test["id"], "number": test["number"]}
    kit_of_model = await optimized(plog, name="trained")
    model = (await set_up(plog, kit_of_model))["setUpModel"]
    access = await create_access_request(plog.container.services, _applicant(), ACCESS, model["number"])
    ids |= {"access": encode("ModelAccessRequest", access.id)}
    ids |= {"version": model["activeVersion"]["id"], "model": model["id"]}
    ids |= {"run": run["id"], "runNumber": run["number"], "input": load_test(title="another")}
    row = await lots.added(plog)
    document = {"modelId": model["id"], "rule": {"product": row["product"]}}
    assignment = (await plog.answer(batch.ASSIGN, input=document))["modelAssignment"]
    ids |= {"assignment": assignment["id"], "batchRun": await _with_result(plog, model, row)}
    ids |= {"lotRow": row["id"], "lotImport": (await lots.started(plog, lots.written([lots.lot_row("LOT-2")]).encode()))["id"]}
    return World(plog, kit, cancelled, ended, ended.id, ids, await applied(plog, "LOGIC_GENERAL"), grant, headers)
