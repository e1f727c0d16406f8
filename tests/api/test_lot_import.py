"""REQ-005: rows of lot tracking from CSV files, as a person meets it: upload, progress, what was refused, cancel and resume."""

import csv
import io
from pathlib import Path
from typing import Any

import pytest

from controllers import lot_importer
from controllers.lot_importer import LotImporter
from domain.deck_archive import MAX_TOTAL_BYTES
from domain.lot_csv import MAX_ROW
from gql import ids
from tests.api.in_process import BOTH_DATABASES, CREATE, Plog, serving, table_document
from tests.api.lots import (
    IMPORT,
    IMPORTS,
    ONE_IMPORT,
    START,
    added,
    command,
    ended,
    imported,
    lot_row,
    refused_rows,
    rows_of,
    start,
    started,
    upload,
    written,
)
from tests.api.permissions import granted, revoke
from tests.api.test_kit_subscription import watching
from tests.api.test_lot_row import said
from tests.waiting import eventually

pytestmark = BOTH_DATABASES
WATCH = f"""subscription ($id: ID!) {{ lotImport(id: $id) {{ fromVersion toVersion isSnapshot isMerged
  lotImport {{ {IMPORT} }} }} }}"""
WATCH_LIST = (
    f"""subscription {{ lotImports(first: 5) {{ order isSnapshot changed {{ toVersion lotImport {{ {IMPORT} }} }} }} }}"""
)
NODE = "query ($id: ID!) { node(id: $id) { id } }"
ROWS = [lot_row(f"LOT-{number}", step="공정 30", attributes={"cd_nm": number / 7, "n": number}) for number in range(5)]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949"])
async def test_req_005_1_the_rows_of_a_file_are_added(plog: Plog, delimiter: str, encoding: str) -> None:
    content = written(ROWS, "cd_nm", "n", delimiter=delimiter).encode(encoding)
    first = await started(plog, content, fileName="lots.csv")
    assert (first["status"], first["number"], first["fileName"], first["bytesTotal"]) == ("QUEUED", 1, "lots.csv", len(content))
    found = await ended(plog, first)
    assert (found["status"], found["message"], found["result"]) == ("SUCCEEDED", "", None)
    assert (found["rowsRead"], found["rowsAdded"], found["rowsRefused"]) == (5, 5, 0)
    assert (found["bytesRead"], found["percent"], found["encoding"]) == (len(content), 100, encoding.removesuffix("-sig"))
    assert found["actor"] == "demo:ada" and found["actorName"].startswith("Ada") and found["startedAt"] <= found["endedAt"]
    assert not found["viewerCanCancel"]["isAllowed"] and not found["viewerCanResume"]["isAllowed"]
    rows = sorted(await rows_of(plog), key=lambda row: row["lotId"])
    assert {row["lotImportId"] for row in rows} == {found["id"]} and {row["actor"] for row in rows} == {"demo:ada"}
    assert [said(row) for row in rows] == [said(row) for row in ROWS]
    await added(plog, "OTHER")
    assert [row["lotId"] for row in await rows_of(plog, filter={"lotImportId": found["id"]})] == [row["lotId"] for row in ROWS]
    assert await rows_of(plog, filter={"lotImportId": ids.encode("LotImport", found["number"] + 1)}) == []
    assert await rows_of(plog, filter={"lotImportId": "nothing"}) == []


async def test_req_005_5_texts_and_numbers_of_a_file_are_stored_exactly(plog: Plog) -> None:
    odd = {"product": 'a "b"\r\n,;\t', "step": " s ", "equipment": "=1+1", "quantity": "0012"}
    numbers = {"a": "-0.5e-3", "b": "+7", "c": "9223372036854775807", "d": ".5", "e": "1e308", "f": "  "}
    content = written([lot_row(**odd, attributes=numbers)], *numbers).encode()
    assert (await imported(plog, content))["rowsAdded"] == 1
    (row,) = await rows_of(plog)
    assert {name: row[name] for name in odd} == {**odd, "quantity": 12}
    assert row["attributes"] == {"a": -0.0005, "b": 7, "c": 2**63 - 1, "d": 0.5, "e": 1e308}


