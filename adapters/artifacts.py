"""The content of artifacts in a folder of this machine or in S3-compatible storage, uploaded in pieces that survive crashes.

The pieces of an upload are collected in one file of a staging folder, which belongs to one server; content is checked whole there
and then appears at its location at once, by a rename in a folder and by one put in a bucket.
"""

import asyncio
import fcntl
import hashlib
import os
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, S3Store

from domain.errors import NotFound, Unavailable, ValidationFailed
from domain.upload import UploadOffsetMismatch

READ_BYTES = 4 * 1024 * 1024
_LOCATION = re.compile(r"(?=.{1,900}\Z)[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}(/[A-Za-z0-9_-][A-Za-z0-9._-]{0,199})*")
_MAX_WAIT = timedelta(seconds=15)


class InvalidArtifactsUrl(ValueError):
    """The setting names no place that artifacts can be kept in; the message is one sentence."""


def open_artifacts(url: str, *, staging: Path, options: Mapping[str, str] | None = None) -> "Artifacts":
    """The store at `url`, the value of PLOG_ARTIFACTS__URL.

    Args:
        url: a folder (a path or `file:///path`) or `s3://bucket/prefix`.
        staging: where uploads to a bucket are collected, on this server's disk. A folder collects them inside itself, so that
            publishing is a rename.
        options: for a bucket, what `obstore.store.S3Config` lists: `endpoint`, `region`, `access_key_id`, …

    Raises `InvalidArtifactsUrl`.
    """
    scheme = urlsplit(url).scheme
    if scheme == "s3":
        return Artifacts(_bucket(url, options or {}), staging)
    if scheme in ("", "file"):
        folder = Path(unquote(urlsplit(url).path) if scheme else url).absolute()
        try:
            return Artifacts(LocalStore(folder, mkdir=True), folder / ".staging", folder)
        except (BaseError, OSError) as error:
            raise InvalidArtifactsUrl(f"PLOG_ARTIFACTS__URL: the folder {folder} can't be used.") from error
    raise InvalidArtifactsUrl("PLOG_ARTIFACTS__URL must be a folder or begin with s3://.")


def _bucket(url: str, options: Mapping[str, str]) -> ObjectStore:
    try:
        return S3Store.from_url(
            url,
            config=cast(Any, dict(options)),
            client_options={
                "allow_http": options.get("endpoint", "").startswith("http://"),
                "connect_timeout": timedelta(seconds=5),
            },
            retry_config={"max_retries": 3, "retry_timeout": _MAX_WAIT},
        )
    except (BaseError, ValueError) as error:
        raise InvalidArtifactsUrl("PLOG_ARTIFACTS__URL or an option beside it is not valid for S3.") from error


class Artifacts:
    """An `ArtifactStore` over any object store.

    Args:
        store: where content is kept and read.
        staging: a folder of this server for unfinished uploads; made where it is missing.
        folder: the folder behind `store` where it is one; on the same filesystem as `staging`.
    """

    def __init__(self, store: ObjectStore, staging: Path, folder: Path | None = None) -> None:
        self._store = store
        self._staging = staging
        self._folder = folder
        staging.mkdir(parents=True, exist_ok=True, mode=0o700)

    async def size(self, location: str) -> int | None:
        """Bytes stored at `location`; None where nothing is."""
        _check_location(location)
        with _translated():
            try:
                return (await obstore.head_async(self._store, location))["size"]
            except FileNotFoundError:
                return None

    async def upload_offset(self, location: str) -> int:
        """Where the upload goes on; the whole size where the content is stored."""
        stored = await self.size(location)
        return stored if stored is not None else _length(self._staged(location))

    async def append(self, location: str, offset: int, chunks: AsyncIterator[bytes]) -> int:
        """Take what comes at byte `offset`; returns the offset after it, all of it on disk then."""
        stored = await self.size(location)
        if stored is not None:
            return await _nothing_more(chunks, offset, stored)
        path = self._staged(location)
        position = await asyncio.to_thread(_write, path, offset, b"")
        async for chunk in chunks:
            position = await asyncio.to_thread(_write, path, position, chunk)
        await asyncio.to_thread(_sync, path, path.parent)
        return position

    async def complete(self, location: str, *, sha256: str, size: int) -> None:
        """Check the uploaded content and let it appear at `location`."""
        _check_location(location)
        await asyncio.to_thread(self._complete, location, sha256.lower(), size)

    async def arrived_since(self, folder: str, moment: datetime) -> int:
        """See `domain.ports.ArtifactStore.arrived_since`. What completes meanwhile may count twice, and is never left out."""
        _check_location(folder)
        arrived = await asyncio.to_thread(self._unfinished_since, folder, moment.timestamp())
        with _translated():
            async for found in obstore.list(self._store, folder):
                arrived += sum(each["size"] for each in found if each["last_modified"] >= moment)
        return arrived

    def _unfinished_since(self, folder: str, moment: float) -> int:
        found = 0
        for path in self._staging.glob(f"{_name_of(folder)}-*.part"):
            with suppress(FileNotFoundError):
                status = path.stat()
                found += status.st_size if status.st_mtime >= moment else 0
        return found

    async def read(self, location: str, start: int, end: int) -> AsyncIterator[bytes]:
        """The bytes from `start` to before `end`, in pieces of at most 4 MiB.

        Each piece is a request of its own, so that a slow reader holds no connection to the store open.
        """
        size = await self.size(location)
        if size is None:
            raise NotFound("artifact content at", location)
        end = min(end, size)
        for begin in range(max(start, 0), end, READ_BYTES):
            with _translated():
                piece = await obstore.get_range_async(self._store, location, start=begin, end=min(begin + READ_BYTES, end))
            yield bytes(piece)

    async def remove(self, folder: str) -> None:
        """Remove all content below `folder`; others may be about to do the same."""
        _check_location(folder)
        with _translated():
            async for found in obstore.list(self._store, folder):
                for each in found:
                    await self._remove_one(each["path"])

    async def _remove_one(self, location: str) -> None:
        """Remove content that another may remove as well: some S3 stores call that an error, each with a text of its own."""
        try:
            await obstore.delete_async(self._store, location)
        except (BaseError, OSError):
            if await self.size(location) is not None:
                raise

    def drop_abandoned(self, age: timedelta) -> int:
        """Remove the uploads to which nothing was added for `age`; returns how many. Blocks: call it at the start."""
        limit = time.time() - age.total_seconds()
        abandoned = [path for path in self._staging.glob("*.part") if path.stat().st_mtime < limit]
        for path in abandoned:
            path.unlink(missing_ok=True)
        return len(abandoned)

    def _staged(self, location: str) -> Path:
        return self._staging / f"{_name_of(location.rpartition('/')[0])}-{_name_of(location)}.part"

    def _size(self, location: str) -> int | None:
        with _translated():
            try:
                return obstore.head(self._store, location)["size"]
            except FileNotFoundError:
                return None

    def _complete(self, location: str, sha256: str, size: int) -> None:
        path = self._staged(location)
        with _translated(), _locked(path, os.O_CREAT, 0) as descriptor:
            stored = self._size(location)
            if stored is not None:
                _check_same(stored, size, lambda: self._stored_digest(location), sha256)
                path.unlink()
            else:
                self._check_staged(path, os.fstat(descriptor).st_size, sha256, size)
                os.fsync(descriptor)
                self._publish(path, location)
            self._make_lasting(location)

    def _check_staged(self, path: Path, staged: int, sha256: str, size: int) -> None:
        if staged < size:
            raise UploadOffsetMismatch(size, staged)
        try:
            _check_same(staged, size, lambda: _digest(path), sha256)
        except ValidationFailed:
            path.unlink()
            raise

    def _publish(self, path: Path, location: str) -> None:
        if self._folder is None:
            obstore.put(self._store, location, path)
            path.unlink()
        else:
            target = self._folder / location
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)

    def _make_lasting(self, location: str) -> None:
        """Have the names on the way to the content on disk; also when repeated, as the first try may have ended just before."""
        if self._folder is not None:
            parents = Path(location).parents
            _sync(*(self._folder / parent for parent in parents))

    def _stored_digest(self, location: str) -> str:
        digest = hashlib.sha256()
        for chunk in obstore.get(self._store, location).stream(READ_BYTES):
            digest.update(chunk)
        return digest.hexdigest()


