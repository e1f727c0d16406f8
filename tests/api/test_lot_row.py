"""REQ-005: rows of lot tracking. Ada and Bela may work in every product line, Dana in none until she is granted it."""

import asyncio
from datetime import datetime
from typing import Any

import pytest

from gql import ids
from tests.api.in_process import BOTH_DATABASES, Plog
from tests.api.lots import ADD, ADD_MANY, CORRECT, ROWS, VALUES, VERSIONS, added, lot_row, rows_of
from tests.api.permissions import granted, revoke

pytestmark = BOTH_DATABASES
ANY_LINE = ["LOGIC_GENERAL", "DRAM_GENERAL", "LOGIC_MODEL_SET_UP"]
SEEN = f"query ($id: ID!) {{ node(id: $id) {{ ... on LotRow {{ number {VALUES} }} }} }}"


def said(row: dict[str, Any]) -> dict[str, Any]:
    """What of a row was given, with the moment that its time stands for."""
    return {**{name: row[name] for name in VALUES.split()}, "measuredAt": datetime.fromisoformat(row["measuredAt"])}


async def test_req_005_1_who_has_general_permission_adds_a_row(plog: Plog) -> None:
    await granted(plog, "LOGIC_GENERAL")
    answer = await plog.answer(ADD, plog.signed_in("dana"), input=lot_row())
    assert answer["__typename"] == "LotRowPayload"
    row = answer["lotRow"]
    assert (row["number"], row["version"], row["actor"], row["lotImportId"]) == (1, 1, "demo:dana", None)
    assert await rows_of(plog, "dana") == [row]
    assert await plog.answer(SEEN, plog.signed_in("bela"), id=row["id"]) == {"number": 1, **{n: row[n] for n in VALUES.split()}}


@pytest.mark.parametrize(
    "missing", ["productLine", "lotId", "product", "step", "equipment", "measuredAt", "quantity", "everything"]
)
async def test_req_005_2_a_row_without_what_is_required_is_refused_by_its_field(plog: Plog, missing: str) -> None:
    row = lot_row()
    row = {name: value for name, value in row.items() if name != missing} if missing != "everything" else {}
    answer = await plog.answer(ADD, input=row)
    assert answer["__typename"] == "ValidationFailed" and answer["code"] == "VALIDATION_FAILED"
    required = [name for name in VALUES.split() if name != "attributes"]
    wanted = required if missing == "everything" else [missing]
    assert {each["field"]: each["message"] for each in answer["problems"]} == {f"input.{name}": "is required" for name in wanted}
    assert await rows_of(plog) == []


NO_TEXTS: tuple[Any, ...] = (5, 2.5, True, ["a"], {"a": 1}, "x" * 5000, "\x00", " ")
INVALID: dict[str, tuple[Any, ...]] = {
    "productLine": ("FLASH", "logic", "", 1, True, ["LOGIC"], {}),
    "lotId": (*NO_TEXTS, "lot 1", "-LOT", "L" * 33, "LOT-1\n", " LOT-1"),
    "product": NO_TEXTS,
    "step": NO_TEXTS,
    "equipment": NO_TEXTS,
    "measuredAt": (
        *("2026-07-01T09:30:00", "2026-07-01", "yesterday", "2026-02-30T00:00:00Z", "2026-07-01T00:00:00.1234567Z", ""),
        *("0000-01-01T00:00:00Z", "0001-01-01T00:00:00+09:00", "10000-01-01T00:00:00Z", "9999-12-31T23:59:00-09:00"),
        *(1782864000, True, [], {}),
    ),
    "quantity": (0, -1, 2**31, 2**32, 2**63, 2**64, 10**30, 1e300, 2.5, True, [], {}, "2.5", "-1", "NaN", "dozen", "9" * 400, ""),
    "attributes": ("x", 1, True, [1], {f"a{n}": n for n in range(201)}, {"": 1}),
    "attributes.a": ("x", "NaN", "1,5", "", None, True, [1], {}, 2**63, -(2**63) - 1, 2**64, -(10**30), 10**300),
    "attributes.1a": (1,),
    "attributes.a b": (1,),
}


def invalid_row(field: str, value: Any, lot_id: str = "LOT-1") -> dict[str, Any]:
    outer, _, inner = field.partition(".")
    return lot_row(lot_id, **{outer: {inner: value} if inner else value})


