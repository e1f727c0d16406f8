"""The DECK_COLLECTION step as a program: every source, every refusal, and what it leaves."""

import hashlib
import io
import os
import socket
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from domain.deck import DeckSource
from steps import deck_sources, remote_source
from steps.deck_sources import gather
from steps.reports import StepFailed
from tests.unit.step_runs import StepRun, run_step

MODULE = "steps.deck_collection"
GOOD = b"w,l,delay\n1,2,3\n2,3,nan\n3,4,5\n"
NETLIST = (
    b"divider\n.param r=1k\nv1 1 0 1\nr1 1 2 {r}\nr2 2 0 1k\n.include m.inc\n.dc v1 0 1 1\n.meas dc half find v(2) at=1\n.end\n"
)


def table(source: dict[str, Any], **changes: Any) -> dict[str, Any]:
    deck = {"kind": "TABLE", "source": source, "inputs": ["w", "l"], "responses": ["delay"]} | changes
    return {"deck": deck, "design": {"method": "MEASURED"}, "ml": {}, "optimize": {}}


def spice(source: dict[str, Any], **changes: Any) -> dict[str, Any]:
    design = {"method": "SOBOL", "points": 4, "variables": [{"name": "R", "low": 100, "high": 1000}]} | changes
    return {"deck": {"kind": "SPICE", "source": source}, "design": design, "ml": {}, "optimize": {}}


