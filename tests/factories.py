"""Objects for tests, complete where it matters and short where it does not."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from domain import commands
from domain.change import Change
from domain.job_type import DEFAULT_TASKS, JobType
from domain.kit import Kit, KitIdentity, ProductLine
from domain.projection import empty_kit
from domain.storage import Database, UnitOfWork

DEFINITION: Mapping[str, Any] = {"template": "builtin", "deck": {"kind": "TABLE"}, "design": {}, "ml": {}, "optimize": {}}


def identity(name: str = "kit", *, id: int = 0, owner: str = "ada", line: ProductLine = ProductLine.LOGIC) -> KitIdentity:
    """What of a kit never changes."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return KitIdentity(id=id, name=name, owner=owner, product_line=line, definition=DEFINITION, created_at=at)


def created(kit: Kit, actor: str = "ada") -> Change:
    """The change that gives a kit its jobs and tasks."""
    change = Change.of(kit, actor)
    commands.create(change, DEFAULT_TASKS, {job_type: uuid4() for job_type in JobType})
    return change


def new_kit(at: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> Kit:
    """A kit as it is after its creation, without a database."""
    return created(empty_kit(identity(id=1))).recorded(at).kit


async def store(work: UnitOfWork, change: Change) -> Kit:
    """Store a change that nobody interferes with."""
    recorded = await work.kits.append([change])
    return change.recorded(recorded[change.kit.id]).kit


async def store_kit(database: Database, name: str = "kit", **values: Any) -> Kit:
    """Create a kit in the database."""
    async with database.transaction() as work:
        return await store(work, created(await work.kits.add(identity(name, **values))))


async def change(database: Database, kit: Kit, *decisions: Any) -> Kit:
    """Apply commands to a kit and store what they cause."""
    made = Change.of(kit, "ada")
    for decide in decisions:
        decide(made)
    async with database.transaction() as work:
        return await store(work, made)