@pytest.mark.parametrize("field", INVALID)
async def test_req_005_4_an_invalid_value_is_refused_by_its_field(plog: Plog, field: str) -> None:
    """Added or corrected alone or added with others, and nothing is changed by it."""
    there = await added(plog, "THERE")
    for value in INVALID[field]:
        row = invalid_row(field, value)
        answers = [
            await plog.answer(ADD, input=row),
            await plog.answer(CORRECT, id=there["id"], input=row, reason="r"),
        ]
        for answer in answers:
            assert (answer["__typename"], answer["code"]) == ("ValidationFailed", "VALIDATION_FAILED"), (value, answer)
            assert [each["field"] for each in answer["problems"]] == [f"input.{field}"], value
    rows = [invalid_row(field, value) for value in INVALID[field]]
    results = (await plog.answer(ADD_MANY, inputs=rows))["results"]
    assert [each["code"] for each in results] == ["VALIDATION_FAILED"] * len(rows)
    assert [[problem["field"] for problem in each["problems"]] for each in results] == [
        [f"inputs.{place}.{field}"] for place in range(len(rows))
    ]
    assert await rows_of(plog) == [there]


async def test_req_005_4_an_invalid_row_keeps_no_other_from_being_added(plog: Plog) -> None:
    inputs = [
        row
        for place, (field, values) in enumerate(INVALID.items())
        for row in (lot_row(f"LOT-{place}", quantity=place + 1), invalid_row(field, values[0], f"WRONG-{place}"))
    ]
    results = (await plog.answer(ADD_MANY, inputs=inputs))["results"]
    assert [each["isAdded"] for each in results] == [True, False] * len(INVALID)
    assert [each["problems"][0]["field"] for each in results[1::2]] == [
        f"inputs.{2 * place + 1}.{field}" for place, field in enumerate(INVALID)
    ]
    stored = sorted((said(each) for each in await rows_of(plog)), key=lambda row: row["quantity"])
    assert stored == [said(each) for each in inputs[::2]]


async def test_req_005_4_a_row_that_is_not_seen_is_not_found_whatever_is_sent_for_it(plog: Plog) -> None:
    hidden = await added(plog, productLine="DRAM")
    await granted(plog, "LOGIC_GENERAL")
    nothing = ids.encode("LotRow", 999)
    for field, values in INVALID.items():
        one, other = [
            await plog.answer(CORRECT, plog.signed_in("dana"), id=each, input=invalid_row(field, values[0]), reason="r")
            for each in (hidden["id"], nothing)
        ]
        assert one["__typename"] == other["__typename"] == "NotFound"
        assert one["message"].replace(str(hidden["number"]), "999") == other["message"]


async def test_numbers_may_be_texts_and_values_stand_in_the_document(plog: Plog) -> None:
    """As a person writes them in GraphiQL, and as cells of a file are sent."""
    row = await added(plog, quantity="0025", attributes={"n": "9223372036854775807", "cd": "-.5e-3"})
    assert (row["quantity"], row["attributes"]) == (25, {"n": 2**63 - 1, "cd": -0.0005})
    written = """mutation { lotRowAdd(input: {productLine: LOGIC, lotId: "LOT-2", product: "P", step: "S", equipment: "E",
      measuredAt: "2026-07-01 09:30Z", quantity: %s, attributes: {n: %s}}) { __typename
      ... on LotRowPayload { lotRow { quantity attributes } } ... on ValidationFailed { problems { field } } } }"""
    for quantity, number, fields in (
        ("2.5", "1", ["quantity"]),
        ("99999999999", "18446744073709551616", ["quantity", "attributes.n"]),
    ):
        answer = await plog.answer(written % (quantity, number))
        assert [each["field"] for each in answer["problems"]] == [f"input.{each}" for each in fields]
    assert (await plog.answer(written % ("25.0", "1")))["lotRow"] == {"quantity": 25, "attributes": {"n": 1}}


async def test_req_005_3_a_duplicate_is_refused_and_names_the_row_that_is_there(plog: Plog) -> None:
    first = await added(plog)
    answer = await plog.answer(ADD, plog.signed_in("bela"), input=lot_row(quantity=3))
    assert answer["__typename"] == "DuplicateLotRow" and answer["code"] == "DUPLICATE_LOT_ROW"
    assert answer["lotRowId"] == first["id"] and "lot row 1" in answer["message"]
    assert await rows_of(plog) == [first]
    await added(plog, step="ETCH-40")
    answers = await asyncio.gather(*(plog.answer(ADD, input=lot_row("LOT-2")) for _ in range(8)))
    assert sorted(each["__typename"] for each in answers) == ["DuplicateLotRow"] * 7 + ["LotRowPayload"]
    assert len({each.get("lotRowId") or each["lotRow"]["id"] for each in answers}) == 1


