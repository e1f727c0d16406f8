"""Imports of lot rows: which status leads where, and what becomes of a file's rows."""

import csv
import io
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.background_work import UNENDED
from domain.errors import IllegalTransition
from domain.kit import ProductLine
from domain.lot_csv import FIELDS, MAX_ROW, CsvReader, CsvRow, Header
from domain.lot_import import LotImport, LotImportStatus, RefusedRow, harmless, read_row, result_lines
from domain.lot_row import LOT_ID, LotIds, LotRowDefinition
from domain.text_value import NUMBER

AT, LATER = datetime(2026, 7, 1, tzinfo=UTC), datetime(2026, 7, 2, tzinfo=UTC)
Status = LotImportStatus
LOT_IDS = LotIds(LOT_ID)
HEADER = Header(",", (*FIELDS, "attribute.cd"), 80, 1)


def lot_import(status: LotImportStatus, **changes: Any) -> LotImport:
    given: dict[str, Any] = {
        "id": 1,
        "file_name": "",
        "sha256": "a" * 64,
        "size": 1000,
        "actor": "ada",
        "actor_name": "Ada",
        "product_lines": frozenset({ProductLine.LOGIC}),
        "status": status,
        "version": 5,
        "created_at": AT,
        "updated_at": AT,
        "fence": 3,
    }
    return LotImport(**{**given, **changes})


@pytest.mark.parametrize(("status", "wanted"), list(product(Status, Status)))
def test_a_status_leads_only_where_the_table_says(status: LotImportStatus, wanted: LotImportStatus) -> None:
    found = lot_import(status)
    if wanted not in LotImport.transitions[status]:
        with pytest.raises(IllegalTransition) as refusal:
            found.became(wanted, LATER)
        assert (refusal.value.current, refusal.value.wanted) == (status, wanted)
        return
    became = found.became(wanted, LATER, "why")
    assert (became.status, became.version, became.updated_at, became.message) == (wanted, 6, LATER, "why")
    assert became.ended_at == (None if wanted in UNENDED else LATER)


@pytest.mark.parametrize("status", Status)
def test_each_command_keeps_to_the_table(status: LotImportStatus) -> None:
    commands: dict[str, tuple[Callable[[LotImport], LotImport], dict[LotImportStatus, LotImportStatus]]] = {
        "take up": (lambda found: found.taken_up(LATER), {Status.QUEUED: Status.RUNNING, Status.RUNNING: Status.RUNNING}),
        "cancel": (lambda found: found.cancelled(LATER), {Status.QUEUED: Status.CANCELLED, Status.RUNNING: Status.RUNNING}),
        "resume": (lambda found: found.resumed(frozenset(ProductLine), LATER), {Status.FAILED: Status.QUEUED}),
    }
    for name, (command, leads_to) in commands.items():
        found = lot_import(status, is_cancel_requested=name == "resume")
        if status not in leads_to:
            with pytest.raises(IllegalTransition):
                command(found)
            continue
        became = command(found)
        assert became.status is leads_to[status] and became.version == 6 and became.updated_at == LATER
        assert became.fence == found.fence + (name == "take up")
        assert became.is_cancel_requested == (name == "cancel" and status is Status.RUNNING)


def row(text: str) -> CsvRow:
    return CsvRow(2, 80, 80 + len(text.encode()), text.encode())


def test_a_row_is_read_as_its_columns_say() -> None:
    read = read_row(row("LOGIC,LOT-1,P,S,E,2026-07-01T09:00+09:00,25,-1.5e-3\r\n"), HEADER, "utf-8", LOT_IDS)
    assert isinstance(read, LotRowDefinition)
    assert (read.measured_at, read.quantity, read.attributes) == (AT, 25, {"cd": -0.0015})


@pytest.mark.parametrize("text", ["", "\n", "\r\n"])
def test_an_empty_line_is_no_row(text: str) -> None:
    assert read_row(row(text), HEADER, "utf-8", LOT_IDS) is None


