"""What steps write, read line by line: whatever it is, it becomes a report that the API can read."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.event import EventKind
from domain.report import TASK_KINDS
from domain.validation import is_storable
from steps.shim import report_spool
from steps.shim.fetch_inputs import safe_place
from steps.shim.report_client import output_file, read_lines
from steps.shim.report_lines import MAX_LINE_BYTES, report_of
from steps.shim.report_spool import ReportSpool
from steps.shim.shim_folder import ShimFolder

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
LINES = st.dictionaries(
    st.sampled_from(["task", "time", "status", "progress", "trial", "point", "metadata", "artifact", "other"]),
    JSON | st.sampled_from(["a", "RUNNING", {"name": "x"}, "2026-01-02T03:04:05+01:00", 0.5]),
)


DEEP = b'{"x": ' + b"[" * 100 + b"]" * 100 + b"}"


@pytest.mark.parametrize(
    "metadata",
    [
        b"7",
        b"[]",
        b'{"x": NaN}',
        rb'{"x": "\u0000"}',
        b'{"x": 1e999}',
        rb'{"x": "\ud800"}',
        b'{"x": "\xb5"}',
        b'{"x": -%s}',
        DEEP,
    ],
)
@pytest.mark.parametrize("status", ["SUCCEEDED", "FAILED"])
def test_a_status_counts_though_its_metadata_makes_no_sense(status: str, metadata: bytes) -> None:
    metadata = metadata.replace(b"%s", b"1" * 5000)
    line = b'{"task": "a", "status": "%s", "progress": 1, "metadata": %s}' % (status.encode(), metadata)
    report = report_of(line)
    told = report.pop("metadata")["notTaken"]
    assert report == {"kind": "STATUS", "task": "a", "status": status, "progress": 1.0}
    assert told.keys() == {"metadata"} and is_storable(told["metadata"])
    for wrong in (b'"task": null, ', b'"status": "PENDING", ', b'"trial": {"n": 1}, ', b'"artifact": {}, '):
        other = report_of(line.replace(b'"progress"', wrong + b'"progress"'))
        assert other["kind"] == "NOTE" and "malformedReport" in other["metadata"], "more than what stands beside it is wrong"


@pytest.mark.parametrize(
    ("beside", "left_out"),
    [
        ('"progress": 2.0', {"progress": "progress must be from 0 to 1"}),
        ('"progress": NaN', {"progress": "a number that is not finite"}),
        ('"time": "1969-12-31T23:59:59Z"', {"time": "time must be one since 1970"}),
        ('"time": "9999-12-31T23:59:59-23:00"', {"time": "time must be one since 1970"}),
        ('"time": 7, "progress": "x"', {"time": "time must be text", "progress": "progress must be a number"}),
        ('"message": "x"', {"message": "unknown: message"}),
        ('"m\\u0000\\ud800": "x"', {"m\ufffd?": "a text with NUL, a lone surrogate or bytes that are no UTF-8"}),
    ],
)
def test_a_status_counts_though_something_else_beside_it_makes_no_sense(beside: str, left_out: dict[str, str]) -> None:
    report = report_of(f'{{"task": "a", "status": "FAILED", "metadata": {{"message": "x"}}, {beside}}}'.encode())
    metadata = {"message": "x", "notTaken": left_out}
    assert report == {"kind": "STATUS", "task": "a", "status": "FAILED", "metadata": metadata}


@pytest.mark.parametrize(
    ("beside", "reason"),
    [
        ('"time": "1960-01-01T00:00:00Z"', "time must be one since 1970"),
        ('"metadata": {"rows": 3}', "artifact and metadata can't stand in one report"),
        ('"status": "SUCCEEDED", "task": "a"', "artifact and status can't stand in one report"),
        ('"other": 1', "unknown: other"),
        ('"progress": NaN', "NaN is not JSON"),
    ],
)
def test_an_artifact_in_a_line_that_makes_no_sense_is_missing(beside: str, reason: str) -> None:
    report = report_of(f'{{"artifact": {{"name": "a.csv"}}, {beside}}}'.encode())
    assert report == {"kind": "NOTE", "metadata": {"artifactMissing": {"name": "a.csv", "reason": reason}}}


@pytest.mark.parametrize(
    ("artifact", "name", "reason"),
    [
        (b'{"name": "x", "inputs": "y"}', "x", "artifact.inputs must be a list"),
        (b'"d.csv"', "d.csv", "artifact must be an object"),
        (b'{"mediaType": "x/y"}', "null", "artifact.name must be text"),
        (b'{"name": "a\xff.csv"}', "a?.csv", "utf-8"),
        (b'{"name": "a\\ud800"}', "a?", "surrogate"),
        (b'{"name": ["x"]}', '["x"]', "artifact.name must be text"),
    ],
)
def test_an_artifact_that_makes_no_sense_itself_is_missing(artifact: bytes, name: str, reason: str) -> None:
    report = report_of(b'{"artifact": %s}' % artifact)
    told = report["metadata"]["artifactMissing"]
    assert told["name"] == name and reason in told["reason"] and json.dumps(report, ensure_ascii=False).encode()


def test_what_runs_decides_over_what_a_line_may_hold() -> None:
    for line in (b'{"window": {"start": 5}}', b'{"summary": {}}'):
        assert "unknown" in report_of(line)["metadata"]["reason"]
        assert report_of(line, "LOAD_TEST_RUN")["kind"] in ("WINDOW", "SUMMARY")
    assert "unknown" in report_of(b'{"task": "a", "status": "FAILED"}', "LOAD_TEST_RUN")["metadata"]["reason"]


def test_a_line_that_is_too_long_is_no_status() -> None:
    line = b'{"task": "a", "status": "FAILED", "metadata": {"x": "' + b"x" * MAX_LINE_BYTES + b'"}}'
    assert "longer than" in report_of(line)["metadata"]["reason"]


@pytest.mark.parametrize(
    ("line", "report"),
    [
        ({"task": "a", "status": "RUNNING"}, {"kind": "STATUS", "task": "a", "status": "RUNNING"}),
        (
            {"task": "a", "status": "FAILED", "metadata": {"x": 1}},
            {"kind": "STATUS", "task": "a", "status": "FAILED", "metadata": {"x": 1}},
        ),
        ({"task": "a", "progress": 1}, {"kind": "PROGRESS", "task": "a", "progress": 1.0}),
        (
            {"task": "a", "trial": {"n": 1}, "progress": 0.5},
            {"kind": "TRIAL", "task": "a", "metadata": {"n": 1}, "progress": 0.5},
        ),
        ({"task": "a", "point": {}}, {"kind": "POINT", "task": "a", "metadata": {}}),
        ({"task": "a", "metadata": {"k": None}}, {"kind": "NOTE", "task": "a", "metadata": {"k": None}}),
        (
            {"task": "a", "metadata": {"k": 1}, "progress": 0.5},
            {"kind": "NOTE", "task": "a", "metadata": {"k": 1}, "progress": 0.5},
        ),
        ({"metadata": {"dataInfo": {"rows": 3}}}, {"kind": "NOTE", "metadata": {"dataInfo": {"rows": 3}}}),
        (
            {"artifact": {"name": "d.csv", "mediaType": "text/csv", "inputs": ["x"]}, "task": "a"},
            {"kind": "ARTIFACT", "task": "a", "artifact": {"name": "d.csv", "mediaType": "text/csv", "inputs": ["x"]}},
        ),
        (
            {"artifact": {"name": "d"}},
            {"kind": "ARTIFACT", "artifact": {"name": "d", "mediaType": "application/octet-stream", "inputs": []}},
        ),
        (
            {"task": "a", "progress": 0.5, "time": "2026-01-02T03:04:05Z"},
            {"kind": "PROGRESS", "task": "a", "progress": 0.5, "reportedAt": "2026-01-02T03:04:05+00:00"},
        ),
    ],
)
def test_lines_of_the_contract(line: dict[str, Any], report: dict[str, Any]) -> None:
    assert report_of(json.dumps(line).encode()) == report


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"", "Expecting value"),
        (b"not json", "Expecting value"),
        (b"\xff\xfe", "utf-8"),
        (b"[1]", "must be a JSON object"),
        (b"{}", "says nothing"),
        (b'{"task": "a"}', "says nothing"),
        (b'{"task": "a", "stauts": "RUNNING"}', "unknown: stauts"),
        (b'{"task": "a", "status": "PENDING"}', "RUNNING, SUCCEEDED or FAILED"),
        (b'{"task": "a", "status": ["RUNNING"]}', "RUNNING, SUCCEEDED or FAILED"),
        (b'{"task": 1, "status": "RUNNING"}', "task must be text"),
        (b'{"task": "a", "progress": "0.5"}', "progress must be a number"),
        (b'{"task": "a", "progress": true}', "progress must be a number"),
        (b'{"task": "a", "progress": NaN}', "NaN is not JSON"),
        (b'{"task": "a", "progress": 1.01}', "progress must be from 0 to 1"),
        (b'{"task": "a", "progress": 0.5, "time": "1969-12-31T23:59:59Z"}', "since 1970"),
        (b'{"status": "FAILED"}', "task is missing"),
        (b'{"point": {}}', "task is missing"),
        (b'{"task": "a", "progress": 1e999}', "not finite"),
        (b'{"task": "a", "metadata": {"n": 99999999999999999999}}', "64 bits"),
        (b'{"task": "a", "metadata": {"\\u0000": 1}}', "NUL"),
        (b'{"task": "a", "metadata": {"x": "\\ud800"}}', "surrogate"),
        (b'{"task": "a", "metadata": [1]}', "metadata must be an object"),
        (b'{"task": "a", "trial": {}, "point": {}}', "trial and point can't stand"),
        (b'{"task": "a", "trial": {}, "metadata": {}}', "trial and metadata can't stand"),
        (b'{"task": "a", "progress": 0.5, "time": "2026-01-02T03:04:05"}', "offset"),
        (b"[" * 100_000, "recursion"),
        (b'{"metadata": {"x": ' + b"[" * 100 + b"]" * 100 + b"}}", "nested deeper"),
        (b'{"metadata": {"x": "' + b"x" * MAX_LINE_BYTES + b'"}}', "longer than"),
    ],
)
def test_a_line_that_makes_no_sense_is_a_note_that_says_why(line: bytes, reason: str) -> None:
    report = report_of(line)
    assert report["kind"] == "NOTE"
    assert reason in report["metadata"]["reason"]
    assert report["metadata"]["malformedReport"].encode() == line[:200] or b"\xff" in line


@given(LINES.map(lambda line: json.dumps(line).encode()) | st.binary(max_size=300))
def test_whatever_a_line_holds_the_report_is_one_the_api_can_read(line: bytes) -> None:
    report = report_of(line)
    text = json.dumps(report, ensure_ascii=False, allow_nan=False)
    assert is_storable(text)
    assert EventKind(report["kind"]) in TASK_KINDS
    assert report.keys() <= {"kind", "task", "status", "progress", "reportedAt", "metadata", "artifact"}
    assert None not in report.values()
    assert isinstance(report.get("task", ""), str)
    assert isinstance(report.get("metadata", {}), dict)
    assert ("artifact" in report) == (report["kind"] == "ARTIFACT")
    assert "reportedAt" not in report or datetime.fromisoformat(report["reportedAt"]).tzinfo is not None


@given(
    st.lists(st.binary(max_size=400).map(lambda raw: raw.replace(b"\n", b"")), max_size=12),
    st.binary(max_size=50),
    st.integers(1, 5),
)
def test_reading_on_from_each_end_gives_every_complete_line_once(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], torn: bytes, most: int
) -> None:
    file = tmp_path_factory.mktemp("spool") / "reports.jsonl"
    file.write_bytes(b"".join(line + b"\n" for line in lines) + torn.replace(b"\n", b""))
    found, offset = [], 0
    while batch := read_lines(file, offset, most):
        assert len(batch) <= most
        found += [line.raw for line in batch]
        offset = batch[-1].end
    assert found == lines


def test_an_overlong_line_is_cut_and_costs_its_number(tmp_path: Path) -> None:
    file = tmp_path / "reports.jsonl"
    file.write_bytes(b"x" * (3 * MAX_LINE_BYTES) + b"\n" + b"{}\n")
    (first,) = read_lines(file, 0, 1)
    (second,) = read_lines(file, first.end, 10)
    assert "longer than" in report_of(first.raw)["metadata"]["reason"]
    assert second.raw == b"{}"


@given(st.binary(max_size=200))
def test_sealing_ends_a_torn_line_once(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    folder = ShimFolder(tmp_path_factory.mktemp("run"))
    folder.reports.write_bytes(content)
    spool = ReportSpool(folder.reports, 1000)
    sealed = spool.seal()
    assert spool.seal() == sealed and not spool.is_over()
    assert folder.reports.read_bytes() in (content, content + b"\n")
    assert len(read_lines(folder.reports, 0, 1000)) == sealed


@given(st.lists(st.sampled_from([b"a", b"\n", b"bc\n", b"\r"]), max_size=30), st.integers(1, 8))
def test_a_spool_is_cut_after_as_many_lines_as_count(
    tmp_path_factory: pytest.TempPathFactory, parts: list[bytes], limit: int
) -> None:
    path, content = tmp_path_factory.mktemp("run") / "reports.jsonl", b"".join(parts)
    path.touch()
    spool = ReportSpool(path, limit)
    written = b""
    for part in parts:
        written += part
        path.write_bytes(written)
        assert spool.is_over() == (written.count(b"\n") > limit)
    lines = [line + b"\n" for line in content.removesuffix(b"\n").split(b"\n")] if content else []
    with patch.object(report_spool, "CHUNK", 4):
        assert spool.seal() == spool.seal() == min(len(lines), limit)
    assert path.read_bytes() == b"".join(lines[:limit])


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "missing", "link", "folder", "loop", "a\x00b", "x" * 5000, ""])
def test_only_regular_files_really_inside_the_output_are_artifacts(folder: ShimFolder, name: str) -> None:
    (folder.root / "secret").write_text("x")
    (folder.output / "link").symlink_to(folder.root / "secret")
    (folder.output / "loop").symlink_to(folder.output / "loop")
    (folder.output / "folder").mkdir()
    (folder.output / "folder" / "good").write_text("x")
    assert output_file(folder.output, name) is None
    assert output_file(folder.output, "folder/good") == (folder.output / "folder" / "good").resolve()


@pytest.mark.parametrize("name", ["", "/x", "../x", "a/../../x", "a\x00"])
def test_inputs_have_names_inside_their_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="name of an artifact"):
        safe_place(tmp_path, name)
    assert safe_place(tmp_path, "a/b.csv") == tmp_path / "a" / "b.csv"