WRONG = [
    (lot_row("lot"), "lotId: is no lot id"),
    (lot_row(productLine="FLASH"), "productLine: must be one of LOGIC, DRAM"),
    (lot_row(quantity="2.5"), "quantity: must be a whole number"),
    (lot_row(quantity="", step=""), "step: is required; quantity: is required"),
    (lot_row(measuredAt="2026-07-01T09:30:00"), "measuredAt: must be a date and time with an offset"),
    (lot_row(measuredAt="2026-02-30T09:30:00Z"), "measuredAt: must be a date and time with an offset"),
    (lot_row(measuredAt="01.07.2026"), "measuredAt: must be a date and time with an offset"),
    (lot_row(attributes={"cd": "1,5"}), "attributes.cd: must be a number"),
    (lot_row(attributes={"cd": "NaN"}), "attributes.cd: must be a number"),
    (lot_row(attributes={"cd": "1e999"}), "attributes.cd: must be a finite number"),
    (lot_row(attributes={"cd": "9" * 30}), "attributes.cd: must have at most 64 bits"),
    (lot_row(product="p" * 201), "product: is 201 characters long; 200 are allowed"),
    (lot_row(product="\x00"), "product: contains a character that can't be stored"),
    (lot_row(product="p" * MAX_ROW), f"is longer than {MAX_ROW} bytes"),
]


async def test_req_005_2_to_4_rows_that_are_refused_are_listed_with_why(plog: Plog) -> None:
    there = await added(plog, "THERE")
    rows = [*(row for row, _ in WRONG), lot_row("THERE"), lot_row("GOOD"), lot_row("GOOD")]
    content = written(rows, "cd").encode() + b"LOGIC,LOT-1\r\n\r\n" + b"a," * 20 + b"\r\n"
    found = await imported(plog, content)
    assert (found["status"], found["rowsRead"], found["rowsAdded"]) == ("SUCCEEDED", len(rows) + 2, 1)
    refused = await refused_rows(plog, found)
    reasons = [why for _, why in WRONG]
    reasons += [f"lotId: lot THERE has a row for step 'ETCH-30' already: lot row {there['number']}"]
    reasons += ["lotId: lot GOOD has a row for step 'ETCH-30' already: lot row 2"]
    reasons += ["has 2 fields, and the header has 8", "has 21 fields, and the header has 8"]
    for row, why in zip(refused, reasons, strict=True):
        assert row[1].startswith(why), (row[:2], why)
    places = [number for number in range(2, 2 + len(rows) + 1) if number != len(WRONG) + 3]
    assert [int(row[0]) for row in refused] == [*places, places[-1] + 2]
    given = list(csv.reader(io.StringIO(content.decode(), newline="")))
    for row in refused[: len(WRONG) - 2]:
        assert row[2:] == given[int(row[0]) - 1]
    artifact = found["result"]
    assert artifact["ownerId"] == found["id"] and artifact["actor"] == "demo:ada"
    assert artifact["name"] == f"lot-import-{found['number']}-refused.csv"


async def test_what_was_refused_is_no_formula_in_a_spreadsheet(plog: Plog) -> None:
    harmful = ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\tx", "-", "-1e", " =1+1", "＝1+1"]
    rows = [lot_row("?", product=text, attributes={"cd": "-1.5e-3", "harm": text}) for text in harmful]
    rows.append(lot_row("?", product="x;=1+1", attributes={"cd": "-1.5e-3", "harm": "x\r\n=1+1"}))
    *refused, split = await refused_rows(plog, await imported(plog, written(rows, "cd", "harm").encode()))
    assert [row[4] for row in refused] == [f"'{text}" for text in harmful] == [row[10] for row in refused]
    assert (split[4], split[10]) == ("x;'=1+1", "x\r\n'=1+1")
    assert {row[9] for row in refused} == {"-1.5e-3"}, "numbers are what they were"


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ("productLine,lotId,product,step,equipment,measuredAt", "lacks the column quantity"),
        ("productLine,lotId,product,step,equipment,measuredAt,quantity,lotId", "has the column 'lotId' more than once"),
        ("productLine;lotId;product;step;equipment;measuredAt;quantity;Bogus", "has a column 'Bogus', which is not known"),
        ("", "has no header"),
    ],
)
async def test_a_file_with_another_header_is_refused_at_once(plog: Plog, header: str, why: str) -> None:
    answer = await start(plog, f"{header}\r\n".encode())
    assert answer["__typename"] == "ValidationFailed"
    (problem,) = answer["problems"]
    assert problem["field"] == "input.upload" and why in problem["message"]
    assert (await plog.answer(IMPORTS))["totalCount"] == 0


