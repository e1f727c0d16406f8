"""Work that is counted, so that no document takes more of it than everybody's share."""

from collections.abc import Sized
from typing import TypeVar

Members = TypeVar("Members", bound=Sized)


class Exhausted(Exception):
    """All steps that were allowed have been taken."""


class Effort:
    """Steps that may still be taken by all that share it. A step is what takes some microseconds."""

    def __init__(self, steps: int) -> None:
        self._left = steps

    @property
    def left(self) -> int:
        """The steps that may still be taken."""
        return max(0, self._left)

    def spend(self, steps: int = 1) -> None:
        """Count so many steps; `Exhausted` where they are more than are left, now and from then on."""
        self._left -= steps
        if self._left < 0:
            raise Exhausted

    def through(self, members: Members) -> Members:
        """The members, counted as what goes through them once, ten in a step."""
        self.spend(len(members) // 10)
        return members
