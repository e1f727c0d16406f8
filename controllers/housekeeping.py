"""Removing what has had its time: idempotency keys after seven days, sessions of browsers thirty days after their end, what
runs of load tests measured and what runs of the daily batch have refused when settings say so.

Permissions, and access to models, that have expired open nothing by themselves; here that is put on record.

Events, audit and results are never touched.
"""

import asyncio
import logging
from datetime import datetime, timedelta

from controllers.reconciler import guarded
from domain.errors import Unavailable
from domain.load_test_run import LoadTestRun
from domain.session import SIGN_IN_LIFETIME
from resolvers.grant import expire_grants
from resolvers.load_test_run import tell
from resolvers.model_access_request import expire_access
from resolvers.run_report import remove_reports
from resolvers.services import Services

log = logging.getLogger(__name__)
KEY_LIFETIME = timedelta(days=7)
KEEP_SESSIONS = timedelta(days=30)
ACTOR = "housekeeping"
RUNS_AT_ONCE = 100
RUNS_A_ROUND = 1000
WINDOWS_AT_ONCE = 500
REFUSALS_AT_ONCE = 5000


class Housekeeping:
    """A loop that any server may run at any time: what it does is the same however often it is done.

    Runs of load tests keep what they measured for the time `keep_runs`, runs of the daily batch what they have refused for
    `keep_refusals`; zero is for ever.
    """

    def __init__(
        self,
        services: Services,
        interval_seconds: float,
        keep_runs: timedelta = timedelta(),
        keep_refusals: timedelta = timedelta(),
    ) -> None:
        self._services = services
        self._interval_seconds = interval_seconds
        self._keep_runs = keep_runs
        self._keep_refusals = keep_refusals
        self._last: LoadTestRun | None = None

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
            sessions = await work.sessions.forget(now - SIGN_IN_LIFETIME, now - KEEP_SESSIONS)
        async with self._services.database.transaction() as work:
            is_prepared = await work.events.prepare_partitions(now)
        if not is_prepared:
            log.warning("the event table's next months could not be prepared now; the next round tries again")
        if expired := await expire_grants(self._services):
            log.info("%d permissions have expired", expired)
        if expired := await expire_access(self._services):
            log.info("access to set-up models has expired: %d", expired)
        if dropped or sessions:
            log.info("dropped %d idempotency keys and %d sessions", dropped, sessions)
        if self._keep_refusals:
            await self._forget_refusals(now - self._keep_refusals)
        if self._keep_runs:
            await self._clear_old(now - self._keep_runs)

    async def _forget_refusals(self, ended_before: datetime) -> None:
        """Remove what runs of the daily batch that ended before then have refused, some in each transaction."""
        removed = REFUSALS_AT_ONCE
        while removed == REFUSALS_AT_ONCE:
            async with self._services.database.transaction() as work:
                removed = await work.daily_batch_runs.forget_refusals(ended_before, REFUSALS_AT_ONCE)

    async def _clear_old(self, ended_before: datetime) -> None:
        """Clear the runs that ended before then, the oldest first, a thousand in a round; the next round goes on behind the last.

        One that can't be cleared is logged and passed over until a round begins anew, so that it keeps no younger one waiting.
        """
        for _ in range(RUNS_A_ROUND // RUNS_AT_ONCE):
            async with self._services.database.snapshot() as work:
                runs = await work.load_test_runs.to_clear(ended_before, RUNS_AT_ONCE, self._last)
            for run in runs:
                await guarded(run.key, self._clear(run))
            self._last = runs[-1] if len(runs) == RUNS_AT_ONCE else None
            if self._last is None:
                return

    async def _clear(self, run: LoadTestRun) -> None:
        """Remove what a run measured, after it says so itself: nobody takes a part for the whole.

        It may be left off anywhere and done by several servers at once; the next round goes on where anything is left.
        """
        if run.windows_removed_at is None:
            async with self._services.database.transaction() as work:
                marked = await work.load_test_runs.remove_windows(run, ACTOR)
            if marked is None:
                return
            await tell(self._services, marked)
        is_left = True
        while is_left:
            async with self._services.database.transaction() as work:
                is_left = await work.load_test_runs.clear(run.id, WINDOWS_AT_ONCE)
        await remove_reports(self._services, run.id)
        async with self._services.database.transaction() as work:
            await work.logs.remove(run.key)
            await work.load_test_runs.cleared(run.id)
        log.info("removed what a run measured", extra={"run": run.id})
