"""Every operation that there is by every kind of caller: who is let in, who is denied, and for whom the thing does not exist."""

import re
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import product
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest
from graphql import GraphQLObjectType, OperationType

from domain.errors import NotFound
from gql import ids
from gql.limits import Limits
from gql.schema import build_schema
from tests.api.in_process import BOTH_DATABASES, Plog, serving, table_document
from tests.api.lots import lot_row
from tests.api.persons import APPROVERS, Who, World, made_world
from tests.endurance import Tell
from tests.statements import statements

pytestmark = pytest.mark.usefixtures("models_here")
SCHEMA = build_schema(Limits())._schema


class Outcome(StrEnum):
    """What a caller meets. LET_IN: an answer, or a refusal that says something about the thing itself."""

    LET_IN = "let in"
    DENIED = "denied"
    ABSENT = "absent"
    UNSIGNED = "unsigned"


IN, DENIED, ABSENT = Outcome.LET_IN, Outcome.DENIED, Outcome.ABSENT
TOKENS = {Who.JOB_TOKEN: DENIED, Who.RUN_TOKEN: DENIED}
PERSONS = [who for who in Who if who not in (Who.NOBODY, *TOKENS)]


def rule(otherwise: Outcome, **of: Outcome) -> dict[Who, Outcome]:
    """What persons meet, by the names of their kinds; tokens reach nothing unless they are named."""
    return {
        Who.NOBODY: Outcome.UNSIGNED,
        **dict.fromkeys(PERSONS, otherwise),
        **TOKENS,
        **{Who[name]: each for name, each in of.items()},
    }


WORKERS = dict.fromkeys(("LOGIC_GENERAL", "LOGIC_SET_UP", "MODEL_USER", "MODEL_OWNER"), IN)
ANYBODY = rule(IN)
LOGIC = rule(ABSENT, **WORKERS)
LOGIC_TO_BE = rule(DENIED, **WORKERS)
VIEWERS = rule(ABSENT, VIEWER=IN, EDITOR=IN, OWNER=IN)
SET_UP = rule(ABSENT, **{**dict.fromkeys(WORKERS, DENIED), "LOGIC_SET_UP": IN})
SET_UP_TO_BE = rule(DENIED, LOGIC_SET_UP=IN)
MODEL_USERS = rule(ABSENT, **{**WORKERS, "LOGIC_GENERAL": DENIED})
DECIDERS = rule(ABSENT, LOGIC_SET_UP=IN, MODEL_OWNER=IN)
DECIDERS_OF_OTHERS = rule(ABSENT, LOGIC_SET_UP=DENIED, MODEL_OWNER=DENIED)
EDITORS = rule(ABSENT, VIEWER=DENIED, EDITOR=IN, OWNER=IN)
OWNERS = rule(ABSENT, VIEWER=DENIED, EDITOR=DENIED, OWNER=IN)
APPROVERS_OF_LOGIC = rule(ABSENT, APPROVER=IN)
APPROVERS_OF_DRAM = rule(ABSENT, APPROVER=IN, DRAM_APPROVER=IN)
AUDITORS = rule(ABSENT, APPROVER=IN, DRAM_APPROVER=IN, LOGIC_SET_UP=IN, MODEL_OWNER=IN)
APPLICANT = rule(ABSENT, APPROVER=DENIED)
WHO_MAY_WORK = rule(DENIED, **WORKERS, DRAM_GENERAL=IN)
IMPORTER = rule(ABSENT, LOGIC_GENERAL=IN)  # it belongs to them alone
JOBS = rule(DENIED, JOB_TOKEN=IN)
RUNS = rule(DENIED, RUN_TOKEN=IN)


FIRST_MISSING, NO_UUID = 2_000_000_000, UUID(int=0)
NUMBERS = ("number", "requestId")
A_NUMBER = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\b[0-9]+\b")
Arguments = Callable[[World, Who], Mapping[str, Any]]


@dataclass(frozen=True)
class Operation:
    """A root field with its arguments, what is selected of it, and who may run it. An empty list is taken for nothing there."""

    rule: Mapping[Who, Outcome]
    arguments: Arguments = field(default=lambda world, who: {})
    selected: str = "{ __typename }"


def _of(name: str, argument: str = "id") -> Arguments:
    return lambda world, who: {argument: world.ids[name]}


def _about(field: str) -> Arguments:
    return lambda world, who: {"filter": {field: "demo:dana"}}


