"""The output of attempts: read piece by piece, or watched as it is written."""

import asyncio
import codecs
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from domain.actor import Actor
from domain.attempt import AttemptKey
from domain.errors import NotFound, Unavailable
from domain.kit import Kit
from domain.live import Topic
from domain.load_test_run import LoadTestRun
from domain.runner import LogChunk
from resolvers.authorisation import membership_of, visibility_of
from resolvers.change import kit_of_job
from resolvers.live import LiveKits
from resolvers.live_list import POLL_SECONDS, Watcher, woken_by
from resolvers.load_test_run import read_run
from resolvers.services import Services

LOG_BYTES = 4_194_304  # of all output that is read at once, and no less than FEWEST_BYTES of each log
FEWEST_BYTES = 16_384
LOG_CHUNKS = 16  # that are read of one log, at most
FEWEST_CHUNKS = 4  # a character has at most four bytes: so many chunks hold its end, wherever it was cut


@dataclass(frozen=True, slots=True)
class LogFrame:
    """Output of an attempt from byte `offset` to before byte `end`; `is_last` when the attempt has ended and this is all."""

    attempt: int
    offset: int
    end: int
    text: str
    is_last: bool


class LogPlace(NamedTuple):
    """Where to read on in an attempt's output; `is_over` where the attempt had ended before, so that nothing can follow."""

    key: AttemptKey
    after: int
    is_over: bool


async def read_logs(services: Services, places: Sequence[LogPlace]) -> list[LogFrame | None]:
    """The next piece of output at each place; None where there is none yet. Bytes that are no UTF-8 become U+FFFD.

    The more places, the shorter the pieces, so that a page of jobs does not carry all their output at once.
    """
    most = max(FEWEST_BYTES, LOG_BYTES // len(places))
    limit = max(FEWEST_CHUNKS, LOG_CHUNKS // len(places))
    async with services.database.snapshot() as work:
        found = await work.logs.read_many([(place.key, place.after) for place in places], limit, most + 1)
    return [_log_frame(place, chunks, limit, most) for place, chunks in zip(places, found, strict=True)]


def _log_frame(place: LogPlace, chunks: Sequence[LogChunk], limit: int, most: int) -> LogFrame | None:
    """The frame of at most `most` bytes; None where no character is whole yet. One byte more tells that something follows."""
    data = b"".join(chunk.data for chunk in chunks)
    is_last = place.is_over and len(chunks) < limit and len(data) <= most
    data = data[:most]
    if not data and not is_last:
        return None
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    text = decoder.decode(data, final=is_last)
    held_back = len(decoder.getstate()[0])
    if not text and not is_last:
        return None
    return LogFrame(place.key.number, place.after, place.after + len(data) - held_back, text, is_last)


async def watch_log(
    services: Services, live: LiveKits, actor: Actor, job_id: UUID, attempt: int | None, after: int
) -> AsyncIterator[LogFrame]:
    """The output of an attempt (the latest unless named) from byte `after` on, as it is written, until the attempt has ended."""
    visibility = visibility_of(actor)
    kit_id = await kit_of_job(services, job_id, visibility)
    read = live.reader_of_kit(kit_id, visibility)
    with live.watching(kit_id) as watcher:
        kit = await read()
        key = _attempt(kit, job_id, attempt)

        async def is_over() -> bool:
            nonlocal kit
            if watcher.take_news():
                kit = live.newer_body(kit_id, watcher.known) or await read()
            watcher.known = kit.version if kit is not None else watcher.known
            return _is_over(kit, key)

        async with aclosing(_written(services, key, after, watcher, is_over)) as frames:
            async for frame in frames:
                yield frame


async def watch_run_log(services: Services, actor: Actor, run_id: int, after: int) -> AsyncIterator[LogFrame]:
    """The output of a run's load generator in the same way, until the run has its verdict; `WindowsRemoved` where it is gone."""
    membership = membership_of(actor)

    async def read() -> LoadTestRun:
        async with services.database.snapshot() as work:
            run = await read_run(work, run_id, membership)
        run.check_windows()
        return run

    async with woken_by(services.bus, Topic.LOAD_TEST_RUN, str(run_id)) as watcher:
        key = (await read()).key

        async def is_over() -> bool:
            watcher.take_news()
            return (await read()).has_ended

        async with aclosing(_written(services, key, after, watcher, is_over)) as frames:
            async for frame in frames:
                yield frame


async def _written(
    services: Services, key: AttemptKey, after: int, watcher: Watcher, is_over: Callable[[], Awaitable[bool]]
) -> AsyncGenerator[LogFrame, None]:
    """The output of one attempt from byte `after` on. `is_over` says whether it has ended, `watcher` when that may be so."""
    async with services.bus.subscribe(Topic.LOG, str(key)) as notices:
        written = asyncio.ensure_future(anext(notices))
        try:
            while True:
                frame = None
                with suppress(Unavailable):
                    (frame,) = await read_logs(services, [LogPlace(key, after, await is_over())])
                if frame is not None:
                    yield frame
                    after = frame.end
                if frame is not None and frame.is_last:
                    return
                if frame is None:
                    await watcher.news_or(written, POLL_SECONDS)
                if written.done():
                    written = asyncio.ensure_future(anext(notices))
        finally:
            written.cancel()


def _attempt(kit: Kit | None, job_id: UUID, number: int | None) -> AttemptKey:
    job = None if kit is None else kit.job(job_id)
    if job is None:
        raise NotFound("job", job_id)
    key = AttemptKey(job_id, job.attempt.number if number is None else number)
    if not 1 <= key.number <= job.attempt.number:
        raise NotFound("attempt", key)
    return key


def _is_over(kit: Kit | None, key: AttemptKey) -> bool:
    job = None if kit is None else kit.job(key.job_id)
    return job is None or job.attempt.number > key.number or job.is_ended