def fill(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def zipped(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def reasons(run: StepRun) -> dict[str, str]:
    return {refused["name"]: refused["reason"] for refused in run.document("decks.json")["refused"]}


def test_tables_of_a_folder(tmp_path: Path) -> None:
    files = {
        "a.csv": GOOD,
        "sub/bom.csv": b"\xef\xbb\xbf" + GOOD.replace(b"1,2,3", b"7,8,9"),
        "sub/same.csv": GOOD,
        "text.csv": b"w,l,delay\n1,2,fast\n",
        "mixed.csv": b"w,l,delay\n1,2,3\nx3,2,3\n",
        "corners.csv": b"w,l,delay\ntt,2,3\nff,2,3\n",
        "lacking.csv": b"w,delay\n1,2\n",
        "twice.csv": b"w,l,delay,w\n1,2,3,4\n",
        "ragged.csv": b"w,l,delay\n1,2\n",
        "empty.csv": b"",
        "header.csv": b"w,l,delay\n",
        "wide.csv": GOOD.decode().encode("utf-16"),
        "nothing.csv": b"w,l,delay\n1,2,nan\n",
        "fake.parquet": b"PAR1 or not",
        ".hidden.csv": GOOD,
        "notes.txt": b"x",
    }
    sink = io.BytesIO()
    pq.write_table(
        pa.table({"w": [1, 2], "l": [1.5, 2.5], "delay": pa.array([1.0, None], pa.float32()), "note": ["a", "b"]}), sink
    )
    folder = fill(tmp_path / "decks", files | {"b.parquet": sink.getvalue()})
    run = run_step(tmp_path / "run", MODULE, table({"folder": str(folder)}), folders=[folder])
    assert (run.code, run.artifacts) == (0, ["decks.json", "decks.zip"]), run.stderr
    assert [run.statuses(task) for task in ("fetch", "parse", "check")] == [["RUNNING", "SUCCEEDED"]] * 3
    decks = {deck["name"]: deck for deck in run.document("decks.json")["decks"]}
    assert {name: (deck["rows"], deck["nonFiniteRows"]) for name, deck in decks.items()} == {
        "a.csv": (3, 1),
        "b.parquet": (2, 1),
        "sub/bom.csv": (3, 1),
    }
    assert decks["a.csv"]["sha256"] == hashlib.sha256(GOOD).hexdigest()
    assert decks["a.csv"]["size"] == len(GOOD)
    assert set(reasons(run)) == set(files) - {"a.csv", "sub/bom.csv", ".hidden.csv", "notes.txt"}
    assert "a.csv" in reasons(run)["sub/same.csv"]
    assert reasons(run)["text.csv"] == "column 'delay' holds 'fast' in row 1, which is not a number"
    assert reasons(run)["mixed.csv"] == "column 'w' holds 'x3' in row 2, which is not a number"
    assert reasons(run)["corners.csv"] == "column 'w' holds texts, but numbers in a.csv"
    assert "'l'" in reasons(run)["lacking.csv"]
    with zipfile.ZipFile(run.output / "decks.zip") as archive:
        assert archive.namelist() == ["a.csv", "b.parquet", "sub/bom.csv"]
    assert run.metadata["decks"] == 3


def test_the_same_decks_give_the_same_bytes(tmp_path: Path) -> None:
    folder = fill(tmp_path / "decks", {"a.csv": GOOD, "b.csv": GOOD.replace(b"1", b"4")})
    definition = table({"folder": str(folder)})
    first = run_step(tmp_path / "first", MODULE, definition, folders=[folder]).output
    for path in folder.iterdir():
        os.utime(path, (1, 1))
    second = run_step(tmp_path / "second", MODULE, definition, folders=[folder]).output
    for name in ("decks.zip", "decks.json"):
        assert (first / name).read_bytes() == (second / name).read_bytes()


def test_netlists_of_an_upload(tmp_path: Path) -> None:
    uploads = tmp_path / "uploads"
    files = {
        "good.cir": NETLIST,
        "m.inc": b"* model\nc1 2 0 1p\n",
        "unused.inc": b"r9 1 0 1\n",
        "Latin.cir": NETLIST.replace(b"divider", b"\xe9tage").replace(b"half", b"Half").replace(b"r2 2 0 1k", b"r2 2 0 2k"),
        "same.cir": NETLIST.replace(b"divider\n", b"other title\n* a note\n\n").replace(b"r=1k", b"R = 2K").upper() + b"* end",
        "shell.cir": NETLIST.replace(b".end\n", b".control\nshell touch /tmp/x\n.endc\n"),
        "script.cir": b"*ng_script\nshell touch x\n",
        "outside.cir": NETLIST.replace(b"m.inc", b"../../etc/passwd"),
        "below/far.cir": NETLIST.replace(b"m.inc", b"../m.inc"),
        "noparam.cir": NETLIST.replace(b".param r=1k", b".param s=1k").replace(b"{r}", b"1"),
        "other.cir": NETLIST.replace(b"half", b"third"),
        "binary.cir": b"\x00\x01",
        "many.cir": NETLIST.replace(b".end", b"".join(b".meas dc m%d find v(2) at=1\n" % each for each in range(100)) + b".end"),
    }
    fill(uploads, {"upload.zip": zipped(files)})
    run = run_step(tmp_path / "run", MODULE, spice({"upload": "a" * 64}), inputs=uploads)
    assert run.code == 0, run.stderr
    document = run.document("decks.json")
    assert [deck["name"] for deck in document["decks"]] == ["Latin.cir", "good.cir"]
    assert document["decks"][1]["inputs"] == ["r"]
    assert document["decks"][1]["responses"] == ["half"]
    assert [companion["name"] for companion in document["companions"]] == ["m.inc"]
    found = reasons(run)
    assert ".control" in found["shell.cir"]
    assert "folder" in found["outside.cir"]
    assert "folder" in found["below/far.cir"]
    assert "no .meas" in found["script.cir"] or "not allowed" in found["script.cir"]
    assert "'R'" in found["noparam.cir"]
    assert "Latin.cir" in found["other.cir"]
    assert found["same.cir"] == "has the same content as good.cir"
    assert found["many.cir"].startswith("has 101 measurements; 100 are taken")
    assert "binary.cir" in found
    with zipfile.ZipFile(run.output / "decks.zip") as archive:
        assert archive.namelist() == ["Latin.cir", "good.cir", "m.inc"]


def test_columns_of_texts_are_categories(tmp_path: Path) -> None:
    files = {"a.csv": b"w,l,delay\ntt,1,3\nff,,4\n", "b.csv": b"w,l,delay\nTrue,2,3\nfalse,3,4\n"}
    folder = fill(tmp_path / "decks", files)
    run = run_step(tmp_path / "run", MODULE, table({"folder": str(folder)}), folders=[folder])
    assert run.code == 0, run.stderr
    decks = run.document("decks.json")["decks"]
    assert [deck["categories"] for deck in decks] == [{"w": ["ff", "tt"]}, {"w": ["false", "true"]}]

    ranged = table({"folder": str(folder)}) | {
        "design": {"method": "MEASURED", "variables": [{"name": "w", "low": 0, "high": 1}]}
    }
    run = run_step(tmp_path / "ranged", MODULE, ranged, folders=[folder])
    assert run.code == 1 and "column 'w' holds texts: the design can restrict them to categories only" in run.reason

    for file in range(3):
        rows = "".join(f"lot {file}-{row},1,2\n" for row in range(40))
        (folder / f"{file}.csv").write_text(f"w,l,delay\n{rows}")
    run = run_step(tmp_path / "many", MODULE, table({"folder": str(folder)}), folders=[folder])
    assert run.code == 1 and "'w' has 124 categories over all decks; a model takes 100" in run.reason


def test_a_design_tells_which_numbers_are_categories(tmp_path: Path) -> None:
    folder = fill(tmp_path / "decks", {"a.csv": b"w,l,delay\n1,1,3\n2,2,4\n"})
    definition = table({"folder": str(folder)})
    definition["design"] = {"method": "MEASURED", "variables": [{"name": "w", "categories": ["1", "3"]}]}
    run = run_step(tmp_path / "run", MODULE, definition, folders=[folder])
    assert run.document("decks.json")["decks"][0]["categories"] == {"w": ["1", "2"]}


def test_when_all_are_refused_the_job_fails_and_says_why(tmp_path: Path) -> None:
    folder = fill(tmp_path / "decks", {"x.csv": b"a,b\n1,2\n"})
    run = run_step(tmp_path / "run", MODULE, table({"folder": str(folder)}), folders=[folder])
    assert (run.code, run.artifacts) == (1, ["decks.json"])
    assert run.statuses("check") == ["RUNNING", "FAILED"]
    assert "x.csv" in run.reason
    assert "x.csv" in reasons(run)


def test_a_wrong_definition_is_told_in_one_sentence(tmp_path: Path) -> None:
    run = run_step(tmp_path / "run", MODULE, table({"folder": "a", "url": "https://x/y"}))
    assert run.code == 1
    assert "deck.source" in run.reason


@pytest.mark.parametrize("name", ["../evil.csv", "/evil.csv"])
def test_an_archive_that_leads_out_is_refused(tmp_path: Path, name: str) -> None:
    uploads = fill(tmp_path / "uploads", {"upload.zip": zipped({"a.csv": GOOD, name: GOOD})})
    run = run_step(tmp_path / "run", MODULE, table({"upload": "a" * 64}), inputs=uploads)
    assert run.code == 1
    assert run.artifacts == []
    assert "evil.csv" in run.reason


def test_folders_that_are_not_allowed(tmp_path: Path) -> None:
    allowed, secret = fill(tmp_path / "allowed", {"in/a.csv": GOOD}), fill(tmp_path / "secret", {"b.csv": GOOD})
    (allowed / "way_out").symlink_to(secret)
    (allowed / "in" / "link.csv").symlink_to(allowed / "in" / "a.csv")
    server = {"folders": [str(allowed)]}

    def found(folder: str) -> list[str]:
        return list(gather(DeckSource(folder=folder), tmp_path, server))

    assert found("in") == found("allowed/in") == found(str(allowed / "in")) == ["a.csv", "link.csv"]
    for folder in (str(secret), "way_out", "missing", str(tmp_path), "in/../../secret", "in/a.csv"):
        with pytest.raises(StepFailed):
            found(folder)
    (allowed / "in" / "out.csv").symlink_to(secret / "b.csv")
    with pytest.raises(StepFailed, match="leads out"):
        found("in")


def test_a_folder_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, {"a.csv": GOOD, "b.csv": GOOD})
    monkeypatch.setattr(deck_sources, "MAX_TOTAL_BYTES", len(GOOD) + 1)
    with pytest.raises(StepFailed, match="too large"):
        gather(DeckSource(folder=str(tmp_path)), tmp_path, {"folders": [str(tmp_path)]})


class Site(BaseHTTPRequestHandler):
    """Answers by path; `asked` keeps the paths."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/to/"))
            self.end_headers()
            return
        if self.path.startswith("/drips"):
            self.drip()
            return
        small = dict.fromkeys(("/a.csv", "/bucket/k/a.csv", "/open/k/a.csv"), GOOD)
        body = {**small, "/a.zip": zipped({"z.csv": GOOD}), "/big.csv": b"x" * 200_000}.get(self.path)
        self.send_response(200 if body else 404)
        self.send_header("Content-Length", str(len(body or b"")))
        self.send_header("ETag", '"1"')
        self.send_header("Last-Modified", "Wed, 21 Oct 2015 07:28:00 GMT")
        if "authorization" in self.headers:
            self.asked.append("signed")
        self.end_headers()
        self.wfile.write(body or b"")

    def drip(self) -> None:
        """A byte every 50 ms for 10 s, or until nobody listens."""
        head = b"HTTP/1.1 200 OK\r\n"
        with suppress(OSError):
            self.wfile.write(head if "headers" in self.path else head + b"Content-Length: 1000\r\n\r\n")
            for _ in range(200):
                self.wfile.write(b"x")
                time.sleep(0.05)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def site() -> Iterator[tuple[str, list[str]]]:
    handler = type("Handler", (Site,), {"asked": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://localhost:{server.server_port}", handler.asked  # type: ignore[attr-defined]
        finally:
            server.shutdown()
            thread.join()


def test_addresses(tmp_path: Path) -> None:
    with site() as (address, _):
        for path, name in (("/a.csv", "a.csv"), ("/a.zip", "z.csv"), ("/to//to//a.csv", "a.csv")):
            run = run_step(tmp_path / name / path.replace("/", "_"), MODULE, table({"url": address + path}))
            assert run.code == 0, run.stderr
            assert [deck["name"] for deck in run.document("decks.json")["decks"]] == [name]


def test_addresses_that_must_not_be_fetched() -> None:
    with site() as (address, asked):

        def refusal(url: str, *, private: bool = True) -> str:
            with pytest.raises(StepFailed) as caught:
                remote_source.fetch(url, allows_private=private)
            return str(caught.value)

        assert "private" in refusal(address + "/a.csv", private=False)
        assert "private" in refusal(address.replace("localhost", "0x7f000001") + "/a.csv", private=False)
        assert "private" in refusal(address.replace("localhost", "[::ffff:127.0.0.1]") + "/a.csv", private=False)
        assert asked == []
        assert "metadata" in refusal("http://169.254.169.254/latest/meta-data")
        assert "metadata" in refusal("http://[::ffff:a9fe:a9fe]/latest")
        assert "metadata" in refusal(f"{address}/to/http://169.254.169.254/latest")
        assert "http" in refusal(f"{address}/to/file:///etc/passwd")
        assert "http" in refusal(f"{address}/to/ftp://localhost/a.csv")
        assert "redirects more than" in refusal(f"{address}{'/to/' * 9}/a.csv")
        assert "404" in refusal(f"{address}/nothing.csv")
        assert "can't be found" in refusal("http://no-such-host.invalid/a.csv")
        assert "can't be fetched" in refusal("http://127.0.0.1:1/a.csv")


def test_a_name_is_looked_up_once_and_its_address_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that changes its mind between check and connection (DNS rebinding) gains nothing."""
    with site() as (address, asked):
        port = int(address.rpartition(":")[2])
        lookups: list[Any] = []
        real = socket.getaddrinfo

        def resolve(host: str, *more: Any, **named: Any) -> list[Any]:
            if host != "decks.example":
                return real(host, *more, **named)
            lookups.append(host)
            return [(2, 1, 6, "", ("127.0.0.1" if len(lookups) == 1 else "169.254.169.254", port))]

        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        assert remote_source.fetch(f"http://decks.example:{port}/a.csv", allows_private=True) == ("a.csv", GOOD)
        assert lookups == ["decks.example"]
        assert asked == ["/a.csv"]


def test_of_several_addresses_the_next_is_tried_and_one_that_is_forbidden_refuses_all(monkeypatch: pytest.MonkeyPatch) -> None:
    with site() as (address, asked):
        port = int(address.rpartition(":")[2])

        def resolving_to(*addresses: str) -> None:
            found = [(2, 1, 6, "", (each, port)) for each in addresses]
            monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)

        resolving_to("127.0.0.2", "127.0.0.1")  # nobody listens on the first
        assert remote_source.fetch(f"http://decks.example:{port}/a.csv", allows_private=True) == ("a.csv", GOOD)
        asked.clear()
        resolving_to("127.0.0.1", "169.254.169.254")
        with pytest.raises(StepFailed, match="metadata"):
            remote_source.fetch(f"http://decks.example:{port}/a.csv", allows_private=True)
        assert asked == []


