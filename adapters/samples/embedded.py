"""Samples that go nowhere else: the generator sums them up, and PLOG's own database keeps the windows."""

from collections.abc import Sequence

from domain.load_test_run import LoadTestRun
from domain.metric_window import MetricWindow


class EmbeddedSamples:
    """Implements `domain.ports.Samples` with the windows as the generator tells them."""

    k6_output = None

    async def take(self, run: LoadTestRun, windows: Sequence[MetricWindow]) -> list[MetricWindow]:
        """The windows as they are."""
        return list(windows)
