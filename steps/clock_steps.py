"""Whether this machine's clock was set while k6 ran, or the machine slept: k6 stamps its samples by it."""

import math
import time
from collections.abc import Callable

HELD_UP_SECONDS = 0.1


class ClockSteps:
    """Compares the clock with one that nobody can set, and that stands still while the machine sleeps.

    `back` and `forward` are by how many seconds it went that way at most, set by somebody or a service, or after a sleep.
    """

    def __init__(self, clock: Callable[[], float] = time.time, steady: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._steady = steady
        self._least, self._most = math.inf, -math.inf
        self.back = self.forward = 0.0
        self.look()

    def look(self) -> None:
        """See how far both are apart by now; a look that is held up between both can't tell."""
        before, now, after = self._steady(), self._clock(), self._steady()
        if after - before > HELD_UP_SECONDS:
            return
        ahead = now - after
        self._least, self._most = min(self._least, ahead), max(self._most, ahead)
        self.back, self.forward = max(self.back, self._most - ahead), max(self.forward, ahead - self._least)