def _kit(world: World, who: Who) -> Mapping[str, Any]:
    return {"id": world.kit["id"]}


def _job(world: World, who: Who) -> Mapping[str, Any]:
    return {"id": world.kit["jobs"][0]["id"]}


def _request(world: World, who: Who) -> Mapping[str, Any]:
    return {"id": world.request["id"], "reason": "test"}


def _grant(world: World, who: Who) -> Mapping[str, Any]:
    return {"id": world.grant["id"], "reason": "test"}


def _model_input(world: World) -> Mapping[str, Any]:
    return {"name": "another", "productLine": "LOGIC", "source": NOT_UPLOADED}


def _access(world: World, who: Who) -> Mapping[str, Any]:
    return {"input": {"modelId": world.ids["model"], "purpose": "test", "until": "2100-01-01T00:00:00Z"}}


def _access_request(world: World, who: Who) -> Mapping[str, Any]:
    return {"id": world.ids["access"], "reason": "test"}


PAGE = "{ nodes { __typename } }"
NOT_UPLOADED = {"upload": {"sha256": "0" * 64, "targets": ["delay"]}}  # who is denied is so before it is looked for
NOTE = {"sequence": 1, "kind": "NOTE", "metadata": {"a": 1}}
CODE = "{ __typename ... on UserError { code } }"
QUERIES: dict[str, Operation] = {
    "viewer": Operation(ANYBODY),
    "permissionKinds": Operation(ANYBODY),
    "permissionRequests": Operation(APPROVERS_OF_DRAM, _about("subject"), PAGE),
    "grants": Operation(APPROVERS_OF_DRAM, _about("subject"), PAGE),
    "auditEntries": Operation(
        rule(ABSENT, APPROVER=IN, DRAM_APPROVER=IN, LOGIC_SET_UP=IN, MODEL_OWNER=IN), _about("person"), PAGE
    ),
    "stepTemplates": Operation(ANYBODY),
    "node": Operation(LOGIC, _kit),
    "nodes": Operation(VIEWERS, lambda world, who: {"ids": [world.ids["run"]]}),
    "kit": Operation(LOGIC, _kit),
    "kitByNumber": Operation(LOGIC, lambda world, who: {"number": world.kit["number"]}),
    "kits": Operation(LOGIC, selected=PAGE),
    "job": Operation(LOGIC, _job),
    "jobs": Operation(LOGIC, selected=PAGE),
    "deckRequest": Operation(LOGIC, lambda world, who: {"requestId": 1}),
    "lotRow": Operation(LOGIC, _of("lotRow")),
    "lotRows": Operation(LOGIC, selected=PAGE),
    "lotImport": Operation(IMPORTER, _of("lotImport")),
    "lotImports": Operation(IMPORTER, selected=PAGE),
    "project": Operation(VIEWERS, _of("project")),
    "projects": Operation(VIEWERS, selected=PAGE),
    "target": Operation(VIEWERS, _of("target")),
    "targets": Operation(VIEWERS, selected=PAGE),
    "endpoints": Operation(VIEWERS, _of("target", "targetId"), PAGE),
    "loadTest": Operation(VIEWERS, _of("loadTest")),
    "loadTestByNumber": Operation(VIEWERS, _of("number", "number")),
    "loadTests": Operation(VIEWERS, selected=PAGE),
    "loadTestPreview": Operation(VIEWERS, lambda world, who: {"targetId": world.ids["target"], "input": world.ids["input"]}),
    "loadTestRun": Operation(VIEWERS, _of("run")),
    "loadTestRunByNumber": Operation(VIEWERS, _of("runNumber", "number")),
    "loadTestRuns": Operation(VIEWERS, selected=PAGE),
    "loadTestComparison": Operation(VIEWERS, lambda world, who: {"runIds": [world.ended, world.ids["run"]]}),
    "loadTestTrend": Operation(VIEWERS, _of("loadTest", "loadTestId")),
    "setUpModel": Operation(LOGIC, _of("model")),
    "modelAccessRequests": Operation(DECIDERS, _about("subject"), PAGE),
    "setUpModels": Operation(LOGIC, selected=PAGE),
    "modelAssignments": Operation(LOGIC, selected=PAGE),
    "lotResults": Operation(LOGIC, selected=PAGE),
    "dailyBatchRun": Operation(LOGIC, _of("batchRun")),
    "dailyBatchRuns": Operation(LOGIC, selected=PAGE),
    "loadTestAnalysis": Operation(VIEWERS, _of("analysis")),
    "loadTestAnalyses": Operation(VIEWERS, selected=PAGE),
}
SUBSCRIPTIONS: dict[str, Operation] = {
    "kitState": Operation(LOGIC, _kit),
    "kits": Operation(LOGIC, selected="{ order }"),
    "jobLog": Operation(LOGIC, lambda world, who: {"jobId": world.cancelled["jobs"][0]["id"]}),
    "lotImport": Operation(IMPORTER, _of("lotImport")),
    "lotImports": Operation(IMPORTER, selected="{ order }"),
    "dailyBatchRun": Operation(LOGIC, _of("batchRun")),
    "dailyBatchRuns": Operation(LOGIC, selected="{ order }"),
    "loadTests": Operation(VIEWERS, selected="{ order }"),
    "loadTestMetrics": Operation(VIEWERS, _of("run", "runId")),
    "loadTestLog": Operation(VIEWERS, lambda world, who: {"runId": world.ended}),
    "modelAccessInbox": Operation(DECIDERS, selected="{ order }"),
    "modelAccessRequests": Operation(DECIDERS, _about("subject"), "{ order }"),
    "permissionInbox": Operation(APPROVERS_OF_LOGIC, selected="{ order }"),
    "viewer": Operation(ANYBODY),
}
# In an order in which an earlier one leaves to the later what it needs.
MUTATIONS: dict[str, Operation] = {
    "kitCreate": Operation(LOGIC_TO_BE, lambda world, who: {"input": table_document(name="another")}),
    "kitStart": Operation(LOGIC, _kit),
    "jobStart": Operation(LOGIC, _job),
    "jobRetry": Operation(LOGIC, _job),
    "taskReport": Operation(JOBS, lambda world, who: {"input": {"reports": [NOTE]}}),
    "jobCancel": Operation(LOGIC, _job),
    "kitCancel": Operation(LOGIC, _kit),
    "kitArchive": Operation(LOGIC, _kit),
    "lotRowAdd": Operation(LOGIC_TO_BE, lambda world, who: {"input": lot_row(f"LOT-{who.name}".replace("_", "-"))}),
    "lotRowsAdd": Operation(WHO_MAY_WORK, lambda world, who: {"inputs": [lot_row()]}),  # each row has its own answer
    "lotRowCorrect": Operation(
        LOGIC, lambda world, who: {"id": world.ids["lotRow"], "input": lot_row(quantity=5), "reason": "counted again"}
    ),
    "lotImportStart": Operation(WHO_MAY_WORK, lambda world, who: {"input": {"upload": "0" * 64}}),
    "lotImportCancel": Operation(IMPORTER, _of("lotImport")),
    "lotImportResume": Operation(IMPORTER, _of("lotImport")),
    "projectCreate": Operation(ANYBODY, lambda world, who: {"input": {"name": "of one's own"}}),
    "projectUpdate": Operation(OWNERS, lambda world, who: {"id": world.ids["project"], "input": {"name": "shop"}}),
    "targetSecretSet": Operation(
        EDITORS, lambda world, who: {"id": world.ids["target"], "input": {"name": who.name, "value": "a long value"}}
    ),
    "targetSecretDelete": Operation(EDITORS, lambda world, who: {"id": world.ids["target"], "name": who.name}),
    "targetAdd": Operation(
        EDITORS, lambda world, who: {"projectId": world.ids["project"], "input": {"url": "http://127.0.0.1:9/"}}
    ),
    "targetUpdate": Operation(EDITORS, lambda world, who: {"id": world.ids["target"], "input": {"url": "http://127.0.0.1:9/x"}}),
    "targetAnalyze": Operation(EDITORS, _of("target")),
    "loadTestCreate": Operation(EDITORS, lambda world, who: {"targetId": world.ids["target"], "input": world.ids["input"]}),
    "loadTestUpdate": Operation(EDITORS, lambda world, who: {"id": world.ids["loadTest"], "input": world.ids["input"]}),
    "loadTestStart": Operation(EDITORS, _of("loadTest")),
    "loadTestQuickStart": Operation(ANYBODY, lambda world, who: {"url": "http://127.0.0.1:9/"}),
    "loadTestReport": Operation(RUNS, lambda world, who: {"reports": [NOTE]}),
    "loadTestStop": Operation(EDITORS, _of("run")),
    "loadTestAnalyze": Operation(EDITORS, lambda world, who: {"kind": "TPS", "runId": world.ended}),
    "loadTestRunReport": Operation(EDITORS, lambda world, who: {"runId": world.ended, "format": "MARKDOWN"}),
    "loadTestArchive": Operation(EDITORS, _of("loadTest")),
    "targetArchive": Operation(EDITORS, _of("target")),
    "projectArchive": Operation(OWNERS, _of("project")),
    "permissionRequestCreate": Operation(ANYBODY, lambda world, who: {"input": {"kinds": ["LOGIC_GENERAL"], "reason": "test"}}),
    "permissionRequestApprove": Operation(APPROVERS_OF_LOGIC, _request),
    "permissionRequestReject": Operation(APPROVERS_OF_LOGIC, _request),
    "permissionRequestWithdraw": Operation(APPLICANT, _request),
    "grantRenew": Operation(APPROVERS_OF_DRAM, lambda world, who: {**_grant(world, who), "expiresAt": None}),
    "grantRevoke": Operation(APPROVERS_OF_DRAM, _grant),
    "setUpModelCreate": Operation(SET_UP_TO_BE, lambda world, who: {"input": _model_input(world)}),
    "setUpModelCopy": Operation(SET_UP, lambda world, who: {"sourceId": world.ids["model"], "input": {"name": f"copy of {who}"}}),
    "setUpModelUpdate": Operation(SET_UP, lambda world, who: {"id": world.ids["model"], "input": {"description": "x"}}),
    "modelVersionAdd": Operation(SET_UP, lambda world, who: {"modelId": world.ids["model"], "source": NOT_UPLOADED}),
    "modelVersionPromote": Operation(SET_UP, lambda world, who: {"id": world.ids["version"], "reason": "test"}),
    "setUpModelRollBack": Operation(SET_UP, lambda world, who: {"id": world.ids["model"], "reason": "test"}),
    "modelAccessRequestCreate": Operation(LOGIC, _access),
    "modelAccessRequestReject": Operation(DECIDERS, _access_request),
    "modelAccessRequestApprove": Operation(DECIDERS, _access_request),
    "modelAccessRenew": Operation(DECIDERS, _access_request),
    "modelAccessRevoke": Operation(DECIDERS, _access_request),
    "modelAccessRequestWithdraw": Operation(DECIDERS_OF_OTHERS, _access_request),
    "modelAssign": Operation(
        MODEL_USERS, lambda world, who: {"input": {"modelId": world.ids["model"], "rule": {"step": who.name}}}
    ),
    "modelUnassign": Operation(MODEL_USERS, _of("assignment")),
    "dailyBatchRun": Operation(LOGIC_TO_BE, lambda world, who: {"productLine": "LOGIC"}),
    "dailyBatchRunCancel": Operation(SET_UP, _of("batchRun")),
    "setUpModelArchive": Operation(SET_UP, _of("model")),
}
TABLES = {"query": QUERIES, "subscription": SUBSCRIPTIONS, "mutation": MUTATIONS}


