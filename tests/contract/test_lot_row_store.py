"""Lot rows in the database: what is stored reads back as it was given, one of a key, in pages that together are the list."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from domain.kit import ProductLine
from domain.lot_row import LotRow, LotRowDefinition, LotRowKey
from domain.query import HistoryQuery, LotRowOrder, LotRowQuery
from domain.visibility import EVERYTHING, Visibility
from persistence.repositories.lot_row import LotRowRepository
from persistence.unit_of_work import Database

AT = datetime(2026, 7, 1, 9, 30, 15, 123456, tzinfo=UTC)
LOGIC, DRAM = Visibility(frozenset({ProductLine.LOGIC})), Visibility(frozenset({ProductLine.DRAM}))
HOSTILE = [
    "a",
    "A",
    "ä",
    "Z",
    "한글",
    "_",
    "%",
    "a%",
    "a b",
    "𝛼",
    "e\u0301",
    "'; --",
    "\U0010ffff",
    "\U0010ffffa",
    "\ud7ff",
    "\ue000",
    "~",
]


def said(lot_id: str = "L1", step: str = "ETCH", line: ProductLine = ProductLine.LOGIC, **changes: Any) -> LotRowDefinition:
    given: dict[str, Any] = {"product": "P1", "equipment": "E1", "measured_at": AT, "quantity": 25, "attributes": {"cd": 1.5}}
    return LotRowDefinition(product_line=line, lot_id=lot_id, step=step, **{**given, **changes})


async def add(database: Database, *definitions: LotRowDefinition) -> list[LotRow | int]:
    async with database.transaction() as work:
        return await work.lot_rows.add(definitions, "ada")


async def added(database: Database, *definitions: LotRowDefinition) -> list[LotRow]:
    rows = await add(database, *definitions)
    return [row for row in rows if isinstance(row, LotRow)]


async def listed(database: Database, query: LotRowQuery, visibility: Visibility = EVERYTHING) -> list[LotRow]:
    """All pages of the query, and a count that agrees with them."""
    found: list[LotRow] = []
    while True:
        async with database.snapshot() as work:
            page = await work.lot_rows.page(query, visibility)
            assert await work.lot_rows.count(query, visibility) == await work.lot_rows.count(
                replace(query, after=None), visibility
            )
        found += page.items
        if not page.has_more:
            break
        last = page.items[-1]
        query = replace(query, after=(value(last, query.order), last.id))
    async with database.snapshot() as work:
        assert await work.lot_rows.count(query, visibility) == len(found)
    return found


def value(row: LotRow, order: LotRowOrder) -> int | str | datetime:
    said = row.definition
    values: dict[LotRowOrder, int | str | datetime] = {
        LotRowOrder.NUMBER: row.id,
        LotRowOrder.LOT_ID: said.lot_id,
        LotRowOrder.PRODUCT: said.product,
        LotRowOrder.STEP: said.step,
        LotRowOrder.EQUIPMENT: said.equipment,
        LotRowOrder.MEASURED_AT: said.measured_at,
        LotRowOrder.QUANTITY: said.quantity,
    }
    return values[order]


@pytest.mark.parametrize(
    "attributes",
    [{}, {"a": 0.1, "b": -0.0, "c": 5e-324, "d": 1.7976931348623157e308}, {"n": 2**63 - 1, "m": -(2**63), "one": 1, "real": 1.0}],
)
async def test_what_is_stored_reads_back_as_it_was_given(database: Database, attributes: dict[str, Any]) -> None:
    given = said(" a'\"한글\t", "step, 1", product="p\n", equipment="\U0001f600", quantity=2**31 - 1, attributes=attributes)
    (row,) = await added(database, given)
    async with database.snapshot() as work:
        found = (await work.lot_rows.get_many([row.id, row.id + 1], EVERYTHING))[row.id]
    assert found == row and found.definition == given
    assert {name: repr(each) for name, each in found.definition.attributes.items()} == {n: repr(v) for n, v in attributes.items()}


async def test_a_key_is_taken_once_in_a_product_line(database: Database) -> None:
    (first,) = await added(database, said())
    again = await add(
        database, said(quantity=1), said("L2"), said("L2", quantity=3), said(line=ProductLine.DRAM), said(step="DEP")
    )
    second = again[1]
    assert isinstance(second, LotRow)
    assert [each if isinstance(each, int) else each.definition.key for each in again] == [
        first.id,
        second.definition.key,
        second.id,
        said(line=ProductLine.DRAM).key,
        said(step="DEP").key,
    ]
    assert len(await listed(database, LotRowQuery())) == 4


async def test_many_who_add_the_same_rows_at_once_add_them_once(database: Database) -> None:
    """In any order each: nobody waits in a circle."""
    rows = [said(f"L{number}") for number in range(300)]
    shuffled = [random.Random(seed).sample(rows, len(rows)) for seed in range(6)]
    results = await asyncio.gather(*(add(database, *each) for each in shuffled))
    assert sum(isinstance(each, LotRow) for result in results for each in result) == 300
    assert len(await listed(database, LotRowQuery(first=100))) == 300


async def test_a_correction_is_a_version_with_its_reason(database: Database) -> None:
    (row,) = await added(database, said())
    async with database.transaction() as work:
        held = await work.lot_rows.lock(row.id, LOGIC)
        assert held == row
        corrected = row.corrected(said("L9", quantity=24, attributes={}), row.updated_at + timedelta(seconds=1))
        assert await work.lot_rows.correct(corrected, "bela", "miscounted") is None
    async with database.snapshot() as work:
        assert await work.lot_rows.get_many([row.id], EVERYTHING) == {row.id: corrected}
        (page,) = await work.lot_rows.versions([HistoryQuery(of=row.id)], EVERYTHING)
    assert [(each.version, each.definition, each.actor, each.reason, each.recorded_at) for each in page.items] == [
        (1, said(), "ada", None, row.created_at),
        (2, corrected.definition, "bela", "miscounted", corrected.updated_at),
    ]
    assert len(await added(database, said())) == 1, "the key that it had is free"


async def test_a_correction_to_the_key_of_another_stores_nothing(database: Database) -> None:
    one, other = await added(database, said(), said("L2"))
    async with database.transaction() as work:
        assert await work.lot_rows.correct(one.corrected(said("L2"), AT), "ada", "typo") == other.id
        assert await work.lot_rows.get_many([one.id], EVERYTHING) == {one.id: one}
    async with database.snapshot() as work:
        (page,) = await work.lot_rows.versions([HistoryQuery(of=one.id)], EVERYTHING)
    assert [each.version for each in page.items] == [1]


@pytest.mark.parametrize("backend", ["postgresql"], indirect=True)  # SQLite's writers wait for one another
async def test_a_correction_is_made_where_the_other_row_is_corrected_away_meanwhile(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the refusal of the write and the reading of the row that stood in its way."""
    one, other = await added(database, said(), said("L2"))
    numbers = LotRowRepository._numbers

    async def once_it_is_away(self: LotRowRepository, keys: Sequence[LotRowKey]) -> dict[LotRowKey, int]:
        monkeypatch.setattr(LotRowRepository, "_numbers", numbers)
        async with database.transaction() as work:
            assert await work.lot_rows.correct(other.corrected(said("L3"), AT), "bela", "typo") is None
        return await numbers(self, keys)

    monkeypatch.setattr(LotRowRepository, "_numbers", once_it_is_away)
    corrected = one.corrected(said("L2"), AT)
    async with database.transaction() as work:
        assert await work.lot_rows.correct(corrected, "ada", "typo") is None
    async with database.snapshot() as work:
        assert (await work.lot_rows.get_many([one.id], EVERYTHING))[one.id] == corrected
        (page,) = await work.lot_rows.versions([HistoryQuery(of=one.id)], EVERYTHING)
    assert [each.version for each in page.items] == [1, 2]