@given(st.lists(st.text(max_size=20), min_size=1, max_size=12), st.sampled_from(["utf-8", "cp949"]))
def test_any_row_is_read_or_refused(fields: list[str], encoding: str) -> None:
    reader = CsvReader(",")
    for each in reader.feed(",".join(fields).replace('"', "'").encode(encoding, "ignore"), is_end=True):
        read = read_row(each, HEADER, encoding, LOT_IDS)
        assert read is None or isinstance(read, LotRowDefinition | RefusedRow)
        if isinstance(read, RefusedRow):
            assert read.reason and not any("\x00" in field for field in read.fields)


FORMULAS = [
    "=1",
    "+a",
    "-a",
    "@x",
    "-",
    "=",
    "+1-1",
    "-1,5",
    "-0x1",
    "+1 ",
    "-1\n",
    "＝1",
    "＋a",
    "－a",
    "＠x",
    "﹦1",
]
PASSED_OVER = ["", " ", "  ", "\xa0", "\u3000", "\ufeff", "\u200b", '"', ' "', "\x0b", "\x1f", "\u202e"]


@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.parametrize("blank", PASSED_OVER)
def test_what_a_spreadsheet_would_compute_is_made_text(formula: str, blank: str) -> None:
    """Also where it splits the cell: behind what may separate cells or rows elsewhere than here."""
    assert harmless(blank + formula) == f"'{blank}{formula}"
    for separator in (";", "\t", "\n", "\r", "\r\n"):
        assert harmless(f"a{separator}{blank}{formula}") == f"a{separator}'{blank}{formula}"


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("\tx", "'\tx"),
        ("\rx", "'\rx"),
        ("\n=1", "'\n'=1"),
        ("\t\t-1", "'\t\t'-1"),
        ("'=1", "''=1"),
        ("a;'b", "a;''b"),
        ("-1\n+a", "'-1\n'+a"),
    ],
)
def test_what_may_be_passed_over_or_taken_for_a_mark_is_marked(text: str, marked: str) -> None:
    assert harmless(text) == marked


@pytest.mark.parametrize(
    "text", ["", "a", "1", "-1", "+1.5", "-.5e-3", "1-1", "a=b", "a,=b", "a\n b", "a;b;", "it's", "1;2", "(=1)"]
)
def test_what_is_harmless_stays(text: str) -> None:
    assert harmless(text) == text


PIECES = st.lists(
    st.sampled_from([*FORMULAS, *PASSED_OVER, ";", "\t", "\n", "\r", "'", "a", "1", ","]) | st.text(max_size=3)
).map("".join)


@given(PIECES)
def test_taking_the_apostrophes_off_gives_the_cell_back(cell: str) -> None:
    assert re.sub(r"(^|(?<=[;\t\r\n]))'", "", harmless(cell)) == cell


@given(st.lists(PIECES, min_size=1, max_size=4), st.sampled_from([";", "\t"]))
def test_no_cell_begins_with_a_formula_however_the_file_is_split(fields: list[str], separator: str) -> None:
    """Read as a spreadsheet that knows another delimiter reads it, one that minds quotes within cells and one that doesn't."""
    text = result_lines(HEADER, [RefusedRow(number=7, fields=tuple(fields), reason=fields[0])], is_beginning=False).decode()
    cells = [cell for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator) for cell in row]
    cells += [cell for row in csv.reader(io.StringIO(text, newline="")) for cell in row]
    cells += re.split(rf"[{separator}\r\n]", text)
    for cell in cells:
        assert not re.match(r'[\s"]*[-=+@＝＋－＠]', cell) or NUMBER.fullmatch(cell)


def test_a_long_cell_takes_no_long_time() -> None:
    for cell in ("\t" * MAX_ROW, " " * MAX_ROW, ";" * MAX_ROW, '"' * MAX_ROW, "; " * (MAX_ROW // 2), "\n " * (MAX_ROW // 2)):
        began = time.process_time()
        harmless(cell)
        assert time.process_time() - began < 1.0


def test_the_file_of_refused_rows() -> None:
    rows = [RefusedRow(number=7, fields=("=1", 'a"b', "-2"), reason="is wrong")]
    assert result_lines(HEADER, (), is_beginning=True).decode() == f"\ufeffrow,reason,{','.join(HEADER.columns)}\r\n"
    assert result_lines(HEADER, rows, is_beginning=False).decode() == '7,is wrong,\'=1,"a""b",-2\r\n'
