"""Documents about the daily batch and assignments, and the commands that tests give with them."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from skops.io import get_untrusted_types, loads

from tests.api.in_process import ERROR, Plog
from tests.api.lots import ADD_MANY, lot_row
from tests.api.models import INPUTS, card, optimized, set_up, trained
from tests.waiting import eventually

RESULT = """lotRowId lotRowVersion modelVersionId productLine inputSha256 outputs { target value }
  outOfRange { feature number text low high }"""
COUNTS = "considered stored skipped refused flagged"
RUN = f"""id number productLine isDryRun status percent message day dueAt actor actorName isCancelRequested cancelledBy
  cancelledByName cancelRequestedAt startedAt endedAt
  seconds version {COUNTS} parts {{ status modelVersionId message {COUNTS} model {{ name }} modelVersion {{ number }} }}
  refusals {{ nodes {{ reason lotRowId modelVersionId lotRow {{ lotId }} }} }} preview {{ {RESULT} lotRow {{ lotId }} }}
  viewerCanCancel {{ isAllowed reason openedBy }}"""
START = f"""mutation ($line: ProductLine, $dry: Boolean = false, $key: String) {{
  dailyBatchRun(productLine: $line, dryRun: $dry, idempotencyKey: $key) {{ __typename
    ... on DailyBatchRunPayload {{ dailyBatchRun {{ {RUN} }} }} {ERROR} ... on AlreadyRunning {{ dailyBatchRunId }} }} }}"""
CANCEL = f"""mutation ($id: ID!, $key: String) {{ dailyBatchRunCancel(id: $id, idempotencyKey: $key) {{ __typename
    ... on DailyBatchRunPayload {{ dailyBatchRun {{ {RUN} }} }} {ERROR} ... on IllegalTransition {{ current wanted }} }} }}"""
ONE = f"query ($id: ID!) {{ dailyBatchRun(id: $id) {{ {RUN} }} }}"
RUNS = f"""query ($filter: DailyBatchRunFilter, $first: Int = 50, $after: String) {{
  dailyBatchRuns(filter: $filter, first: $first, after: $after) {{ totalCount pageInfo {{ endCursor hasNextPage }}
    nodes {{ {RUN} }} }} }}"""
RESULTS = f"""query ($filter: LotResultFilter, $first: Int = 50, $after: String) {{
  lotResults(filter: $filter, first: $first, after: $after, descending: false) {{ totalCount
    pageInfo {{ endCursor hasNextPage }}
    nodes {{ id number recordedAt dailyBatchRunId {RESULT} lotRow {{ lotId attributes }} modelVersion {{ number }} }} }} }}"""
ASSIGNMENT = """id number version productLine actor actorName createdAt endedAt endedBy isInForce
  rule { product step measuredFrom measuredTo } model { id name } lotRow { id lotId } viewerCanUnassign { isAllowed reason }"""
ASSIGN = f"""mutation ($input: ModelAssignInput!, $key: String) {{ modelAssign(input: $input, idempotencyKey: $key) {{ __typename
    ... on ModelAssignmentPayload {{ modelAssignment {{ {ASSIGNMENT} }} }} {ERROR}
    ... on AlreadyAssigned {{ modelAssignmentId }} }} }}"""
UNASSIGN = f"""mutation ($id: ID!, $key: String) {{ modelUnassign(id: $id, idempotencyKey: $key) {{ __typename
    ... on ModelAssignmentPayload {{ modelAssignment {{ {ASSIGNMENT} }} }} {ERROR}
    ... on IllegalTransition {{ current wanted }} }} }}"""
ASSIGNMENTS = f"""query ($filter: ModelAssignmentFilter, $first: Int = 50, $after: String) {{
  modelAssignments(filter: $filter, first: $first, after: $after) {{ totalCount pageInfo {{ endCursor hasNextPage }}
    nodes {{ {ASSIGNMENT} }} }} }}"""


async def a_model_of_numbers(
    plog: Plog, name: str = "delay", user: str = "ada", alpha: float = 1.0, **given: Any
) -> dict[str, Any]:
    """A model whose inputs w, l and c are numbers that it was trained on from 0 to 1; with each `alpha` its file is another."""
    content = trained(alpha)
    said = card(content, features={each: {"low": 0.0, "high": 1.0} for each in INPUTS})
    kit = await optimized(plog, {"tuned_model.skops": content, "model_card.json": json.dumps(said).encode()})
    answer = await set_up(plog, kit, name, user, **given)
    assert answer["__typename"] == "SetUpModelCreatePayload", answer
    return dict(answer["setUpModel"])


async def some_lots(plog: Plog, count: int = 4, tag: str = "LOT", **changes: Any) -> list[dict[str, Any]]:
    """Rows with the inputs of that model."""
    chance = np.random.default_rng(count)
    rows = [
        lot_row(f"{tag}-{number}", attributes=dict(zip(INPUTS, map(float, chance.uniform(size=3)), strict=True)))
        for number in range(count)
    ]
    answer = await plog.answer(ADD_MANY, inputs=[{**row, **changes} for row in rows])
    assert all(each["isAdded"] for each in answer["results"]), answer
    return [each["lotRow"] for each in answer["results"]]


async def assigned(plog: Plog, model: Mapping[str, Any], user: str = "ada", **given: Any) -> dict[str, Any]:
    """An assignment, of a row or by a rule."""
    answer = await plog.answer(ASSIGN, plog.signed_in(user), input={"modelId": model["id"], **given})
    assert answer["__typename"] == "ModelAssignmentPayload", answer
    return dict(answer["modelAssignment"])


async def started(plog: Plog, user: str = "ada", **given: Any) -> dict[str, Any]:
    """A run that was started."""
    answer = await plog.answer(START, plog.signed_in(user), line="LOGIC", **given)
    assert answer["__typename"] == "DailyBatchRunPayload", answer
    return dict(answer["dailyBatchRun"])


async def ended(plog: Plog, run: Mapping[str, Any], user: str = "ada") -> dict[str, Any]:
    """The run once it has ended."""

    async def is_over() -> dict[str, Any] | None:
        found = await plog.answer(ONE, plog.signed_in(user), id=run["id"])
        return found if found["endedAt"] else None

    return dict(await eventually(is_over, deadline=60, every=0.1) or {})


async def ran(plog: Plog, user: str = "ada", **given: Any) -> dict[str, Any]:
    """A run that has ended."""
    return await ended(plog, await started(plog, user, **given), user)


async def results_of(plog: Plog, user: str = "ada", **chosen: Any) -> list[dict[str, Any]]:
    """The first results, by number."""
    return list((await plog.answer(RESULTS, plog.signed_in(user), filter=chosen))["nodes"])


def counts(of: Mapping[str, Any]) -> dict[str, int]:
    """The counts of a run or part that are not zero."""
    return {name: of[name] for name in COUNTS.split() if of[name]}


def predicted(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What skops and scikit-learn predict for a row by that model, apart from PLOG."""
    model = loads(trained(), trusted=get_untrusted_types(data=trained()))
    values = [[float(row["attributes"][name]) for name in INPUTS]]
    return [{"target": "delay", "value": float(model.predict(pd.DataFrame(values, columns=INPUTS))[0])}]