async def test_rows_of_other_product_lines_do_not_exist(database: Database) -> None:
    logic, dram = await added(database, said(), said(line=ProductLine.DRAM))
    for visibility, row, other in ((LOGIC, logic, dram), (DRAM, dram, logic)):
        assert await listed(database, LotRowQuery(), visibility) == [row]
        assert await listed(database, LotRowQuery(product_line=other.definition.product_line), visibility) == []
        async with database.transaction() as work:
            assert await work.lot_rows.get_many([logic.id, dram.id], visibility) == {row.id: row}
            assert await work.lot_rows.lock(other.id, visibility) is None
    assert await listed(database, LotRowQuery(), Visibility(frozenset())) == []


async def test_versions_of_another_product_line_do_not_exist(database: Database) -> None:
    (row,) = await added(database, said())
    async with database.transaction() as work:
        assert await work.lot_rows.correct(row.corrected(said(line=ProductLine.DRAM), AT), "ada", "it is DRAM") is None
    async with database.snapshot() as work:
        for visibility, versions in ((LOGIC, [1]), (DRAM, [2]), (EVERYTHING, [1, 2])):
            (page,) = await work.lot_rows.versions([HistoryQuery(of=row.id)], visibility)
            assert [each.version for each in page.items] == versions


@pytest.mark.parametrize("order", list(LotRowOrder))
@pytest.mark.parametrize("is_descending", [True, False])
async def test_pages_together_are_the_list(database: Database, order: LotRowOrder, is_descending: bool) -> None:
    lines = list(ProductLine)
    rows = await added(
        database,
        *(
            said(
                *(lot_id, step, lines[place % 2]),
                product=lot_id,
                equipment=lot_id[::-1],
                quantity=10 - place % 7,
                measured_at=AT + timedelta(seconds=place % 5),
            )
            for step in ("S1", "S2")
            for place, lot_id in enumerate(HOSTILE)
        ),
    )
    found = await listed(database, LotRowQuery(order=order, is_descending=is_descending, first=4))

    def key(row: LotRow) -> tuple[Any, int]:
        sorted_by = value(row, order)
        return (sorted_by.encode() if isinstance(sorted_by, str) else sorted_by, row.id)

    wanted = sorted(rows, key=key, reverse=is_descending)
    assert [row.id for row in found] == [row.id for row in wanted]


