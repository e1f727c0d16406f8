"""A database with models that were trained, lots, and servers that run the daily batch."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skops.io import dumps, get_untrusted_types, loads

from adapters.artifacts import open_artifacts
from controllers.daily_batch_runner import DailyBatchRunner, DailyBatchRunnerSettings
from domain.actor import Person
from domain.approver import EVERY_KIND, Approvers
from domain.artifact import model_location
from domain.batch_query import LotResultQuery
from domain.daily_batch_run import BatchPartStatus, Counts, DailyBatchRun
from domain.daily_batch_schedule import DailyBatchSchedule
from domain.kit import ProductLine
from domain.lot_result import LotResult
from domain.lot_row import LotRow, LotRowDefinition
from domain.model_version import FeatureKind, ModelActivation, ModelContent, ModelFeature, ModelOrigin, VersionKey
from domain.ports import ModelPredictor
from domain.query import HistoryQuery
from domain.set_up_model import ModelDefinition, SetUpModel
from domain.storage import Database
from domain.visibility import EVERY_MODEL, EVERYTHING
from resolvers.daily_batch_run import find_daily_batch_runs, start_daily_batch
from resolvers.lot_row import correct_lot_row
from resolvers.model_assignment import assign_model
from resolvers.rights import with_rights
from resolvers.services import Services
from resolvers.upload import keep
from tests.factories import grant_everything
from tests.fakes import FailingDatabase, fake_services

FEATURES = tuple(ModelFeature(name=name, kind=FeatureKind.NUMBER, low=-2.0, high=2.0) for name in ("a", "b", "quantity"))
TARGETS = ("y", "z")
FAR = datetime(2100, 1, 1, tzinfo=UTC)


@cache
def trained(seed: int = 1) -> bytes:
    """A model of `FEATURES` that predicts `TARGETS`, in the format of skops."""
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(40, len(FEATURES)))
    return bytes(dumps(make_pipeline(StandardScaler(), Ridge()).fit(inputs, inputs @ rng.normal(size=(len(FEATURES), 2)))))


def apart(content: bytes, values: Sequence[float]) -> tuple[float, ...]:
    """What skops and scikit-learn predict for one row, without PLOG."""
    model = loads(content, trusted=get_untrusted_types(data=content))
    return tuple(map(float, model.predict(np.array([values]))[0]))


@dataclass
class BatchHouse:
    """What tests of the daily batch start from. `contents` are the models' files, by model and version."""

    services: Services
    contents: dict[VersionKey, bytes] = field(default_factory=dict)

    @property
    def database(self) -> Database:
        """The database."""
        return self.services.database

    async def person(self, username: str = "ada") -> Person:
        """A demo user with the rights of now."""
        person = await with_rights(self.services, Person(subject=f"demo:{username}", name=username.title(), expires_at=FAR))
        assert isinstance(person, Person)
        return person

    async def model(
        self, name: str = "delay", seed: int = 1, line: ProductLine = ProductLine.LOGIC, owner: str = "demo:ada"
    ) -> SetUpModel:
        """A model with one version, in use, and its file."""
        async with self.database.transaction() as work:
            model = await work.set_up_models.add(ModelDefinition(name=name), line, owner, owner)
        await self.add_version(model, seed)
        await self.activate(model, 1, 1)
        return model

    async def add_version(self, model: SetUpModel, seed: int) -> VersionKey:
        """A further version of the model, and its file."""
        content = trained(seed)
        sha256 = hashlib.sha256(content).hexdigest()
        await keep(self.services, model_location(sha256), sha256, content)
        said = ModelContent(sha256=sha256, size=len(content), features=FEATURES, targets=TARGETS, origin=ModelOrigin.UPLOAD)
        async with self.database.transaction() as work:
            key = await work.model_versions.add(model.id, said, model.owner, model.owner, await work.kits.now())
        self.contents[key] = content
        return key

    async def activate(self, model: SetUpModel, number: int, version: int) -> None:
        """Put a version in use, as the activation of that number."""
        async with self.database.transaction() as work:
            now = (await work.set_up_models.get_many([model.id], EVERY_MODEL))[model.id]
            if now.active_version != version:
                assert await work.set_up_models.change(now, model.owner, active_version=version)
            at = await work.kits.now()
            await work.model_versions.activate(
                ModelActivation(
                    model_id=model.id,
                    number=number,
                    version=version,
                    actor=model.owner,
                    actor_name=model.owner,
                    recorded_at=at,
                )
            )

    async def rows(self, count: int, tag: str = "LOT", **changes: Any) -> list[LotRow]:
        """So many lot rows; their attributes are drawn from their numbers."""
        definitions = [lot(f"{tag}-{number:04d}", number, **changes) for number in range(count)]
        async with self.database.transaction() as work:
            added = await work.lot_rows.add(definitions, "demo:ada")
        return [row for row in added if isinstance(row, LotRow)]

    async def assign(self, model: SetUpModel, row: LotRow | None = None, username: str = "ada", **rule: Any) -> int:
        """The number of an assignment of the model to a row, or by a rule."""
        document = {"modelId": "m", **({"lotRowId": "r"} if row else {"rule": rule})}
        person = await self.person(username)
        return (await assign_model(self.services, person, document, model.id, row.id if row else None)).id

    async def start(self, *, is_dry_run: bool = False, username: str = "ada") -> DailyBatchRun:
        """A run of LOGIC that waits for a server."""
        return await start_daily_batch(self.services, await self.person(username), ProductLine.LOGIC, is_dry_run)

    def server(self, name: str = "one", lost_after: float = 30.0, schedule: DailyBatchSchedule | None = None) -> DailyBatchRunner:
        """A server's loop, which is not running."""
        settings = DailyBatchRunnerSettings(interval_seconds=0.01, lost_after_seconds=lost_after, schedule=schedule)
        return DailyBatchRunner(self.services, name, settings)

    async def found(self, run: DailyBatchRun) -> DailyBatchRun:
        """The run as it now is."""
        return (await find_daily_batch_runs(self.services, await self.person(), [run.id]))[run.id]

    async def results(self) -> list[LotResult]:
        """All results, by number."""
        async with self.database.snapshot() as work:
            query = LotResultQuery(is_descending=False, first=10_000)
            return list((await work.lot_results.page(query, EVERYTHING)).items)

    def check(self, results: Sequence[LotResult], rows: Sequence[LotRow]) -> None:
        """The results are those of these rows, each once, and exactly what the models predict apart from PLOG."""
        definitions = {row.id: row.definition for row in rows}
        keys = [(each.lot_row_id, each.lot_row_version, each.model_version) for each in results]
        assert len(keys) == len(set(keys))
        for each in results:
            row = definitions[each.lot_row_id]
            values = [float(row.attributes["a"]), float(row.attributes["b"]), float(row.quantity)]
            assert each.outputs == apart(self.contents[each.model_version], values) and each.targets == TARGETS
            named = f'{{"a":{values[0]!r},"b":{values[1]!r},"quantity":{values[2]!r}}}'
            assert each.input_sha256 == hashlib.sha256(named.encode()).hexdigest()