async def test_a_file_that_is_not_there_is_refused(plog: Plog) -> None:
    content = written(ROWS, "cd_nm").encode()
    sha256 = await upload(plog, content, "bela")
    for given, field in (({"upload": sha256}, "upload"), ({}, "upload"), ({"upload": "x"}, "upload")):
        answer = await plog.answer(START, input=given)
        assert [each["field"] for each in answer["problems"]] == [f"input.{field}"], "another person's file is not there"
    assert (await plog.answer(START, plog.signed_in("dana"), input={"upload": sha256}))["__typename"] == "PermissionDenied"


async def test_a_file_that_is_neither_utf_8_nor_cp949_fails_before_a_row_is_added(plog: Plog) -> None:
    content = written(ROWS, "cd_nm").encode() + "LOGIC,공정".encode() + b"\xff\r\n"
    found = await imported(plog, content)
    place = len(content) - 3
    assert found["status"] == "FAILED" and found["rowsRead"] == 0 and await rows_of(plog) == []
    assert f"neither UTF-8, which is wrong at byte {place}, nor CP949, which is wrong at byte " in found["message"]


async def test_an_encoding_that_is_given_is_the_one_that_is_read(plog: Plog) -> None:
    """Also where the bytes could be taken for CP949, and not where the file is not written in it."""
    rows = [lot_row("LOT-1", product="工程表", step="ソ")]
    content = written(rows).encode("cp932")
    found = await ended(plog, await started(plog, content, encoding="Shift_JIS"))
    assert (found["status"], found["encoding"], found["rowsAdded"]) == ("SUCCEEDED", "cp932", 1)
    assert [said(row) for row in await rows_of(plog)] == [{**said(row), "attributes": {}} for row in rows]
    utf_8 = written([lot_row("LOT-2", product="공정가")]).encode()
    failed = await ended(plog, await started(plog, utf_8, encoding="cp949"))
    assert (failed["status"], failed["encoding"], failed["rowsRead"]) == ("FAILED", "cp949", 0)
    assert failed["message"].startswith(f"The file is not CP949, which is wrong at byte {utf_8.index('가'.encode()) + 2};")
    assert len(await rows_of(plog)) == 1


@pytest.mark.parametrize("encoding", ["utf-16", "rot13", "../passwd", "\x00", 5, True, ["utf-8"], {}])
async def test_an_encoding_that_is_not_read_is_refused_by_its_field(plog: Plog, encoding: Any) -> None:
    answer = await start(plog, written(ROWS, "cd_nm").encode(), encoding=encoding)
    assert answer["__typename"] == "ValidationFailed" and [each["field"] for each in answer["problems"]] == ["input.encoding"]


async def test_a_quote_that_is_never_closed_fails_behind_the_rows_before_it(plog: Plog) -> None:
    content = written(ROWS, "cd_nm").encode()
    found = await imported(plog, content + b'LOGIC,"LOT-9,' + b"x\r\n" * 50_000)
    assert found["status"] == "FAILED" and found["rowsAdded"] == len(ROWS)
    assert f"Row 7, which begins at byte {len(content)}, has a quote that is never closed" in found["message"]
    assert found["viewerCanResume"]["isAllowed"]


async def test_rows_of_other_product_lines_are_refused(plog: Plog) -> None:
    await granted(plog, "LOGIC_GENERAL")
    rows = [lot_row("LOT-1"), lot_row("LOT-2", productLine="DRAM")]
    found = await imported(plog, written(rows).encode(), "dana")
    assert (found["rowsAdded"], found["rowsRefused"]) == (1, 1)
    (refused,) = await refused_rows(plog, found)
    assert refused[:2] == ["3", "productLine: you may not work in DRAM"]
    assert [row["lotId"] for row in await rows_of(plog)] == ["LOT-1"]


