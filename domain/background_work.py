"""Work that some server does in the background: any may take it up, one at a time, and it outlives each of them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar, Self

from domain.errors import IllegalTransition

QUEUED, RUNNING, CANCELLED = "QUEUED", "RUNNING", "CANCELLED"
UNENDED = (QUEUED, RUNNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class BackgroundWork:
    """What all such work has. `status` is a member of the kind's own enum, whose transitions are `transitions`.

    `fence` grows each time a server takes it up: one that was overtaken can't write any more. `version` grows with each change.
    `message` says why it has ended as it did, or, until it goes on, what it waits for.
    """

    kind: ClassVar[str]
    transitions: ClassVar[Mapping[str, frozenset[str]]]

    id: int
    status: str
    version: int
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    message: str = ""
    is_cancel_requested: bool = False
    fence: int = 0

    def became(self, status: str, at: datetime, message: str = "") -> Self:
        """The work in another status; `IllegalTransition` where this one does not lead there."""
        if status not in self.transitions[self.status]:
            raise IllegalTransition(f"{self.kind} {self.id}", self.status, status)
        return replace(
            self.changed(at),
            status=type(self.status)(status),
            message=message,
            started_at=(self.started_at or at) if status == RUNNING else self.started_at,
            ended_at=None if status in UNENDED else at,
        )

    def taken_up(self, at: datetime) -> Self:
        """The work as a server takes it up, for the first time or after another."""
        running = self if self.status == RUNNING else self.became(RUNNING, at)
        return replace(running, version=self.version + 1, fence=self.fence + 1, updated_at=at)

    def cancelled(self, at: datetime) -> Self:
        """The work as somebody has cancelled it: at once where nothing of it runs, else whoever runs it ends it."""
        if self.status == RUNNING:
            return replace(self.changed(at), is_cancel_requested=True)
        return self.became(CANCELLED, at, "Cancelled before it began.")

    def waiting(self, at: datetime, message: str) -> Self:
        """The work as it can't go on, for that reason."""
        return replace(self.changed(at), message=message)

    def changed(self, at: datetime) -> Self:
        """The work's next version; what it has waited for is over."""
        return replace(self, version=self.version + 1, updated_at=at, message="")