async def open_house(database: Database, folder: Path, predictor: ModelPredictor) -> BatchHouse:
    """One of that database, with Ada and Bela in it, who may do everything."""
    artifacts = open_artifacts(str(folder / "artifacts"), staging=folder / "staging")
    approvers = Approvers(groups={EVERY_KIND: ("approvers",)})
    services = fake_services(FailingDatabase(database), artifacts=artifacts, approvers=approvers, model_predictor=predictor)
    await grant_everything(services, "ada", "bela")
    return BatchHouse(services)


def lot(lot_id: str, number: int, **changes: Any) -> LotRowDefinition:
    """A row of a lot."""
    rng = np.random.default_rng(number)
    definition = LotRowDefinition(
        product_line=ProductLine.LOGIC,
        lot_id=lot_id,
        product="SoC",
        step="ETCH",
        equipment="EQP-1",
        measured_at=datetime(2026, 7, 1, tzinfo=UTC) + timedelta(hours=number),
        quantity=1,
        attributes={"a": float(rng.uniform(-2, 2)), "b": float(rng.uniform(-2, 2))},
    )
    return replace(definition, **changes)


async def corrected_row(house: BatchHouse, row: LotRow, **changes: Any) -> LotRow:
    """The row as somebody has corrected it."""
    said = row.definition
    document = {
        "productLine": said.product_line,
        "lotId": said.lot_id,
        "product": said.product,
        "step": said.step,
        "equipment": said.equipment,
        "measuredAt": said.measured_at.isoformat(),
        "quantity": said.quantity,
        "attributes": dict(said.attributes),
    }
    return await correct_lot_row(house.services, await house.person(), row.id, {**document, **changes}, "counted again")


