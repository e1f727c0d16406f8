"""Models in the tests' own process, for tests in which they are loaded many times; held to the contract of their ports."""

import hashlib
import json
import tempfile
from collections.abc import AsyncIterator, Sequence, Set
from contextlib import asynccontextmanager
from pathlib import Path

from domain.model_source import InspectedModel
from domain.model_version import ModelContent
from domain.ports import LoadedModel
from domain.prediction import ModelUnusable, Prediction
from steps.model_inspection import inspect
from steps.model_prediction import RowModel
from steps.untrusted_model import ModelRefused, read_untrusted


class InspectorHere:
    """`domain.ports.ModelInspector` without a process."""

    async def inspect(self, content: AsyncIterator[bytes]) -> InspectedModel:
        """See `domain.ports.ModelInspector.inspect`."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.skops"
            path.write_bytes(b"".join([piece async for piece in content]))
            said = json.loads(json.dumps(inspect(path)))
        return InspectedModel(**{**said, "names": tuple(said.get("names", ()))})


class PredictorHere:
    """`domain.ports.ModelPredictor` without a process. Rows with an `unanswered` first value break each model."""

    def __init__(self, unanswered: Set[float] = frozenset()) -> None:
        self.unanswered = unanswered

    @asynccontextmanager
    async def load(self, content: AsyncIterator[bytes], model: ModelContent) -> AsyncIterator[LoadedModel]:
        """See `domain.ports.ModelPredictor.load`."""
        file = b"".join([piece async for piece in content])
        if hashlib.sha256(file).hexdigest() != model.sha256 or len(file) != model.size:
            raise ModelUnusable(f"The model's file is not the one with the checksum {model.sha256}.")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.skops"
            path.write_bytes(file)
            try:
                loaded = RowModel.of(read_untrusted(path), [feature.name for feature in model.features], model.targets)
            except ModelRefused as refused:
                types = f": {', '.join(refused.types)}" if refused.types else ""
                raise ModelUnusable(f"The model's file {refused.problem}{types}.") from None
        yield _LoadedHere(loaded, self.unanswered)


class _LoadedHere:
    def __init__(self, model: RowModel, unanswered: Set[float]) -> None:
        self._model = model
        self._unanswered = unanswered
        self._is_broken = False

    async def predict(self, row: Sequence[float | str]) -> Prediction:
        """See `domain.ports.LoadedModel.predict`."""
        if self._is_broken:
            raise ModelUnusable("The model can't be asked any more.")
        if row[0] in self._unanswered:
            self._is_broken = True
            return Prediction(problem="The model gave no answer for this row.", is_unanswered=True)
        found = self._model.predict(row)
        return Prediction(tuple(found.get("outputs", ())), found.get("problem"))
