"""Dropping what has had its time: idempotency keys after seven days. Events, audit and results are never touched."""

import asyncio
import logging
from datetime import timedelta

from domain.errors import Unavailable
from resolvers.services import Services

log = logging.getLogger(__name__)
KEY_LIFETIME = timedelta(days=7)


class Housekeeping:
    """A loop that any server may run at any time: what it does is the same however often it is done."""

    def __init__(self, services: Services, interval_seconds: float) -> None:
        self._services = services
        self._interval_seconds = interval_seconds

    async def run(self) -> None:
        """Tidy up once an interval until cancelled."""
        while True:
            try:
                await self.run_once()
            except Unavailable as error:
                log.warning("housekeeping has to wait: %s", error)
            except Exception:
                log.exception("a round of housekeeping failed; the next one begins anew")
            await asyncio.sleep(self._interval_seconds)

    async def run_once(self) -> None:
        """One round."""
        async with self._services.database.transaction() as work:
            now = await work.kits.now()
            dropped = await work.idempotency_keys.forget(now - KEY_LIFETIME)
        async with self._services.database.transaction() as work:
            is_prepared = await work.events.prepare_partitions(now)
        if not is_prepared:
            log.warning("the event table's next months could not be prepared now; the next round tries again")
        if dropped:
            log.info("dropped %d idempotency keys", dropped)