class Hooked:
    """The predictor with something done before the next answer, once (`then`); `asked`: the rows that it was asked for."""

    def __init__(self, predictor: Any) -> None:
        self._predictor = predictor
        self.then: Any = None
        self.asked: list[Sequence[float | str]] = []

    def load(self, content: AsyncIterator[bytes], model: ModelContent) -> Any:
        """See `domain.ports.ModelPredictor.load`."""
        return _HookedContext(self, self._predictor.load(content, model))


class _HookedContext:
    def __init__(self, hooked: Hooked, context: Any) -> None:
        self._hooked = hooked
        self._context = context
        self._model: Any = None

    async def __aenter__(self) -> "_HookedContext":
        self._model = await self._context.__aenter__()
        return self

    async def __aexit__(self, *given: Any) -> Any:
        return await self._context.__aexit__(*given)

    async def predict(self, row: Sequence[float | str]) -> Any:
        """See `domain.ports.LoadedModel.predict`."""
        predicted = await self._model.predict(row)
        self._hooked.asked.append(row)
        if (then := self._hooked.then) is not None:
            self._hooked.then = None
            await then()
        return predicted


async def worked_off(server: DailyBatchRunner) -> None:
    """Let a server take up what there is and bring it as far as it comes."""
    await server.run_once()
    await asyncio.gather(*server._working.values())


async def dead(server: DailyBatchRunner) -> None:
    """Let a server die: nothing of it goes on, and it says goodbye to nobody."""
    tasks = list(server._working.values())
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def ran(house: BatchHouse, *, is_dry_run: bool = False) -> DailyBatchRun:
    """A run that was started and has come to its end."""
    run = await house.start(is_dry_run=is_dry_run)
    await worked_off(house.server())
    return await house.found(run)


def failing(house: BatchHouse) -> FailingDatabase:
    """The house's database, which can be told to fail."""
    assert isinstance(house.database, FailingDatabase)
    return house.database


def before_next_answer(house: BatchHouse, act: Callable[[], Awaitable[object]]) -> Hooked:
    """Do something once, after the model has predicted for rows and before that is stored."""
    hooked = house.services.model_predictor
    assert isinstance(hooked, Hooked)
    hooked.then = act
    return hooked


async def parts_of(house: BatchHouse, run: DailyBatchRun) -> list[tuple[int, BatchPartStatus, Counts]]:
    """The parts of a run, each by the number of its version."""
    async with house.database.snapshot() as work:
        return [(each.model_version.number, each.status, each.counts) for each in await work.daily_batch_runs.parts([run.id])]


async def refusals_of(house: BatchHouse, run: DailyBatchRun) -> list[tuple[int, str]]:
    """The rows that a run has refused, and why."""
    async with house.database.snapshot() as work:
        (page,) = await work.daily_batch_runs.refusals([HistoryQuery(of=run.id, first=100)])
    return [(each.lot_row_id, each.reason) for each in page.items]