async def test_without_the_permission_of_the_product_line_nothing_is_added(plog: Plog) -> None:
    await granted(plog, "DRAM_GENERAL")
    answer = await plog.answer(ADD, plog.signed_in("dana"), input=lot_row())
    assert answer["__typename"] == "PermissionDenied"
    assert answer["openedBy"] == ["LOGIC_GENERAL", "LOGIC_MODEL_SET_UP"] and "LOGIC_GENERAL" in answer["applyAt"]
    assert await rows_of(plog) == []
    assert (await added(plog, user="dana", productLine="DRAM"))["productLine"] == "DRAM"


@pytest.mark.parametrize(
    ("lines", "kinds", "page"),
    [
        (["LOGIC"], ["LOGIC_GENERAL", "LOGIC_MODEL_SET_UP"], "/apply?kind=LOGIC_GENERAL"),
        (["DRAM", "DRAM"], ["DRAM_GENERAL"], "/apply?kind=DRAM_GENERAL"),
        (["DRAM", "LOGIC"], ANY_LINE, "/apply"),
        (["FLASH", None, ["LOGIC"]], ANY_LINE, "/apply"),
    ],
)
async def test_who_may_work_nowhere_is_told_what_opens_the_product_lines_of_the_rows(
    plog: Plog, lines: list[Any], kinds: list[str], page: str
) -> None:
    rows = [lot_row(f"LOT-{place}", productLine=line) for place, line in enumerate(lines)]
    answer = await plog.answer(ADD_MANY, plog.signed_in("dana"), inputs=rows)
    assert (answer["__typename"], answer["openedBy"], answer["applyAt"]) == ("PermissionDenied", kinds, plog.url + page)


async def test_rows_of_other_product_lines_do_not_exist(plog: Plog) -> None:
    """In no list, count, id or refusal: the same lot and step can be added where the other row is not seen."""
    hidden = await added(plog, productLine="DRAM")
    await granted(plog, "LOGIC_GENERAL")
    dana = plog.signed_in("dana")
    for filter in ({}, {"productLine": "DRAM"}, {"search": "LOT"}, {"lotIdPrefix": "LOT-1"}):
        assert await plog.answer(ROWS, dana, filter=filter) == {
            "totalCount": 0,
            "nodes": [],
            "pageInfo": {"hasNextPage": False, "endCursor": None},
        }
    assert await plog.answer(SEEN, dana, id=hidden["id"]) is None
    assert await plog.answer(VERSIONS, dana, id=hidden["id"]) is None
    for input in (lot_row(), lot_row(productLine="DRAM"), {}):
        answer = await plog.answer(CORRECT, dana, id=hidden["id"], input=input, reason="r")
        assert answer["__typename"] == "NotFound"
    own = await added(plog, user="dana")
    assert own["number"] == hidden["number"] + 1
    answer = await plog.answer(CORRECT, dana, id=own["id"], input=lot_row(productLine="DRAM"), reason="r")
    assert answer["__typename"] == "PermissionDenied" and answer["openedBy"] == ["DRAM_GENERAL"]
    assert len(await rows_of(plog)) == 2 and await rows_of(plog, "dana") == [own]


async def test_what_was_revoked_closes_at_once(plog: Plog) -> None:
    grant = await granted(plog, "LOGIC_GENERAL")
    row = await added(plog, user="dana")
    await revoke(plog, grant)
    assert await rows_of(plog, "dana") == []
    assert await plog.answer(SEEN, plog.signed_in("dana"), id=row["id"]) is None
    assert (await plog.answer(ADD, plog.signed_in("dana"), input=lot_row("LOT-2")))["__typename"] == "PermissionDenied"


