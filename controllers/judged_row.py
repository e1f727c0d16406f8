"""What a model says of lot rows: each has a result, or a reason why there is none."""

from collections.abc import Sequence
from dataclasses import dataclass

from domain.daily_batch_run import BatchRefusal, DailyBatchRun
from domain.lot_result import LotInputs, LotResult, NoInputs, inputs_of
from domain.lot_row import LotRow
from domain.model_version import ModelVersion
from domain.ports import LoadedModel
from domain.prediction import Prediction


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedRow:
    """A row with what the model was given and said, or why it says nothing."""

    row: LotRow
    inputs: LotInputs | None = None
    outputs: tuple[float, ...] = ()
    refusal: str | None = None

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
        )


async def judge_rows(model: LoadedModel, version: ModelVersion, rows: Sequence[LotRow]) -> list[JudgedRow]:
    """What the model says of each of the rows."""
    judged, given = [], []
    for row in rows:
        try:
            inputs = inputs_of(row.definition, version.content.features)
        except NoInputs as error:
            judged.append(JudgedRow(row=row, refusal=str(error)))
        else:
            given.append((row, inputs))
    predictions: list[Prediction] = await model.predict([inputs.values for _, inputs in given]) if given else []
    for (row, inputs), prediction in zip(given, predictions, strict=True):
        judged.append(JudgedRow(row=row, inputs=inputs, outputs=prediction.outputs, refusal=prediction.problem))
    return judged
