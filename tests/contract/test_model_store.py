"""Set-up models as the database keeps them: what is single stays single whoever writes at once, and what grows never changes."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from domain.artifact import ModelArtifact, model_artifact_id
from domain.audit_entry import AuditAction, AuditEntry
from domain.errors import ValidationFailed
from domain.kit import ProductLine
from domain.model_access_request import ModelAccessRequest, ModelAccessStatus
from domain.model_version import (
    FeatureKind,
    ModelActivation,
    ModelContent,
    ModelFeature,
    ModelOrigin,
    ModelVersionState,
    VersionKey,
)
from domain.query import HistoryQuery, ModelAccessQuery, SetUpModelQuery
from domain.set_up_model import ModelDefinition, SetUpModel
from domain.visibility import EVERY_MODEL, EVERY_PROJECT, EVERYTHING, ModelReach, Visibility
from persistence.unit_of_work import Database, UnitOfWork
from tests.databases import waits_for_a_lock
from tests.waiting import eventually

NOW = datetime(2026, 5, 1, 12, 30, 15, 123456, tzinfo=UTC)
HOUR = timedelta(hours=1)
LOGIC = frozenset({ProductLine.LOGIC})
FEATURES = (
    ModelFeature(name="w", kind=FeatureKind.NUMBER, low=-1.5, high=2.0),
    ModelFeature(name="한글", kind=FeatureKind.CATEGORY, categories=("a", "b")),
)
CONTENT = ModelContent(
    sha256="ab" * 32, size=2**40, features=FEATURES, targets=("y", "z"), origin=ModelOrigin.UPLOAD, metrics={"y": {"r2": 0.5}}
)


async def stored(database: Database, name: str = "m", line: ProductLine = ProductLine.LOGIC, owner: str = "ada") -> SetUpModel:
    """A model with one version in use, and its file."""
    async with database.transaction() as work:
        model = await work.set_up_models.add(ModelDefinition(name=name), line, owner, owner.title())
        await work.model_versions.add(model.id, CONTENT, owner, owner, NOW)
        await work.model_versions.activate(activation(model, 1, 1, NOW))
        file = ModelArtifact(
            id=model_artifact_id(model.id, CONTENT.sha256),
            name="m.skops",
            media_type="x/y",
            sha256=CONTENT.sha256,
            size=CONTENT.size,
            created_at=NOW,
            model_id=model.id,
            actor=owner,
        )
        assert await work.artifacts.add_once(file) == await work.artifacts.add_once(replace(file, name="other")) == file
    return model


def activation(model: SetUpModel, number: int, version: int, at: datetime) -> ModelActivation:
    return ModelActivation(model_id=model.id, number=number, version=version, actor="a", actor_name="A", recorded_at=at)


def request(model: SetUpModel, subject: str = "dana", **values: Any) -> ModelAccessRequest:
    at = datetime.now(UTC)
    given = {"recorded_status": ModelAccessStatus.PENDING, "until": at + HOUR, **values}
    return ModelAccessRequest(
        id=0,
        model_id=model.id,
        subject=subject,
        name=subject,
        purpose="p",
        version=1,
        created_at=at,
        updated_at=at,
        read_at=at,
        **given,
    )


async def apply(database: Database, asked: ModelAccessRequest) -> ModelAccessRequest | None:
    async with database.transaction() as work:
        return await work.model_access.add(asked)


async def test_a_version_reads_back_with_its_state(database: Database) -> None:
    model = await stored(database)
    async with database.transaction() as work:
        second = await work.model_versions.add(model.id, replace(CONTENT.copied_from(VersionKey(model.id, 1))), "b", "B", NOW)
        third = await work.model_versions.add(model.id, CONTENT, "b", "B", NOW)
        changed = await work.set_up_models.change(model, "b", active_version=second.number)
        assert changed is not None
        await work.model_versions.activate(activation(model, 2, second.number, NOW + HOUR))
    async with database.snapshot() as work:
        (page,) = await work.model_versions.pages([HistoryQuery(of=model.id, first=2)])
        assert [each.state for each in page.items] == [ModelVersionState.RETIRED, ModelVersionState.ACTIVE] and page.has_more
        assert page.items[0].content == CONTENT and page.items[1].content.source == VersionKey(model.id, 1)
        found = await work.model_versions.get_many([third, VersionKey(model.id, 9)])
        assert [each.state for each in found.values()] == [ModelVersionState.CANDIDATE]
        places = [(model.id, NOW - HOUR), (model.id, NOW), (model.id, NOW + 2 * HOUR)]
        at = await work.model_versions.active_at(places)
        assert [at[place].version if place in at else None for place in places] == [None, 1, 2]


async def test_of_names_taken_at_once_one_stays_in_each_product_line(database: Database) -> None:
    made = await asyncio.gather(*(stored(database) for _ in range(5)), return_exceptions=True)
    assert sum(isinstance(each, SetUpModel) for each in made) == 1
    assert sum(isinstance(each, ValidationFailed) for each in made) == 4
    await stored(database, line=ProductLine.DRAM)
    async with database.snapshot() as work:
        assert await work.set_up_models.count(SetUpModelQuery(), EVERY_MODEL) == 2
        assert await work.set_up_models.count(SetUpModelQuery(), ModelReach("x", LOGIC)) == 1
        assert await work.set_up_models.count(SetUpModelQuery(), ModelReach("x", frozenset())) == 0


async def test_copies_of_several_models_come_in_pages(database: Database) -> None:
    sources = [(await stored(database, name)).id for name in ("a", "b", "without")]
    a, b, _ = sources
    async with database.transaction() as work:
        for number, source in product(range(3), (a, b)):
            definition = ModelDefinition(name=f"{source}-{number}")
            last = await work.set_up_models.add(definition, ProductLine.LOGIC, "ada", "Ada", source)
        await work.set_up_models.add(ModelDefinition(name="foreign"), ProductLine.DRAM, "ada", "Ada", a)

    async def pages(reach: ModelReach, **given: Any) -> list[tuple[list[str], bool]]:
        queries = [SetUpModelQuery(source_id=source, is_archived=None, **given) for source in sources]
        async with database.snapshot() as work:
            found = await work.set_up_models.copies(queries, reach)
            assert found == [await work.set_up_models.page(query, reach) for query in queries], "as each by itself"
        return [([each.definition.name for each in page.items], page.has_more) for page in found]

    logic = ModelReach("x", LOGIC)
    assert await pages(logic, first=2) == [([f"{a}-2", f"{a}-1"], True), ([f"{b}-2", f"{b}-1"], True), ([], False)]
    after = (last.id - 1, last.id - 1)
    assert await pages(logic, first=2, after=after) == [([f"{a}-1", f"{a}-0"], False), ([f"{b}-1", f"{b}-0"], False), ([], False)]
    upwards = [([f"{each}-{number}" for number in range(3)], False) for each in (a, b)]
    assert await pages(logic, is_descending=False, first=3) == [*upwards, ([], False)]
    assert await pages(EVERY_MODEL, first=1) == [(["foreign"], True), ([f"{b}-2"], True), ([], False)]
    assert await pages(ModelReach("x", frozenset())) == [([], False)] * 3


async def test_of_changes_at_once_one_is_stored(database: Database) -> None:
    model = await stored(database)

    async def change(number: int) -> SetUpModel | None:
        async with database.transaction() as work:
            definition = ModelDefinition(name="m", attributes={"number": number})
            return await work.set_up_models.change(model, "ada", definition=definition)

    changed = [each for each in await asyncio.gather(*map(change, range(5))) if each is not None]
    assert [each.version for each in changed] == [2]
    async with database.snapshot() as work:
        (page,) = await work.set_up_models.revisions([HistoryQuery(of=model.id)])
        assert [each.definition.attributes for each in page.items] == [{}, changed[0].definition.attributes]


async def test_a_model_that_is_kept_is_changed_afterwards(database: Database) -> None:
    """Others wait for who keeps it, and who keeps it does not wait for others who do so as well."""
    model = await stored(database)

    async def promote() -> SetUpModel | None:
        async with database.transaction() as work:
            return await work.set_up_models.change(model, "b", active_version=2)

    async def keep(work: UnitOfWork) -> None:
        await work.set_up_models.lock(model.id)

    async with database.transaction() as work:
        await keep(work)
        promoting = asyncio.create_task(promote())
        if work.connection.dialect.name == "postgresql":
            async with database.transaction() as other:
                await keep(other)
            await eventually(lambda: waits_for_a_lock(database))
        assert not promoting.done()
        (seen,) = (await work.set_up_models.get_many([model.id], EVERY_MODEL)).values()
        assert seen.active_version == 1
    changed = await promoting
    assert changed is not None and changed.active_version == 2


async def test_of_applications_at_once_one_is_pending_and_one_approved(database: Database) -> None:
    model = await stored(database)
    made = [each for each in await asyncio.gather(*(apply(database, request(model)) for _ in range(5))) if each is not None]
    assert len(made) == 1 and await apply(database, request(model, "bela")) is not None
    (first,) = made
    async with database.transaction() as work:
        approved = replace(first, recorded_status=ModelAccessStatus.APPROVED, version=2)
        assert await work.model_access.change(first, approved) and not await work.model_access.change(first, approved)
    second = await apply(database, request(model))
    assert second is not None, "another may be pending beside the one that was approved"
    with pytest.raises(IntegrityError):
        async with database.transaction() as work:
            await work.model_access.change(second, replace(second, recorded_status=ModelAccessStatus.APPROVED, version=2))


async def test_what_was_approved_opens_the_file_until_its_time(database: Database) -> None:
    model = await stored(database)
    approved, over = {"recorded_status": ModelAccessStatus.APPROVED}, {"until": datetime.now(UTC) - HOUR}
    for subject, values in (("dana", approved), ("late", {**approved, **over}), ("new", {})):
        await apply(database, request(model, subject, **values))
    file = model_artifact_id(model.id, CONTENT.sha256)
    none: frozenset[ProductLine] = frozenset()
    reaches = {
        "dana": ModelReach("dana", LOGIC),
        "late": ModelReach("late", LOGIC),
        "new": ModelReach("new", LOGIC),
        "stranger": ModelReach("stranger", LOGIC),
        "owner": ModelReach("ada", LOGIC),
        "set-up user": ModelReach("bela", LOGIC, LOGIC),
        "of the other line": ModelReach("dana", frozenset({ProductLine.DRAM})),
        "owner without the line": ModelReach("ada", none),
        "PLOG": EVERY_MODEL,
    }
    async with database.snapshot() as work:
        opened = {
            name
            for name, reach in reaches.items()
            if await work.artifacts.get_many([file], Visibility(LOGIC), EVERY_PROJECT, reach)
        }
        assert opened == {"dana", "owner", "set-up user", "PLOG"}
        assert await work.artifacts.get_many([file], EVERYTHING, EVERY_PROJECT, reaches["new"]) == {}
        counts = {
            status: await work.model_access.count(ModelAccessQuery(statuses=frozenset({status})), reaches["owner"])
            for status in ModelAccessStatus
        }
        assert {status.value: count for status, count in counts.items() if count} == {"APPROVED": 1, "EXPIRED": 1, "PENDING": 1}
        decidable = ModelAccessQuery(statuses=frozenset({ModelAccessStatus.PENDING}), is_decidable=True)
        seen = {name: await work.model_access.count(decidable, reach) for name, reach in reaches.items() if name != "PLOG"}
        assert {name for name, count in seen.items() if count} == {"owner", "set-up user"}


async def test_what_is_over_is_found_until_that_is_on_record(database: Database) -> None:
    model = await stored(database)
    approved: dict[str, Any] = {"recorded_status": ModelAccessStatus.APPROVED}
    past = {"until": datetime.now(UTC) - HOUR}
    given = {"open": approved, "over": {**approved, **past}, "late": {**approved, **past}, "pending": past}
    made = {name: await apply(database, request(model, name, **values)) for name, values in given.items()}
    ids = {name: each.id for name, each in made.items() if each is not None}
    async with database.transaction() as work:
        assert await work.model_access.still_open([*ids.values(), 9999]) == {ids["open"]}
        assert [each.subject for each in await work.model_access.expired(1)] == ["over"]
        first, second = await work.model_access.expired(9)
        assert (first.subject, second.subject) == ("over", "late")
        assert await work.model_access.change(first, first.expired(NOW)) and not await work.model_access.change(first, first)
        assert [each.id for each in await work.model_access.expired(9)] == [second.id]


@pytest.mark.parametrize("table", ["set_up_model_revision", "model_version", "model_activation", "audit_entry"])
async def test_what_grows_is_never_changed(database: Database, table: str) -> None:
    model = await stored(database)
    entry = AuditEntry(action=AuditAction.MODEL_CREATED, person="ada", person_name="Ada", actor="ada", model_id=model.id)
    async with database.transaction() as work:
        await work.audit.add([entry], NOW)
    for statement in (f"UPDATE {table} SET actor = 'x'", f"DELETE FROM {table}"):
        with pytest.raises(DBAPIError, match=r"append-only|permission denied"):
            async with database.transaction() as work:
                await work.connection.execute(text(statement))
