"""Files on their way to the artifact store: those that people bring and those that are made here.

A zip of decks, a file of lot rows or a model is uploaded first and then named by its checksum: in a kit's definition, in the
order to import it, in a set-up model's source.
"""

import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from domain.actor import Actor, Person
from domain.errors import Unavailable, ValidationFailed
from domain.upload import UploadOffsetMismatch, UploadQuotaExceeded
from resolvers.authorisation import require_any_right
from resolvers.services import Services

STORING_ROUNDS = 100
QUOTA_TIME = timedelta(hours=24)


def upload_path(subject: str, sha256: str) -> str:
    """The path under which a person's file of that checksum is downloaded by a signed link."""
    return f"/{upload_location(subject, sha256)}"


def upload_location(subject: str, sha256: str) -> str:
    """Where a person's file of that checksum is stored; nobody else's definition leads there."""
    return f"uploads/{hashlib.sha256(subject.encode()).hexdigest()[:32]}/{sha256}"


async def upload_offset(services: Services, actor: Actor, sha256: str) -> int:
    """How many bytes of the person's upload the server holds."""
    return await services.artifacts.upload_offset(upload_location(require_any_right(services, actor).subject, sha256))


async def upload(services: Services, actor: Actor, sha256: str, size: int, offset: int, chunks: AsyncIterator[bytes]) -> None:
    """Take in a person's file from `offset` on; it is stored once `size` bytes with that checksum are there.

    `UploadQuotaExceeded` where the person would have sent too much within a day with it.
    """
    person = require_any_right(services, actor)
    if size > services.max_upload_bytes:
        raise ValidationFailed.of("size", f"must be at most {services.max_upload_bytes}: no larger file is taken")
    location = upload_location(person.subject, sha256)
    left = max(0, size - await services.artifacts.upload_offset(location))
    # Counted before it is looked at what is there, so that of any number of files at once those together keep to the quota.
    to_come = services.uploads_to_come
    to_come[person.subject] += left

    async def arriving() -> AsyncIterator[bytes]:
        nonlocal left
        async for chunk in chunks:
            yield chunk  # which is stored once the next one is asked for
            arrived = min(left, len(chunk))
            left -= arrived
            to_come[person.subject] -= arrived

    try:
        if left:
            await _check_quota(services, person, location)
        await take_in(services, location, sha256, size, offset, arriving())
    finally:
        to_come[person.subject] -= left


async def _check_quota(services: Services, person: Person, location: str) -> None:
    to_come = services.uploads_to_come[person.subject]  # read first: what arrives meanwhile counts twice rather than not at all
    there = await services.artifacts.arrived_since(location.rpartition("/")[0], datetime.now(UTC) - QUOTA_TIME)
    if there + to_come > services.daily_upload_bytes:
        raise UploadQuotaExceeded(services.daily_upload_bytes)


async def take_in(services: Services, location: str, sha256: str, size: int, offset: int, chunks: AsyncIterator[bytes]) -> None:
    """Store a resumable upload at a location; a repeat of a finished one is a no-op."""
    if await services.artifacts.size(location) == size:
        return
    if await services.artifacts.append(location, offset, _no_more_than(chunks, size - offset)) >= size:
        await services.artifacts.complete(location, sha256=sha256, size=size)


async def keep(services: Services, location: str, sha256: str, content: bytes) -> None:
    """Have the content in the artifact store; others may be about to store the same, or have stopped in the middle."""

    async def rest(offset: int) -> AsyncIterator[bytes]:
        yield content[offset:]

    await keep_pieces(services, location, sha256, len(content), rest)


async def copy(services: Services, source: str, location: str, sha256: str, size: int) -> None:
    """Have the content that is stored at `source` at another location too, in pieces; as `keep`."""
    await keep_pieces(services, location, sha256, size, lambda offset: services.artifacts.read(source, offset, size))


async def keep_pieces(
    services: Services, location: str, sha256: str, size: int, rest: Callable[[int], AsyncIterator[bytes]]
) -> None:
    """The same of content that is made piece by piece: `rest` gives what comes from a byte on."""
    for _ in range(STORING_ROUNDS):
        offset = await services.artifacts.upload_offset(location)
        with suppress(UploadOffsetMismatch):
            await take_in(services, location, sha256, size, offset, rest(offset))
            return
    raise Unavailable("The content could not be stored, as others were storing it too. Trying again is safe.")


async def _no_more_than(chunks: AsyncIterator[bytes], size: int) -> AsyncIterator[bytes]:
    left = size
    async for chunk in chunks:
        left -= len(chunk)
        if left < 0:
            raise ValidationFailed.of("size", "is less than what was sent")
        yield chunk