@pytest.mark.parametrize(
    ("query", "lots"),
    [
        (LotRowQuery(product_line=ProductLine.DRAM), {"L3"}),
        (LotRowQuery(product="P2"), {"L2"}),
        (LotRowQuery(steps=frozenset({"DEP", "CMP"})), {"L2", "L3"}),
        (LotRowQuery(equipment="E3"), {"L3"}),
        (LotRowQuery(measured_from=AT + timedelta(hours=1)), {"L2", "L3"}),
        (LotRowQuery(measured_to=AT + timedelta(hours=1)), {"L1"}),
        (LotRowQuery(measured_from=AT, measured_to=AT), set()),
        (LotRowQuery(lot_id_prefix="L"), {"L1", "L2", "L3"}),
        (LotRowQuery(lot_id_prefix="l"), set()),
        (LotRowQuery(search="E3"), {"L3"}),
        (LotRowQuery(search="P"), {"L1", "L2", "L3"}),
        (LotRowQuery(search="L2"), {"L2"}),
        (LotRowQuery(search="%"), set()),
        (LotRowQuery(quantity_from=2, quantity_to=3), {"L2", "L3"}),
        (LotRowQuery(product="P2", equipment="E3"), set()),
    ],
)
async def test_filters_leave_what_fits(database: Database, query: LotRowQuery, lots: set[str]) -> None:
    await added(
        database,
        said("L1", quantity=1),
        said("L2", "DEP", product="P2", equipment="E2", quantity=2, measured_at=AT + timedelta(hours=1)),
        said("L3", "CMP", ProductLine.DRAM, product="P3", equipment="E3", quantity=3, measured_at=AT + timedelta(hours=2)),
    )
    assert {row.definition.lot_id for row in await listed(database, query)} == lots


STORABLE = st.characters(codec="utf-8", exclude_characters="\x00")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.text(STORABLE, max_size=3), st.text(STORABLE, max_size=2))
@example("\ud7ff", "a")
@example("\U0010ffff", "a")
@example("a\U0010ffff", "")
async def test_a_beginning_is_found_letter_by_letter(database: Database, prefix: str, rest: str) -> None:
    texts = list({*HOSTILE, prefix, prefix + rest})
    async with database.transaction() as work:
        await work.lot_rows.add([said(each) for each in texts], "ada")
        found = await work.lot_rows.page(LotRowQuery(lot_id_prefix=prefix, first=10_000), EVERYTHING)
    lots = {row.definition.lot_id for row in found.items}
    assert lots >= {each for each in texts if each.startswith(prefix)} and all(each.startswith(prefix) for each in lots)
