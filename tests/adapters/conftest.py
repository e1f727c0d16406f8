"""What the tests of attempts as processes share."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from steps.shim.shim_folder import ShimFolder
from tests.adapters.attempt_driver import AttemptDriver
from tests.adapters.shim_server import ShimServer


@pytest.fixture
async def attempts(tmp_path: Path) -> AsyncIterator[AttemptDriver]:
    server = ShimServer()
    server.start()
    driver = AttemptDriver(tmp_path / "runs", server)
    try:
        yield driver
    finally:
        try:
            await driver.check_nothing_left()
        finally:
            server.stop()


@pytest.fixture
def folder(tmp_path: Path) -> ShimFolder:
    made = ShimFolder(tmp_path)
    made.prepare()
    return made
