"""Zips from strangers: what is honest is read, and everything that an attacker would try is refused before it hurts."""

import io
import stat
import struct
import tracemalloc
import warnings
import zipfile
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import deck_archive
from domain.deck_archive import ArchiveRefused, archive_members, path_problem


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return stream.getvalue()


def members(content: bytes) -> dict[str, bytes]:
    return dict(archive_members(io.BytesIO(content)))


def test_an_honest_archive_is_read() -> None:
    files = {"a.csv": b"x,y\n1,2\n", "sub/ü.cir": b"", "sub/deep/b": b"\x00" * 1000}
    assert members(zipped(files | {"sub/": b""})) == files


@pytest.mark.parametrize(
    "name", ["../a", "a/../../b", "/etc/passwd", "..", "a\\..\\b", "C:/x", "C:x", "x" * 300, "a\nb", "\u202ea", "."]
)
def test_names_that_lead_elsewhere_are_refused(name: str) -> None:
    with pytest.raises(ArchiveRefused):
        members(zipped({"good.csv": b"1", name: b"x"}))


def test_a_name_cut_by_nul_is_refused() -> None:
    with pytest.raises(ArchiveRefused):
        members(zipped({"good.csvXexe": b"1"}).replace(b"good.csvXexe", b"good.csv\x00exe"))


def test_links_and_devices_are_refused() -> None:
    for kind in (stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            entry = zipfile.ZipInfo("innocent.csv")
            entry.external_attr = (kind | 0o777) << 16
            archive.writestr(entry, "/etc/passwd")
        with pytest.raises(ArchiveRefused, match="link"):
            members(stream.getvalue())


def test_a_directory_of_far_too_many_entries_is_not_read() -> None:
    content = zipped({str(number): b"" for number in range(70_000)}, zipfile.ZIP_STORED)
    tracemalloc.start()
    with pytest.raises(ArchiveRefused, match="directory"):
        members(content)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


def test_a_bomb_is_refused_before_it_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deck_archive, "_unpacked", lambda *_: pytest.fail("unpacked"))
    with pytest.raises(ArchiveRefused, match="times its own size"):
        members(zipped({"zeros.csv": b"0" * (11 * 2**20)}))


def test_a_bomb_that_lies_about_its_size_is_refused() -> None:
    content = bytearray(zipped({"zeros.csv": b"0" * (30 * 2**20)}))
    directory = content.index(b"PK\x01\x02")
    struct.pack_into("<I", content, directory + 24, 100)
    struct.pack_into("<I", content, 22, 100)
    tracemalloc.start()
    try:
        with pytest.raises(ArchiveRefused):
            members(bytes(content))
        assert tracemalloc.get_traced_memory()[1] < 10 * 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("limit", "value"), [("MAX_ENTRIES", 2), ("MAX_FILE_BYTES", 10), ("MAX_TOTAL_BYTES", 30)])
def test_limits_hold(monkeypatch: pytest.MonkeyPatch, limit: str, value: int) -> None:
    content = zipped({name: name.encode() * 12 for name in "abc"})
    assert len(members(content)) == 3
    monkeypatch.setattr(deck_archive, limit, value)
    with pytest.raises(ArchiveRefused):
        members(content)


def test_the_same_name_twice_is_refused() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            archive.writestr("a.csv", "1")
            archive.writestr("a.csv", "2")
    with pytest.raises(ArchiveRefused, match="twice"):
        members(stream.getvalue())


def _encrypted(content: bytearray) -> None:
    content[content.index(b"PK\x01\x02") + 8] |= 1


def _wrong_sum(content: bytearray) -> None:
    content[content.index(b"stored") + 1] ^= 1


def _cut(content: bytearray) -> None:
    del content[len(content) // 2 :]


@pytest.mark.parametrize("damage", [_encrypted, _wrong_sum, _cut, bytearray.clear])
def test_damaged_archives_are_refused(damage: Callable[[bytearray], None]) -> None:
    content = bytearray(zipped({"a.csv": b"stored text"}, zipfile.ZIP_STORED))
    damage(content)
    with pytest.raises(ArchiveRefused):
        members(bytes(content))


def test_unusual_packing_is_refused() -> None:
    with pytest.raises(ArchiveRefused, match="deflate"):
        members(zipped({"a.csv": b"x" * 100}, zipfile.ZIP_LZMA))


@given(st.binary(max_size=200), st.integers(0, 150), st.binary(min_size=1, max_size=4))
def test_no_bytes_break_the_reader(noise: bytes, place: int, patch: bytes) -> None:
    valid = bytearray(zipped({"a.csv": b"1,2\n" * 10, "b/c": b"x"}))
    valid[place : place + len(patch)] = patch
    for content in (noise, bytes(valid), bytes(valid) + noise):
        try:
            found = members(content)
        except ArchiveRefused:
            continue
        assert all(path_problem(name) is None for name in found)