@pytest.mark.parametrize(
    "changes",
    [
        {"product": "  spaced  ", "step": "공정-30", "equipment": "EQ;'\"--,\n"},
        {"measuredAt": "2026-07-01T09:30:00.123456+09:00", "quantity": 2**31 - 1},
        {"measuredAt": "0001-01-02T00:00:00Z", "quantity": 1},
        {"attributes": {}},
        {"attributes": None},
        {"attributes": {"tiny": 5e-324, "huge": 1.7976931348623157e308, "third": 0.1 + 0.2, "n": -(2**63), "one": 1}},
        {"attributes": {f"a{n}": n / 7 for n in range(200)}},
    ],
)
async def test_req_005_5_values_are_stored_exactly_as_given(plog: Plog, changes: dict[str, Any]) -> None:
    given = lot_row(**changes)
    row = await added(plog, **changes)
    wanted = said({**given, "attributes": given["attributes"] or {}})
    assert said(row) == wanted
    (stored,) = await rows_of(plog)
    assert stored == row
    types = {name: type(value) for name, value in wanted["attributes"].items()}
    assert {name: type(value) for name, value in stored["attributes"].items()} == types
    (first,) = (await plog.answer(VERSIONS, id=row["id"]))["versions"]["nodes"]
    assert said(first) == wanted and (first["version"], first["reason"]) == (1, None)


async def test_a_repeat_with_its_key_gives_the_first_result(plog: Plog) -> None:
    one = await plog.answer(ADD, input=lot_row(), key="k")
    assert await plog.answer(ADD, input=lot_row(), key="k") == one
    assert (await plog.answer(ADD, input=lot_row(quantity=1), key="k"))["__typename"] == "IdempotencyKeyReused"
    many = [lot_row("LOT-2"), lot_row("LOT-2"), lot_row("LOT-3", quantity=0), lot_row()]
    first = await plog.answer(ADD_MANY, inputs=many, key="k")
    assert await plog.answer(ADD_MANY, inputs=many, key="k") == first
    correction = {"id": one["lotRow"]["id"], "input": lot_row(quantity=1), "reason": "miscounted", "key": "k"}
    corrected = await plog.answer(CORRECT, **correction)
    assert await plog.answer(CORRECT, **correction) == corrected
    assert len(await rows_of(plog)) == 2


async def test_many_rows_have_a_result_each_in_their_order(plog: Plog) -> None:
    await granted(plog, "LOGIC_GENERAL")
    there = await added(plog)
    inputs = [
        lot_row("LOT-2"),
        lot_row(),
        lot_row("LOT-2", quantity=3),
        {"lotId": "?"},
        lot_row("LOT-3", productLine="DRAM"),
        lot_row("LOT-3"),
    ]
    answer = await plog.answer(ADD_MANY, plog.signed_in("dana"), inputs=inputs)
    results = answer["results"]
    assert [each["isAdded"] for each in results] == [True, False, False, False, False, True]
    codes = [each["code"] for each in results]
    assert codes == [None, "DUPLICATE_LOT_ROW", "DUPLICATE_LOT_ROW", "VALIDATION_FAILED", "PERMISSION_DENIED", None]
    opened: tuple[list[str], str | None] = ([], None)
    assert [(each["openedBy"], each["applyAt"]) for each in results] == [
        *[opened] * 4,
        (["DRAM_GENERAL"], f"{plog.url}/apply?kind=DRAM_GENERAL"),
        opened,
    ]
    assert [each["duplicateOf"] for each in results] == [None, there["id"], results[0]["lotRow"]["id"], None, None, None]
    fields = {each["field"] for each in results[3]["problems"]}
    assert {"inputs.3.lotId", "inputs.3.quantity", "inputs.3.productLine"} <= fields
    assert [each["lotId"] for each in await rows_of(plog)] == ["LOT-1", "LOT-2", "LOT-3"]


async def test_a_thousand_rows_at_once_and_no_more(plog: Plog) -> None:
    inputs = [lot_row(f"LOT-{number}") for number in range(1001)]
    for wrong in (inputs, []):
        answer = await plog.answer(ADD_MANY, inputs=wrong)
        assert answer["__typename"] == "ValidationFailed" and answer["problems"][0]["field"] == "inputs"
    answer = await plog.answer(ADD_MANY, inputs=inputs[:1000])
    assert all(each["isAdded"] for each in answer["results"])
    assert [each["lotRow"]["lotId"] for each in answer["results"]] == [each["lotId"] for each in inputs[:1000]]
    assert (await plog.answer(ROWS))["totalCount"] == 1000