async def test_an_import_ends_with_the_permission_and_can_be_resumed(plog: Plog, monkeypatch: pytest.MonkeyPatch) -> None:
    grant = await granted(plog, "LOGIC_GENERAL")
    with monkeypatch.context() as patched:
        patched.setattr(LotImporter, "at_once", 0)
        waiting = await started(plog, written(ROWS, "cd_nm").encode(), "dana")
        await revoke(plog, grant)
    found = await ended(plog, waiting, "dana")
    assert found["status"] == "FAILED" and "permission to work in LOGIC has ended" in found["message"]
    assert found["viewerCanResume"]["isAllowed"] is False and await rows_of(plog) == []
    answer = await plog.answer(command("Resume"), plog.signed_in("dana"), id=found["id"])
    assert answer["__typename"] == "PermissionDenied"
    await granted(plog, "LOGIC_GENERAL")
    resumed = await plog.answer(command("Resume"), plog.signed_in("dana"), id=found["id"])
    assert resumed["lotImport"]["status"] == "QUEUED"
    found = await ended(plog, waiting, "dana")
    assert (found["status"], found["rowsAdded"]) == ("SUCCEEDED", len(ROWS))
    answer = await plog.answer(command("Resume"), plog.signed_in("dana"), id=found["id"])
    assert (answer["__typename"], answer["current"], answer["wanted"]) == ("IllegalTransition", "SUCCEEDED", "QUEUED")


async def test_an_import_can_be_cancelled_before_it_begins(plog: Plog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LotImporter, "at_once", 0)
    waiting = await started(plog, written(ROWS).encode())
    assert waiting["viewerCanCancel"]["isAllowed"]
    first = await plog.answer(command("Cancel"), id=waiting["id"], key="k")
    assert (first["lotImport"]["status"], first["lotImport"]["message"]) == ("CANCELLED", "Cancelled before it began.")
    assert (await plog.answer(command("Cancel"), id=waiting["id"], key="k"))["lotImport"]["status"] == "CANCELLED"
    again = await plog.answer(command("Cancel"), id=waiting["id"])
    assert (again["__typename"], again["current"]) == ("IllegalTransition", "CANCELLED")


async def test_an_import_is_its_persons_alone(plog: Plog) -> None:
    found = await imported(plog, written([lot_row("?")]).encode())
    bela = plog.signed_in("bela")
    assert (await plog.answer(IMPORTS, bela)) == {"totalCount": 0, "nodes": []}
    for thing in (found, found["result"]):
        assert await plog.answer(NODE, bela, id=thing["id"]) is None
        assert await plog.answer(NODE, id=thing["id"]) == {"id": thing["id"]}
    assert await plog.answer(ONE_IMPORT, bela, id=found["id"]) is None
    for name in ("Cancel", "Resume"):
        assert (await plog.answer(command(name), bela, id=found["id"]))["__typename"] == "NotFound"
    path = found["result"]["downloadUrl"].partition("?")[0]
    assert (await plog.http.get(path, headers=plog.signed_in())).status_code == 403, "the link is the permission"
    assert (await plog.answer(IMPORTS, filter={"status": ["SUCCEEDED"]}))["totalCount"] == 1
    assert (await plog.answer(IMPORTS, filter={"status": ["FAILED"]}))["totalCount"] == 0


async def test_a_start_with_its_key_is_one_import(plog: Plog) -> None:
    sha256 = await upload(plog, written(ROWS, "cd_nm").encode())
    answers = [await plog.answer(START, input={"upload": sha256}, key="k") for _ in range(2)]
    assert answers[0]["lotImport"]["id"] == answers[1]["lotImport"]["id"]
    other = await plog.answer(START, input={"upload": sha256, "fileName": "x"}, key="k")
    assert other["__typename"] == "IdempotencyKeyReused"
    assert (await plog.answer(IMPORTS))["totalCount"] == 1


