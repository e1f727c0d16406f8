"""The whole history of a kit, and what it folds to."""

from collections.abc import Iterable
from datetime import datetime

from domain.event import Event
from domain.kit import Kit, KitIdentity
from domain.projection import apply, empty_kit
from domain.storage import UnitOfWork


async def history_of(work: UnitOfWork, kit_id: int, until: datetime | None = None) -> list[Event]:
    """All events of a kit in version order; with `until`, those recorded up to and including that time."""
    return [event async for event in work.events.stream(kit_id, until)]


def fold(events: Iterable[Event], *, identity: KitIdentity) -> Kit:
    """The state after `events`, which are a kit's history from its first event on, in version order."""
    kit = empty_kit(identity)
    for event in events:
        kit = apply(kit, event)
    return kit