async def test_corrections_are_versions_with_their_reasons(plog: Plog) -> None:
    row = await added(plog)
    for given in ({"reason": None}, {"reason": " "}):
        answer = await plog.answer(CORRECT, id=row["id"], input=lot_row(), **given)
        assert [each["field"] for each in answer["problems"]] == ["reason"]
    answer = await plog.answer(CORRECT, id=row["id"], input={**lot_row(), "lotId": None}, reason="typo")
    assert [each["field"] for each in answer["problems"]] == ["input.lotId"]
    answer = await plog.answer(
        CORRECT, plog.signed_in("bela"), id=row["id"], input=lot_row(quantity=24), reason="miscounted", expected=1
    )
    corrected = answer["lotRow"]
    assert corrected == {**row, "quantity": 24, "version": 2, "updatedAt": corrected["updatedAt"]}
    conflict = await plog.answer(CORRECT, id=row["id"], input=lot_row(), reason="no", expected=1)
    assert (conflict["__typename"], conflict["seen"], conflict["at"]) == ("VersionConflict", 1, 2)
    found = await plog.answer(VERSIONS, id=row["id"], first=1)
    (first,) = found["versions"]["nodes"]
    rest = await plog.answer(VERSIONS, id=row["id"], after=found["versions"]["pageInfo"]["endCursor"])
    (second,) = rest["versions"]["nodes"]
    assert (first["quantity"], first["actor"], first["reason"]) == (25, "demo:ada", None)
    assert (second["quantity"], second["actor"], second["reason"]) == (24, "demo:bela", "miscounted")
    assert second["recordedAt"] == corrected["updatedAt"] and found["viewerCanCorrect"]["isAllowed"]


async def test_a_correction_can_not_make_a_duplicate(plog: Plog) -> None:
    one, other = await added(plog), await added(plog, "LOT-2")
    answer = await plog.answer(CORRECT, id=other["id"], input=lot_row(), reason="typo")
    assert (answer["__typename"], answer["lotRowId"]) == ("DuplicateLotRow", one["id"])
    assert await rows_of(plog) == [one, other]


async def test_lists_are_filtered_sorted_and_paged(plog: Plog) -> None:
    for number in range(7):
        said: dict[str, Any] = {"measuredAt": f"2026-07-0{8 - number}T00:00:00Z", "quantity": number + 1}
        await added(plog, f"LOT-{number}", **said, equipment=f"EQP-{7 - number}")
    of_text = {"LOT_ID": range(7), "PRODUCT": range(7), "STEP": range(7), "EQUIPMENT": range(6, -1, -1)}
    orders = {"NUMBER": range(7), **of_text, "MEASURED_AT": range(6, -1, -1), "QUANTITY": range(7)}
    for order, wanted in orders.items():
        found: list[str] = []
        after = None
        while True:
            page = await plog.answer(ROWS, order=order, first=3, after=after)
            assert page["totalCount"] == 7
            found += [each["lotId"] for each in page["nodes"]]
            after = page["pageInfo"]["endCursor"]
            if not page["pageInfo"]["hasNextPage"]:
                break
        assert found == [f"LOT-{number}" for number in wanted]
        assert await plog.codes(ROWS, order="LOT_ID" if order != "LOT_ID" else "NUMBER", after=after) == ["VALIDATION_FAILED"]
    for filter, numbers in (
        ({"steps": ["ETCH-30"], "product": "SoC-7", "equipment": "EQP-5"}, [2]),
        ({"measuredFrom": "2026-07-03T00:00:00Z", "measuredTo": "2026-07-05T00:00:00Z"}, [4, 5]),
        ({"quantityFrom": 2, "quantityTo": 3}, [1, 2]),
        ({"lotIdPrefix": "LOT-3"}, [3]),
        ({"search": "lot"}, []),
        ({"search": "EQP"}, range(7)),
    ):
        assert [each["lotId"] for each in await rows_of(plog, filter=filter)] == [f"LOT-{number}" for number in numbers], filter
    assert await plog.codes(ROWS, filter={"steps": ["s"] * 101}) == ["VALIDATION_FAILED"]


async def test_a_repeat_tells_nothing_of_a_product_line_that_was_lost(plog: Plog) -> None:
    grants = [await granted(plog, kind) for kind in ("LOGIC_GENERAL", "DRAM_GENERAL")]
    await added(plog, "LOT-B")
    dana, inputs = plog.signed_in("dana"), [lot_row("LOT-A"), lot_row("LOT-B")]
    first = (await plog.answer(ADD_MANY, dana, inputs=inputs, key="k"))["results"]
    assert [each["isAdded"] for each in first] == [True, False] and first[1]["duplicateOf"]
    await revoke(plog, grants[0])
    again = (await plog.answer(ADD_MANY, dana, inputs=inputs, key="k"))["results"]
    assert {(each["code"], each["duplicateOf"], each["lotRow"] is None) for each in again} == {("PERMISSION_DENIED", None, True)}