async def test_progress_is_watched(plog: Plog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lot_importer, "BATCH_ROWS", 100)
    rows = [lot_row(f"LOT-{number}") for number in range(3000)]
    content = written([*rows, lot_row("?")], "cd_nm").encode()
    async with watching(plog, WATCH_LIST) as listed:
        assert (await listed.next())["order"] == []
        with monkeypatch.context() as patched:
            patched.setattr(LotImporter, "at_once", 0)
            first = await started(plog, content)
            assert (await listed.next())["order"] == [first["id"]]
            async with watching(plog, WATCH, id=first["id"]) as frames:
                snapshot = await frames.next()
                assert snapshot["isSnapshot"] and snapshot["lotImport"]["status"] == "QUEUED"
                patched.undo()
                monkeypatch.setattr(lot_importer, "BATCH_ROWS", 100)
                seen = [snapshot]
                while seen[-1]["lotImport"]["endedAt"] is None:
                    seen.append(await frames.next())
    versions = [frame["toVersion"] for frame in seen]
    progress = [frame["lotImport"]["rowsRead"] for frame in seen]
    assert versions == sorted(set(versions)) and progress == sorted(progress)
    assert len(set(progress)) > 2, "it is seen to go on"
    last = seen[-1]["lotImport"]
    assert (last["status"], last["rowsAdded"], last["result"]["mediaType"]) == ("SUCCEEDED", 3000, "text/csv")
    assert (await plog.http.get(last["result"]["downloadUrl"])).status_code == 200


async def test_what_does_not_exist_can_not_be_watched(plog: Plog) -> None:
    found = await imported(plog, written(ROWS).encode())
    for user, id in (("bela", found["id"]), ("ada", "TG90SW1wb3J0Ojk")):
        assert await plog.codes(WATCH, plog.signed_in(user), id=id) != []


async def test_an_import_is_cancelled_within_seconds(plog: Plog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lot_importer, "BATCH_ROWS", 10)
    rows = [lot_row(f"LOT-{number}") for number in range(20_000)]
    first = await started(plog, written(rows).encode())

    async def has_begun() -> bool:
        found: dict[str, Any] = await plog.answer(ONE_IMPORT, id=first["id"])
        return bool(found["rowsRead"])

    await eventually(has_begun)
    answer = await plog.answer(command("Cancel"), id=first["id"])
    assert answer["lotImport"]["isCancelRequested"] or answer["lotImport"]["status"] == "CANCELLED"
    found = await ended(plog, first, deadline=5)
    assert found["status"] == "CANCELLED" and f"the {found['rowsAdded']} rows that it had added stay" in found["message"]
    assert 0 < found["rowsAdded"] < 20_000
    counted = await plog.answer("query { lotRows { totalCount } }")
    assert counted["totalCount"] == found["rowsAdded"]


async def test_the_settings_of_lots(tmp_path: Path, plog_settings: dict[str, Any]) -> None:
    chosen = {**plog_settings, "lots": {"id_pattern": "(a+)+b", "max_file_mb": 300}}
    async with serving(tmp_path / "other", chosen) as plog:
        assert (await added(plog, "aab"))["lotId"] == "aab"
        answer = await plog.answer(
            'mutation { lotRowAdd(input: {lotId: "' + "a" * 64 + '"}) { ... on ValidationFailed {'
            " problems { field message } } } }"
        )
        assert {"field": "input.lotId", "message": "is no lot id: it does not match (a+)+b"} in answer["problems"]
        sha256 = "a" * 64
        for size, status in ((300_000_001, 400), (300_000_000, 204)):
            response = await plog.http.put(f"/uploads/{sha256}?size={size}", content=b"", headers=plog.signed_in())
            assert response.status_code == status, response.text


async def test_a_zip_of_decks_that_nobody_would_read_is_refused_with_its_kit(plog: Plog, monkeypatch: pytest.MonkeyPatch) -> None:
    document = table_document()
    document["definition"]["deck"]["source"] = {"upload": "a" * 64}

    async def size(_: str) -> int:
        return MAX_TOTAL_BYTES + 1

    monkeypatch.setattr(plog.container.services.artifacts, "size", size)
    answer = await plog.answer(CREATE, input=document)
    assert [each["field"] for each in answer["problems"]] == ["definition.deck.source.upload"]
