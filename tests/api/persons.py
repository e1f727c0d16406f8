"""The kinds of persons and token holders that operations are tried by, in a world where each has what their name says."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from adapters.identity.local_issuer import DemoUser, LocalIssuer
from app.identity import ISSUER, read_keys
from domain.actor import Person as Actor
from domain.kit import ProductLine
from domain.load_test_analysis import AnalysisKind, Conclusion, LoadTestAnalysis
from domain.lot_result import LotResult
from domain.model_access_request import ModelAccessRequest
from domain.model_version import VersionKey
from domain.permission_kind import PermissionAction, Right
from domain.visibility import EVERY_PROJECT
from gql.ids import encode
from resolvers.grant import revoke_grant
from resolvers.model_access_request import approve_access_request, create_access_request
from resolvers.permission_request import approve_permission_request, create_permission_requests
from tests.api import batch, lots
from tests.api.in_process import HOST, UNSIGNED, Plog, job_command
from tests.api.models import CREATE, optimized
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
    MODEL_USER = "logic general with access to the model"
    MODEL_OWNER = "logic general who owns the model"
    APPROVER = "approver"
    DRAM_APPROVER = "approver of DRAM general alone"
    VIEWER = "viewer of the project"
    EDITOR = "editor of the project"
    OWNER = "owner of the project"
    JOB_TOKEN = "job token"
    RUN_TOKEN = "run token"


KIND_OF = {
    Who.LOGIC_GENERAL: "LOGIC_GENERAL",
    Who.LOGIC_SET_UP: "LOGIC_MODEL_SET_UP",
    Who.DRAM_GENERAL: "DRAM_GENERAL",
    Who.MODEL_USER: "LOGIC_GENERAL",
    Who.MODEL_OWNER: "LOGIC_GENERAL",
}
GROUPS = {Who.APPROVER: ("approvers",), Who.DRAM_APPROVER: ("dram-approvers",)}
APPROVERS = {"permissions": {"approver_groups": {"*": ["approvers"], "DRAM_GENERAL": ["dram-approvers"]}}}
USERS = {who: DemoUser(username=who.name.lower(), name=who.value, groups=GROUPS.get(who, ())) for who in Who}
DANA = DemoUser(username="dana", name="Dana", groups=())
CHRIS = Actor(subject="demo:chris", name="Chris", expires_at=datetime.now(UTC), groups=frozenset({"approvers"}))


@dataclass(frozen=True)
class World:
    """A LOGIC kit that runs, one that was cancelled, and the model of a third; a project with a target, load test, two runs and
    an analysis; a lot row with a result; a model's assignment; an application and a grant.

    An import is that of the `LOGIC_GENERAL` caller. The applicant and holder is Dana, who is none of the callers. `headers` are
    those of each kind of caller. The server has the settings `APPROVERS`.
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


def _person(user: DemoUser, *actions: PermissionAction) -> Actor:
    """Somebody who may do that in LOGIC."""
    rights = frozenset(Right(ProductLine.LOGIC, action) for action in actions)
    return Actor(subject=user.subject, name=user.name, expires_at=datetime.now(UTC), rights=rights)


async def _give(plog: Plog, user: DemoUser, kind: str) -> int:
    """Let somebody have a permission, applied for and approved as people do; the number of the grant."""
    asked = {"kinds": [kind], "reason": "test"}
    (request,) = await create_permission_requests(plog.container.services, _person(user), asked)
    approved = await approve_permission_request(plog.container.services, CHRIS, request.id, "test")
    assert approved.grant_id is not None
    return approved.grant_id


PROJECT = """query ($id: ID!) { loadTestRun(id: $id) { loadTest { id number project { id } target { id } } } }"""


ACCESS = {"modelId": "", "purpose": "test", "until": "2100-01-01T00:00:00Z"}