async def _nothing_more(chunks: AsyncIterator[bytes], offset: int, stored: int) -> int:
    """The answer to a piece of an upload that is complete: only an empty piece at its end agrees with it."""
    if offset != stored:
        raise UploadOffsetMismatch(offset, stored)
    async for chunk in chunks:
        if chunk:
            raise ValidationFailed.of("content", "is stored already, and nothing can be added to it")
    return stored


def _name_of(location: str) -> str:
    return hashlib.sha256(location.encode()).hexdigest()


def _check_location(location: str) -> None:
    if not _LOCATION.fullmatch(location):
        raise ValidationFailed.of("location", "is no location of an artifact")


def _check_same(size: int, wanted_size: int, digest: Callable[[], str], wanted_digest: str) -> None:
    if size != wanted_size:
        raise ValidationFailed.of("size", f"is {size}, not {wanted_size}")
    if digest() != wanted_digest:
        raise ValidationFailed.of("sha256", "does not fit the content")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _length(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _write(path: Path, position: int, data: bytes) -> int:
    """Add `data` to the upload if it stands at `position`; returns where it stands then.

    The lock is held for this piece alone: a sender whose connection hangs does not keep out the next one.
    """
    with _translated():
        try:
            with _locked(path, os.O_CREAT if position == 0 else 0, fcntl.LOCK_NB) as descriptor:
                size = os.fstat(descriptor).st_size
                if size != position:
                    raise UploadOffsetMismatch(position, size)
                rest = memoryview(data)
                while rest:
                    rest = rest[os.pwrite(descriptor, rest, position + len(data) - len(rest)) :]
        except (FileNotFoundError, BlockingIOError) as error:
            raise UploadOffsetMismatch(position, _length(path)) from error
    return position + len(data)


@contextmanager
def _locked(path: Path, creation: int, waiting: int) -> Iterator[int]:
    """Open the file of an upload and hold its lock; the descriptor is that of the file which bears the name now.

    `creation` is `os.O_CREAT` or 0 (`FileNotFoundError` where there is none), `waiting` `fcntl.LOCK_NB` (`BlockingIOError`
    where it is held) or 0.
    """
    while True:
        descriptor = os.open(path, os.O_RDWR | creation, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | waiting)
            if _is_at(path, descriptor):
                yield descriptor
                return
        finally:
            os.close(descriptor)


def _is_at(path: Path, descriptor: int) -> bool:
    """Whether the name still leads to the file: who held the lock before may have published or removed it."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _sync(*paths: Path) -> None:
    """Have the content of files, or the names in folders, on disk."""
    with _translated():
        for path in paths:
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


@contextmanager
def _translated() -> Iterator[None]:
    """Turn what the store and the disk raise into `Unavailable`."""
    try:
        yield
    except (BaseError, OSError) as error:
        raise Unavailable("The store of artifacts does not answer.") from error
