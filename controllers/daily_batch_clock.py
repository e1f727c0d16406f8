"""Queues the runs of the daily batch whose time has come; any server may do it at any time, as a day has one run."""

import logging
from datetime import datetime

from domain.daily_batch_run import DailyBatchRun
from domain.daily_batch_schedule import DailyBatchSchedule
from domain.kit import ProductLine
from resolvers.daily_batch_run import tell
from resolvers.services import Services

log = logging.getLogger(__name__)


async def queue_due_runs(services: Services, schedule: DailyBatchSchedule, now: datetime) -> list[DailyBatchRun]:
    """Queue the runs that are due at that time and that nobody has queued: of each product line one, the oldest day first.

    The next day's waits until that one has ended. A product line has none as long as nothing was ever assigned in it.
    """
    queued = []
    for line in ProductLine:
        async with services.database.snapshot() as work:
            since = await work.model_assignments.first_at(line)
            days = [] if since is None else schedule.due(now, since)
            had = await work.daily_batch_runs.days(line, days[0].isoformat()) if days else set()
        missing = [day for day in days if day.isoformat() not in had]
        if missing:
            async with services.database.transaction() as work:
                at, day = await work.kits.now(), missing[0]
                wanted = DailyBatchRun.queued(line, at, day=day, due_at=schedule.due_at(day))
                run = await work.daily_batch_runs.add(wanted)
            if run is not None:
                await tell(services, run)
                log.info("the daily batch is due", extra={"daily_batch_run": run.id, "day": str(day), "product_line": str(line)})
                queued.append(run)
    return queued