async def _apply_for(plog: Plog, user: DemoUser, model: Mapping[str, Any]) -> ModelAccessRequest:
    """Somebody's application for access to the model."""
    applicant = _person(user, PermissionAction.GENERAL)
    return await create_access_request(plog.container.services, applicant, ACCESS, model["number"])


async def _model(plog: Plog) -> dict[str, Any]:
    """A model whose owner may set up models no more, and which somebody else has access to."""
    job_id, owner = (await optimized(plog, name="trained"))["jobs"][3]["id"], USERS[Who.MODEL_OWNER]
    grant = await _give(plog, owner, "LOGIC_MODEL_SET_UP")
    document = {"name": "delay", "productLine": "LOGIC", "source": {"jobId": job_id}}
    model = (await plog.answer(CREATE, signed_in_as(plog, owner), input=document))["setUpModel"]
    await revoke_grant(plog.container.services, CHRIS, grant, "test")
    request = await _apply_for(plog, USERS[Who.MODEL_USER], model)
    decider = _person(owner, PermissionAction.GENERAL)
    await approve_access_request(plog.container.services, decider, request.id, "test")
    return dict(model)


async def _analysis(plog: Plog, number: int) -> str:
    """The id of an analysis of that run, which has found nothing."""
    async with plog.container.services.database.transaction() as work:
        run = (await work.load_test_runs.get_many([number], EVERY_PROJECT))[number]
        analysis = LoadTestAnalysis(
            id=0,
            project_id=run.project_id,
            load_test_id=run.load_test_id,
            run_id=run.id,
            baseline_run_id=None,
            kind=AnalysisKind.TPS,
            model=None,
            seconds=0.1,
            actor="demo:ada",
            created_at=run.updated_at,
            conclusion=Conclusion(confidence=1.0, score=100.0, findings=(), remarks=()),
        )
        return encode("LoadTestAnalysis", (await work.load_test_analyses.add(analysis)).id)


async def _import(plog: Plog, headers: Mapping[str, str]) -> str:
    """The id of an import that the holder of these headers has started."""
    content = lots.written([lots.lot_row("LOT-2")]).encode()
    sha256 = hashlib.sha256(content).hexdigest()
    await plog.http.put(f"/uploads/{sha256}?size={len(content)}", content=content, headers=headers)
    return str((await plog.answer(lots.START, headers, input={"upload": sha256}))["lotImport"]["id"])


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
    await _give(plog, DANA, "DRAM_GENERAL")
    headers: dict[Who, Mapping[str, str]] = {who: signed_in_as(plog, user) for who, user in USERS.items()}
    headers[Who.NOBODY] = UNSIGNED
    headers[Who.JOB_TOKEN] = plog.worker(kit)
    headers[Who.RUN_TOKEN] = plog.holding(ended.generator)
    grants = '{ grants(filter: {kinds: ["DRAM_GENERAL"]}, first: 1) { nodes { id } } }'
    (grant,) = (await plog.ask(grants, plog.signed_in("dana")))["grants"]["nodes"]
    ids = {"project": test["project"]["id"], "target": test["target"]["id"], "loadTest": test["id"], "number": test["number"]}
    model = await _model(plog)
    ids |= {"access": encode("ModelAccessRequest", (await _apply_for(plog, DANA, model)).id)}
    ids |= {"version": model["activeVersion"]["id"], "model": model["id"]}
    ids |= {"run": run["id"], "runNumber": run["number"], "input": load_test(title="another")}
    row = await lots.added(plog)
    document = {"modelId": model["id"], "rule": {"product": row["product"]}}
    assignment = (await plog.answer(batch.ASSIGN, input=document))["modelAssignment"]
    ids |= {"assignment": assignment["id"], "batchRun": await _with_result(plog, model, row)}
    ids |= {"lotRow": row["id"], "lotImport": await _import(plog, headers[Who.LOGIC_GENERAL])}
    ids |= {"analysis": await _analysis(plog, ended.run.id)}
    return World(plog, kit, cancelled, ended, ended.id, ids, await applied(plog, "LOGIC_GENERAL"), grant, headers)