def root_type(kind: str) -> GraphQLObjectType:
    """The type whose fields are the operations of that kind."""
    root = SCHEMA.get_root_type(OperationType(kind))
    assert root is not None
    return root


def document(kind: str, name: str, operation: Operation, given: Mapping[str, Any]) -> str:
    """The operation, with its arguments as variables."""
    root = root_type(kind)
    types = {argument: root.fields[name].args[argument].type for argument in given}
    declared = "(" + ", ".join(f"${argument}: {each}" for argument, each in types.items()) + ")" if given else ""
    passed = "(" + ", ".join(f"{argument}: ${argument}" for argument in given) + ")" if given else ""
    return f"{kind} {declared} {{ {name}{passed} {CODE if kind == 'mutation' else operation.selected} }}"


async def meets(world: World, kind: str, name: str, operation: Operation, who: Who) -> Outcome:
    """What that caller meets."""
    given = operation.arguments(world, who)
    body = {"query": document(kind, name, operation, given), "variables": given}
    headers = {**world.headers[who], "accept": "text/event-stream" if kind == "subscription" else "application/json"}
    async with world.plog.http.stream("POST", "/graphql", json=body, headers=headers) as response:
        if response.status_code == 401:
            return Outcome.UNSIGNED
        if "event-stream" not in response.headers["content-type"]:
            answer = orjson.loads(await response.aread())
        else:
            answer = orjson.loads(await anext(line[6:] async for line in response.aiter_lines() if line.startswith("data: ")))
    return outcome_of(answer, name)


