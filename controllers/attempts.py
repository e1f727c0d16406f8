"""What the reconcilers of jobs and of load tests do alike for what runs on their runners."""

import logging
from collections.abc import Coroutine

from domain.attempt import AttemptKey
from domain.errors import Unavailable
from domain.live import Notice, Topic
from domain.ports import Runner
from resolvers.services import Services

log = logging.getLogger(__name__)
LOG_CHUNK = 262_144
LOG_CHUNKS_A_ROUND = 8


async def copy_log(services: Services, runner: Runner, key: AttemptKey) -> bool:
    """Take a part of what the attempt has written into the database, from where the last copy ended; whether that was all."""
    for _ in range(LOG_CHUNKS_A_ROUND):
        async with services.database.snapshot() as work:
            end = await work.logs.end(key)
        chunk = await runner.read_log(key, end, LOG_CHUNK)
        if not chunk.data:
            return True
        async with services.database.transaction() as work:
            await work.logs.add(key, chunk, await work.kits.now())
        await services.bus.publish([Notice(Topic.LOG, str(key), chunk.end)])
    return False


async def guarded(key: AttemptKey, step: Coroutine[None, None, None]) -> None:
    """Take a step for one attempt; a fault of it is logged, and the next round tries again."""
    try:
        await step
    except Unavailable as error:
        log.warning("attempt %s has to wait: %s", key, error)
    except Exception:
        log.exception("attempt %s can't be brought forward now", key)
