"""Gathering the files of a deck source into memory under limits: from a folder that the server allows, a zip, an address."""

import os
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any

from domain.deck import DeckSource, resolve_folder
from domain.deck_archive import MAX_ENTRIES, MAX_FILE_BYTES, MAX_TOTAL_BYTES, ArchiveRefused, archive_members, path_problem
from steps.remote_source import fetch
from steps.reports import StepFailed

UPLOAD = "upload.zip"
ZIP_MAGICS = (b"PK\x03\x04", b"PK\x05\x06")

Files = dict[str, bytes]


def gather(source: DeckSource, inputs_folder: Path, server: Mapping[str, Any]) -> Files:
    """The files of the source by relative path, hidden ones left out, in order of path.

    `server` has `folders` (absolute paths that may be read), `allowPrivateAddresses` (whether an address may lead to private
    hosts; default no) and `buckets` (S3 buckets that may be read, with endpoint, keys and so on). StepFailed where there is
    nothing, too much, or nothing may be read.
    """
    if source.folder is not None:
        found = dict(_folder_files(source.folder, server.get("folders") or []))
    elif source.upload is not None:
        found = _upload_files(inputs_folder / UPLOAD)
    else:
        name, content = fetch(
            source.url or "", allows_private=bool(server.get("allowPrivateAddresses")), buckets=server.get("buckets") or {}
        )
        found = _zip_files(content, name) if content.startswith(ZIP_MAGICS) else {_checked_name(name): content}
    visible = {path: found[path] for path in sorted(found) if not _is_hidden(path)}
    if not visible:
        raise StepFailed("the source holds no files")
    return visible


def _folder_files(text: str, allowed: list[str]) -> Iterator[tuple[str, bytes]]:
    root = _allowed_folder(text, allowed)
    left = MAX_TOTAL_BYTES
    count = 0
    for parent, folders, names in os.walk(root, onerror=_unreadable):
        folders[:] = [name for name in folders if not _is_hidden(name)]
        for path in (Path(parent) / name for name in names if not _is_hidden(name)):
            if not path.is_file():
                continue
            # A link may lead on inside the folder but not out of it.
            if not path.resolve().is_relative_to(root):
                raise StepFailed(f"{path.relative_to(root)} is a link that leads out of the folder {text!r}")
            count += 1
            size = path.stat().st_size
            left -= size
            if count > MAX_ENTRIES or size > MAX_FILE_BYTES or left < 0:
                raise StepFailed(
                    f"{text} is too large: {MAX_ENTRIES} files, {MAX_FILE_BYTES} bytes each, {MAX_TOTAL_BYTES} in all are allowed"
                )
            yield path.relative_to(root).as_posix(), _content(path, size)


def _content(path: Path, size: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(size)
    except OSError as error:
        raise StepFailed(f"{path.name} can't be read: {error.strerror}") from error


def _allowed_folder(text: str, allowed: list[str]) -> Path:
    resolved = resolve_folder(allowed, text)
    if resolved is None:
        raise StepFailed(f"the folder {text!r} is not among those that this server allows")
    root = Path(resolved).resolve()
    if not any(root.is_relative_to(Path(folder).resolve()) for folder in allowed):
        raise StepFailed(f"the folder {text!r} leads out of those that this server allows")
    if not root.is_dir():
        raise StepFailed(f"the folder {text!r} does not exist")
    return root


def _unreadable(error: OSError) -> None:
    raise StepFailed(f"a folder can't be read: {error.strerror}") from error


def _upload_files(path: Path) -> Files:
    if not path.is_file():
        raise StepFailed(f"the upload is missing: {UPLOAD} is not among the inputs")
    if path.stat().st_size > MAX_TOTAL_BYTES:
        raise StepFailed(f"the upload is larger than {MAX_TOTAL_BYTES} bytes")
    return _zip_files(path.read_bytes(), "the upload")


def _zip_files(content: bytes, name: str) -> Files:
    try:
        return dict(archive_members(BytesIO(content)))
    except ArchiveRefused as error:
        raise StepFailed(f"{name}: {error}") from error


def _checked_name(name: str) -> str:
    if problem := path_problem(name):
        raise StepFailed(f"the file's name {ascii(name)[:100]} {problem}")
    return name


def _is_hidden(path: str) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in PurePosixPath(path).parts)
