"""When the daily batch is due: a time of day in a time zone, right through both changes of the clocks."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class DailyBatchSchedule:
    """The time of day, its zone, and how many missed days before the latest are caught up with after downtime."""

    time_of_day: time
    zone: ZoneInfo
    catch_up_days: int

    def due_at(self, day: date) -> datetime:
        """The moment of that day's run, in UTC.

        A time that the clocks leave out is as much later as they are put forward; of one that they show twice it is the first.
        """
        return datetime.combine(day, self.time_of_day, self.zone).astimezone(UTC)

    def due(self, now: datetime, since: datetime) -> list[date]:
        """The days whose run is due by now, the oldest first: the latest one, and the missed days before that are caught up with.

        Those that were due before `since`, when there was nothing to do yet, are none.
        """
        latest = now.astimezone(self.zone).date()
        if self.due_at(latest) > now:
            latest -= timedelta(days=1)
        days = (latest - timedelta(days=back) for back in range(self.catch_up_days, -1, -1))
        return [day for day in days if since <= self.due_at(day) <= now]
