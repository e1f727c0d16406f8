"""The output of attempts: pieces that follow one another, read from any byte on."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from sqlalchemy.exc import IntegrityError

from domain.attempt import AttemptKey
from domain.runner import LogChunk
from persistence.unit_of_work import Database
from resolvers.job_log import LOG_BYTES, LogPlace, read_logs
from tests.fakes import fake_services
from tests.statements import statements

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
PIECES = [b"one\n", b"\x00\xff\xfe not text \n", "한글\n".encode(), b"x" * 300_000]
WHOLE = b"".join(PIECES)
KEY = AttemptKey(uuid4(), 1)


@pytest.fixture
async def logged(database: Database) -> Database:
    async with database.transaction() as work:
        offset = 0
        for piece in PIECES:
            await work.logs.add(KEY, LogChunk(offset, piece), NOW)
            offset += len(piece)
        await work.logs.add(AttemptKey(KEY.job_id, 2), LogChunk(0, b"of the next attempt"), NOW)
        await work.logs.add(AttemptKey(uuid4(), 1), LogChunk(0, b"of another job"), NOW)
    return database


async def read(database: Database, after: int, limit: int = 100) -> list[LogChunk]:
    async with database.snapshot() as work:
        (found,) = await work.logs.read_many([(KEY, after)], limit)
        return list(found)


async def test_the_end_is_where_copying_goes_on(logged: Database) -> None:
    async with logged.snapshot() as work:
        assert await work.logs.end(KEY) == len(WHOLE)
        assert await work.logs.end(AttemptKey(KEY.job_id, 3)) == 0


async def test_reading_from_every_byte_on(logged: Database) -> None:
    for after in [*range(len(WHOLE) - 300_000 + 2), len(WHOLE) - 1, len(WHOLE), len(WHOLE) + 5]:
        chunks = await read(logged, after)
        assert b"".join(chunk.data for chunk in chunks) == WHOLE[after:]
        offset = after
        for chunk in chunks:
            assert chunk.offset == offset and chunk.data
            offset = chunk.end


async def test_reading_in_parts(logged: Database) -> None:
    found, after = b"", 0
    while chunks := await read(logged, after, limit=1):
        assert len(chunks) == 1
        found, after = found + chunks[0].data, chunks[0].end
    assert found == WHOLE


async def test_the_same_piece_is_not_stored_twice(logged: Database) -> None:
    with pytest.raises(IntegrityError):
        async with logged.transaction() as work:
            await work.logs.add(KEY, LogChunk(4, b"again"), NOW)
    assert b"".join(chunk.data for chunk in await read(logged, 0)) == WHOLE


async def test_several_places_are_read_in_one_go(logged: Database) -> None:
    second, unknown = AttemptKey(KEY.job_id, 2), AttemptKey(uuid4(), 1)
    places = [(second, 3), (KEY, 5), (unknown, 0), (KEY, len(WHOLE)), (KEY, 0)]
    async with logged.snapshot() as work:
        found = await work.logs.read_many(places, 100)
        assert found == [(await work.logs.read_many([place], 100))[0] for place in places]
        assert [len(chunks) for chunks in await work.logs.read_many(places, 1)] == [1, 1, 0, 0, 1]
        assert await work.logs.read_many([], 1) == []


async def test_no_more_of_a_chunk_is_read_than_is_wanted(logged: Database) -> None:
    async with logged.snapshot() as work:
        for after in [*range(len(WHOLE) - 300_000 + 2), len(WHOLE) - 1]:
            (chunks,) = await work.logs.read_many([(KEY, after)], 1, 2)
            assert chunks[0].data == WHOLE[after : after + len(chunks[0].data)] and 0 < len(chunks[0].data) <= 2


async def test_the_more_logs_are_read_the_less_of_each(database: Database) -> None:
    keys = [AttemptKey(uuid4(), 1) for _ in range(100)]
    written = "€".encode() * 120_000
    async with database.transaction() as work:
        for key in keys:
            await work.logs.add(key, LogChunk(0, written[:200_000]), NOW)
            await work.logs.add(key, LogChunk(200_000, written[200_000:]), NOW)
    services = fake_services(database)
    for after in (0, 199_998):
        frames = await read_logs(services, [LogPlace(key, after, True) for key in keys])
        assert sum(frame.end - frame.offset for frame in frames if frame) <= LOG_BYTES
        assert all(frame and frame.text and not frame.is_last for frame in frames)
    (frame,) = await read_logs(services, [LogPlace(keys[0], 0, True)])
    assert frame is not None and frame.is_last and frame.end == len(written)


async def test_many_logs_are_read_to_their_end_wherever_characters_were_cut(database: Database) -> None:
    written = "€" * 20
    keys = [AttemptKey(uuid4(), 1) for _ in range(30)]
    async with database.transaction() as work:
        for size, key in enumerate(keys):
            data = written.encode()
            step = 1 + size % 7
            for start in range(0, len(data), step):
                await work.logs.add(key, LogChunk(start, data[start : start + step]), NOW)
    texts, after = dict.fromkeys(keys, ""), dict.fromkeys(keys, 0)
    services = fake_services(database)
    while places := [LogPlace(key, after[key], True) for key in keys if after[key] < len(written.encode())]:
        frames = await read_logs(services, places)
        assert any(frames), f"nothing follows, at {after.values()}"
        for place, frame in zip(places, frames, strict=True):
            assert frame is not None
            texts[place.key] += frame.text
            after[place.key] = frame.end
    assert set(texts.values()) == {written}


async def test_any_number_of_places_are_read_at_once(logged: Database) -> None:
    places = [(KEY, after) for after in range(600)] + [(AttemptKey(uuid4(), 1), 0), (AttemptKey(KEY.job_id, 2), 3)]
    async with logged.snapshot() as work:
        with statements() as seen:
            found = await work.logs.read_many(places, 2)
        assert [(await work.logs.read_many([place], 2))[0] for place in places[::50]] == found[::50]
    assert len(seen) == 1
    assert [b"".join(chunk.data for chunk in chunks) for chunks in found[-2:]] == [b"", b"of the next attempt"[3:]]