def outcome_of(answer: Mapping[str, Any], name: str) -> Outcome:
    """What an answer says."""
    value = (answer.get("data") or {}).get(name)
    code = value.get("code") if isinstance(value, dict) else None
    if answer.get("errors"):
        code = answer["errors"][0]["extensions"]["code"]
        assert not code.startswith("GRAPHQL"), answer
    if code in ("PERMISSION_DENIED", "NOT_FOUND"):
        return DENIED if code == "PERMISSION_DENIED" else ABSENT
    parts = [value, value.get("nodes"), value.get("order")] if isinstance(value, dict) else [value]
    is_empty = any(part in ([], [None]) for part in parts) or value is None
    return ABSENT if is_empty and code is None else IN


def _missing(value: Any) -> Any:
    """The same arguments with ids and numbers of their kinds that nothing has."""
    if isinstance(value, Mapping):
        return {name: FIRST_MISSING + each if name in NUMBERS else _missing(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_missing(each) for each in value]
    try:
        kind, key = ids.decode(value)
    except (NotFound, TypeError):
        return value
    number = str(NO_UUID) if "-" in key[0] else FIRST_MISSING + int(key[0])
    return ids.encode(kind, number, *key[1:])


async def _asked(world: World, kind: str, name: str, operation: Operation, given: Mapping[str, Any], who: Who) -> tuple[str, int]:
    """What is answered, with its numbers left out, and in how many statements."""
    body = {"query": document(kind, name, operation, given).replace("code", "code message"), "variables": given}
    with statements() as seen:
        response = await world.plog.http.post("/graphql", json=body, headers=world.headers[who])
    return A_NUMBER.sub("N", response.text), len(seen)


@pytest.fixture
async def plog(plog_settings: dict[str, Any], tmp_path: Path) -> AsyncIterator[Plog]:
    """A server with the approvers of the world."""
    async with serving(tmp_path / "plog", {**plog_settings, **APPROVERS}) as made:
        yield made


@BOTH_DATABASES
@pytest.mark.timeout(300)
async def test_what_is_foreign_is_answered_as_what_is_not_there_at_all(plog: Plog, tell: Tell) -> None:
    """In the same words, and in as many statements."""
    world, told, compared = await made_world(plog), [], 0
    asked = [(kind, name, each) for kind in ("query", "mutation") for name, each in TABLES[kind].items()]
    for (kind, name, operation), who in product(asked, (Who.NO_PERMISSION, Who.LOGIC_GENERAL, Who.DRAM_GENERAL)):
        given = operation.arguments(world, who)
        if operation.rule[who] is not ABSENT or (missing := _missing(given)) == given:
            continue
        for _ in range(3):  # at first something may have to be found out about the database, and the server has loops of its own
            foreign, absent = [await _asked(world, kind, name, operation, each, who) for each in (given, missing)]
            if foreign == absent:
                break
        compared += 1
        if foreign != absent:
            told.append(f"{kind} {name} by {who}: {foreign} and {absent}")
    assert not told, "\n".join(told)
    tell(f"{compared} answers compared")


async def differences(world: World, kind: str, name: str, callers: Iterable[Who] = Who) -> AsyncIterator[str]:
    """In what an operation is not as the table says, caller by caller."""
    operation = TABLES[kind][name]
    for who in callers:
        found = await meets(world, kind, name, operation, who)
        if found is not operation.rule[who]:
            yield f"{kind} {name} by {who}: {found}, not {operation.rule[who]}"


def test_the_table_has_every_operation() -> None:
    for kind, root in (
        ("query", SCHEMA.query_type),
        ("mutation", SCHEMA.mutation_type),
        ("subscription", SCHEMA.subscription_type),
    ):
        assert root is not None and set(root.fields) == set(TABLES[kind]), kind


@BOTH_DATABASES
@pytest.mark.timeout(300)
async def test_every_operation_by_every_kind_of_caller(plog: Plog, tell: Tell) -> None:
    world, operations = await made_world(plog), [(kind, name) for kind, table in TABLES.items() for name in table]
    wrong = [each for kind, name in operations async for each in differences(world, kind, name)]
    assert not wrong, "\n".join(wrong)
    tell(f"{len(operations)} operations by {len(Who)} kinds of callers = {len(operations) * len(Who)} cells")
