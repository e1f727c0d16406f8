"""Whether this machine's clock was set back while k6 ran: k6 stamps its samples by it."""

import time
from collections.abc import Callable


class ClockSteps:
    """Compares the clock with one that nobody can set. `back` is by how many seconds it went back at most."""

    def __init__(self, clock: Callable[[], float] = time.time, steady: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._steady = steady
        self._ahead = clock() - steady()
        self.back = 0.0

    def look(self) -> None:
        """See how far both are apart by now."""
        ahead = self._clock() - self._steady()
        self._ahead = max(self._ahead, ahead)
        self.back = max(self.back, self._ahead - ahead)