def test_what_is_too_large_is_not_read_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_source, "MAX_TOTAL_BYTES", 100_000)
    with site() as (address, _), pytest.raises(StepFailed, match="larger than"):
        remote_source.fetch(address + "/big.csv", allows_private=True)


def test_an_object_of_s3_with_the_keys_of_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "of-the-machine")
    with site() as (address, asked):
        keys = {"access_key_id": "key", "secret_access_key": "secret", "region": "us-east-1"}
        buckets = {"bucket": {"endpoint": address, **keys}, "open": {"endpoint": address}}
        run = run_step(tmp_path / "a", MODULE, table({"url": "s3://bucket/k/a.csv"}), buckets=buckets)
        assert run.code == 0, run.stderr
        assert asked == ["/bucket/k/a.csv", "signed"]
        run = run_step(tmp_path / "o", MODULE, table({"url": "s3://open/k/a.csv"}), buckets=buckets)
        assert run.code == 0, run.stderr
        assert asked[2:] == ["/open/k/a.csv"]
        missing = run_step(tmp_path / "b", MODULE, table({"url": "s3://bucket/k/b.csv"}), buckets=buckets)
        assert missing.code == 1
        assert "s3://bucket/k/b.csv" in missing.reason
        assert "secret" not in missing.stderr
        asked.clear()
        other = run_step(tmp_path / "c", MODULE, table({"url": "s3://other/k/a.csv"}), buckets=buckets)
        assert "the bucket 'other' is not among those" in other.reason and asked == []


def test_a_server_that_sends_a_byte_now_and_then_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_source, "MAX_SECONDS", 1.0)
    for path in ("/drips.csv", "/drips-its-headers.csv"):
        with site() as (address, _):
            began = time.monotonic()
            with pytest.raises(StepFailed, match="not complete after 1 s"):
                remote_source.fetch(address + path, allows_private=True)
            assert time.monotonic() - began < 3
