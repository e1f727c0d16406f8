"""All that one process watches for its subscribers, kind by kind."""

from collections.abc import Coroutine
from dataclasses import dataclass, fields
from typing import Any

from domain.ports import Bus
from domain.storage import Database
from resolvers.live import LiveKits
from resolvers.live_daily_batch_run import LiveDailyBatchRuns
from resolvers.live_load_test import LiveLoadTests
from resolvers.live_lot_import import LiveLotImports
from resolvers.live_model_access_request import LiveModelAccessRequests
from resolvers.live_permission_request import LivePermissionRequests


@dataclass(frozen=True, slots=True)
class LiveFeeds:
    """One watcher for each kind of list."""

    kits: LiveKits
    load_tests: LiveLoadTests
    permission_requests: LivePermissionRequests
    lot_imports: LiveLotImports
    model_access_requests: LiveModelAccessRequests
    daily_batch_runs: LiveDailyBatchRuns

    @classmethod
    def of(cls, database: Database, bus: Bus) -> "LiveFeeds":
        """The watchers of what is in the database, told of by the bus."""
        return cls(
            LiveKits(database, bus),
            LiveLoadTests(database, bus),
            LivePermissionRequests(database, bus),
            LiveLotImports(database, bus),
            LiveModelAccessRequests(database, bus),
            LiveDailyBatchRuns(database, bus),
        )

    def loops(self) -> dict[str, Coroutine[Any, Any, None]]:
        """What has to run for as long as anybody watches, by name."""
        return {f"live {field.name}": getattr(self, field.name).run() for field in fields(self)}
