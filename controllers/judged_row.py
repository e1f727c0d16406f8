"""What a model says of lot rows: each has a result, or a reason why there is none."""

from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic

from domain.daily_batch_run import BatchRefusal, DailyBatchRun
from domain.lot_result import LotInputs, LotResult, NoInputs, inputs_of
from domain.lot_row import LotRow
from domain.model_version import ModelVersion
from domain.ports import LoadedModel

STORE_SECONDS = 2.0
UNANSWERED_IN_A_ROW = 3
UNANSWERED_IN_ALL = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedRow:
    """A row with what the model was given and said, or why it says nothing. `is_unanswered`: it broke, or took too long."""

    row: LotRow
    inputs: LotInputs | None = None
    outputs: tuple[float, ...] = ()
    refusal: str | None = None
    is_unanswered: bool = False

    def result(self, version: ModelVersion, run: DailyBatchRun) -> LotResult:
        """The result to be stored."""
        assert self.inputs is not None
        return LotResult(
            product_line=run.product_line,
            lot_row_id=self.row.id,
            lot_row_version=self.row.version,
            model_version=version.key,
            targets=version.content.targets,
            outputs=self.outputs,
            input_sha256=self.inputs.sha256,
            out_of_range=self.inputs.out_of_range,
            run_id=run.id,
        )

    def refused(self, version: ModelVersion, run: DailyBatchRun) -> BatchRefusal:
        """The refusal to be kept."""
        return BatchRefusal(
            run_id=run.id,
            model_version=version.key,
            lot_row_id=self.row.id,
            lot_row_version=self.row.version,
            reason=self.refusal or "",
            is_unanswered=self.is_unanswered,
        )


async def judge_rows(model: LoadedModel, version: ModelVersion, rows: Sequence[LotRow]) -> list[JudgedRow]:
    """What the model says of the first of the rows: one at least, those that it comes to within `STORE_SECONDS`.

    One that it gives no answer for is the last: it has to be loaded again then.
    """
    judged, end = [], monotonic() + STORE_SECONDS
    for row in rows:
        judged.append(await _judge(model, version, row))
        if judged[-1].is_unanswered or monotonic() >= end:
            break
    return judged


async def _judge(model: LoadedModel, version: ModelVersion, row: LotRow) -> JudgedRow:
    try:
        inputs = inputs_of(row.definition, version.content.features)
    except NoInputs as error:
        return JudgedRow(row=row, refusal=str(error))
    said = await model.predict(inputs.values)
    return JudgedRow(row=row, inputs=inputs, outputs=said.outputs, refusal=said.problem, is_unanswered=said.is_unanswered)


@dataclass(slots=True)
class Patience:
    """How long a model is asked that gives no answer for some rows; `again`: for rows that it gave none for before."""

    again: bool
    in_a_row: int = 0
    in_all: int = 0

    def hear(self, judged: Sequence[JudgedRow]) -> None:
        """Take in what the model said of further rows."""
        if any(each.inputs is not None and not each.is_unanswered for each in judged):
            self.in_a_row = 0
        if judged[-1].is_unanswered:
            self.in_a_row += 1
            self.in_all += 1

    @property
    def is_lost(self) -> bool:
        """Whether it is not asked for the rest. Rows in a row say less about it where it gave no answer for them before."""
        return self.in_all >= UNANSWERED_IN_ALL or (self.in_a_row >= UNANSWERED_IN_A_ROW and not self.again)
