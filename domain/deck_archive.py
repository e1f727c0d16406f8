"""Zip archives from strangers: members are read into memory under limits and never unpacked, so no name leads anywhere."""

import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import BinaryIO

from domain.validation import is_storable

MAX_ENTRIES = 5_000
MAX_FILE_BYTES = 128 * 2**20
MAX_TOTAL_BYTES = 256 * 2**20
MAX_RATIO = 200
RATIO_FREE_BYTES = 10 * 2**20
MAX_PATH = 255
_CHUNK = 2**20
_MAX_DIRECTORY = MAX_ENTRIES * 512  # bytes: `zipfile` reads the whole directory before anybody can count it
_END = struct.Struct("<4s8xLL2x")  # end of central directory record, APPNOTE.TXT 4.3.16: its signature, the directory's size
_LONGEST_COMMENT = 0xFFFF


class ArchiveRefused(ValueError):
    """The archive is damaged, too large, or holds what a deck archive must not hold."""


def archive_members(stream: BinaryIO) -> Iterator[tuple[str, bytes]]:
    """The files of a zip in its order, as path (relative, with slashes) and content.

    All names and declared sizes are checked before anything is unpacked.

    Raises:
        ArchiveRefused: damaged, encrypted, unusually packed; a path that is absolute, has `..`, a backslash or a drive, or occurs
            twice; a link or device; more than `MAX_ENTRIES` entries, `MAX_FILE_BYTES` in a file or `MAX_TOTAL_BYTES` in all, or
            more than `MAX_RATIO` times the packed size.
    """
    try:
        _check_directory(stream)
        with zipfile.ZipFile(stream) as archive:
            entries = _checked(archive.infolist())
            most = min(MAX_TOTAL_BYTES, max(RATIO_FREE_BYTES, MAX_RATIO * stream.seek(0, 2)))
            if sum(entry.file_size for entry in entries) > most:
                raise ArchiveRefused(f"unpacks to more than {most} bytes, which is too much or too many times its own size")
            for entry in entries:
                yield entry.filename, _unpacked(archive, entry)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OverflowError) as error:
        raise ArchiveRefused(f"is not a readable zip archive: {error}") from error


def path_problem(path: str) -> str | None:
    """Why `path` is no harmless relative path, or None where it is one."""
    parts = PurePosixPath(path).parts
    if not parts or len(path) > MAX_PATH or not path.isprintable() or not is_storable(path):
        return f"is no usable name: it must be 1 to {MAX_PATH} printable characters"
    if path.startswith("/") or "\\" in path or ":" in parts[0]:
        return "must be a relative path with slashes"
    if ".." in parts:
        return "must not contain '..'"
    return None


def _check_directory(stream: BinaryIO) -> None:
    size = stream.seek(0, 2)
    stream.seek(max(0, size - _END.size - _LONGEST_COMMENT))
    tail = stream.read()
    at = tail.rfind(b"PK\x05\x06")
    if at >= 0 and len(tail) - at >= _END.size and _END.unpack_from(tail, at)[1] > _MAX_DIRECTORY:
        raise ArchiveRefused(f"has a directory of more than {_MAX_DIRECTORY} bytes; {MAX_ENTRIES} entries are allowed")


def _checked(entries: list[zipfile.ZipInfo]) -> list[zipfile.ZipInfo]:
    if len(entries) > MAX_ENTRIES:
        raise ArchiveRefused(f"holds {len(entries)} entries; {MAX_ENTRIES} are allowed")
    seen: set[str] = set()
    for entry in entries:
        shown = ascii(entry.orig_filename[:MAX_PATH])
        if problem := path_problem(entry.orig_filename):
            raise ArchiveRefused(f"{shown} {problem}")
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise ArchiveRefused(f"{shown} is a link or device")
        if entry.flag_bits & 0x1:
            raise ArchiveRefused(f"{shown} is encrypted")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ArchiveRefused(f"{shown} is packed otherwise than by deflate")
        if entry.file_size > MAX_FILE_BYTES:
            raise ArchiveRefused(f"{shown} is larger than {MAX_FILE_BYTES} bytes")
        if entry.filename in seen:
            raise ArchiveRefused(f"{shown} is there twice")
        seen.add(entry.filename)
    return [entry for entry in entries if not entry.is_dir()]


def _unpacked(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """The content; never more than the declared size, and unpacked in pieces, so that a false one costs no memory either."""
    content = bytearray()
    with archive.open(entry) as member:
        while chunk := member.read(_CHUNK):
            content += chunk
    return bytes(content)
