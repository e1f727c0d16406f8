"""Samples that go nowhere else: the generator sums them up, and PLOG's own database keeps the windows."""

from collections.abc import Sequence

from domain.errors import Unavailable
from domain.load_test_run import LoadTestRun
from domain.metric_window import MetricWindow


class EmbeddedSamples:
    """Implements `domain.ports.Samples` with the windows as the generator tells them."""

    k6_output = None

    async def take(self, run: LoadTestRun, windows: Sequence[MetricWindow]) -> list[list[MetricWindow]]:
        """The windows as they are; `Unavailable` where those of a run are in an InfluxDB that this server does not know."""
        if any(window.is_elsewhere for window in windows):
            raise Unavailable("The samples of this run are in InfluxDB, and this server has none: set PLOG_INFLUXDB__URL again.")
        return [[window] for window in windows]
