"""Why something was done: commands that need no reason put on record the one that is given."""

from typing import Any

import pytest

from controllers import daily_batch_runner
from tests.api.batch import a_model_of_numbers, assigned, some_lots, started
from tests.api.in_process import BOTH_DATABASES, Plog
from tests.api.models import a_model

pytestmark = [BOTH_DATABASES, pytest.mark.usefixtures("models_here")]
AUDIT = "query ($actions: [AuditAction!]) { auditEntries(filter: {actions: $actions}) { nodes { actor person reason } } }"


def command(call: str) -> str:
    return f"""mutation ($id: ID!, $reason: String, $key: String) {{
      {call.replace("(", "(reason: $reason, idempotencyKey: $key, ")} {{ __typename
        ... on UserError {{ code message }} ... on ValidationFailed {{ problems {{ field }} }} }} }}"""


UPDATE, ARCHIVE = 'setUpModelUpdate(id: $id, input: {description: "x"})', "setUpModelArchive(id: $id)"
ASSIGN, UNASSIGN = 'modelAssign(input: {modelId: $id, rule: {step: "S"}})', "modelUnassign(id: $id)"
CANCEL = "dailyBatchRunCancel(id: $id)"


async def subject_of(plog: Plog, call: str) -> dict[str, Any]:
    """What the command is about."""
    if call == UNASSIGN:
        return await assigned(plog, await a_model(plog), rule={"step": "S"})
    if call != CANCEL:
        return await a_model(plog)
    await some_lots(plog, 100)
    await assigned(plog, await a_model_of_numbers(plog), rule={"product": "SoC-7"})
    return await started(plog)


@pytest.mark.parametrize("reason", [None, " too small \n", ""])
@pytest.mark.parametrize(
    ("call", "action"),
    [
        (UPDATE, "MODEL_UPDATED"),
        (ARCHIVE, "MODEL_ARCHIVED"),
        (ASSIGN, "MODEL_ASSIGNED"),
        (UNASSIGN, "MODEL_UNASSIGNED"),
        (CANCEL, "DAILY_BATCH_CANCELLED"),
    ],
)
async def test_a_reason_that_is_given_is_put_on_record(
    plog: Plog, monkeypatch: pytest.MonkeyPatch, call: str, action: str, reason: str | None
) -> None:
    monkeypatch.setattr(daily_batch_runner, "BATCH_ROWS", 1)
    thing = await subject_of(plog, call)
    for wrong in ("x" * 2001, "a\x00"):
        answer = await plog.answer(command(call), id=thing["id"], reason=wrong)
        assert [each["field"] for each in answer["problems"]] == ["reason"], answer
    assert (await plog.answer(AUDIT, actions=[action]))["nodes"] == []
    for _ in range(2):
        answer = await plog.answer(command(call), id=thing["id"], reason=reason, key="k")
        assert answer["__typename"].endswith("Payload"), answer
    assert (await plog.answer(command(call), id=thing["id"], reason="other", key="k"))["code"] == "IDEMPOTENCY_KEY_REUSED"
    wanted = (reason or "").strip() or None
    told = (await plog.answer(AUDIT, actions=[action]))["nodes"]
    assert told == [{"actor": "demo:ada", "person": "demo:ada", "reason": wanted}]
