"""Many who watch the same cost as much as one."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from tests.api.in_process import Plog
from tests.api.test_kit_subscription import Frames, watching
from tests.statements import statements

STATE = "subscription ($id: ID!) { kitState(id: $id) { toVersion kit { status jobs { attempts { nodes { status } } } } } }"
LIST = "subscription { kits(first: 5) { order changed { kit { status jobs { attempts { nodes { status } } } } } } }"
LINKS = "subscription ($id: ID!) { kitState(id: $id) { toVersion kit { status jobs { artifacts { downloadUrl } } } } }"
VIEWERS = 6


async def cancelled(frames: Frames) -> None:
    """Read on until the kit is cancelled."""
    while "'CANCELLED'" not in str(await frames.next()):
        pass


@pytest.mark.parametrize(
    ("query", "table", "is_shared"), [(STATE, "attempt_state", True), (LIST, "attempt_state", True), (LINKS, "artifact", False)]
)
async def test_a_change_is_read_once_for_all_who_watch_it_alike(plog: Plog, query: str, table: str, is_shared: bool) -> None:
    kit = await plog.start()
    async with AsyncExitStack() as stack:
        variables = {} if query is LIST else {"id": kit["id"]}
        users = ["ada", "bela"] * (VIEWERS // 2)
        viewers = [await stack.enter_async_context(watching(plog, query, user, **variables)) for user in users]
        for viewer in viewers:
            await viewer.next()
        with statements() as seen:
            await plog.command("kitCancel", kit)
            async with asyncio.TaskGroup() as group:
                for viewer in viewers:
                    group.create_task(cancelled(viewer))
    loads = [each for each in seen if f"FROM {table} " in f"{each} " and "JOIN" not in each]
    frames = 1 if is_shared else VIEWERS
    assert frames <= len(loads) < 2 * frames + 1, loads
