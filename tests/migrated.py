"""A migrated database, made once in a process and copied from there: that takes a tenth of migrating another."""

import asyncio
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

from persistence.engine import open_engines
from persistence.migrate import upgrade
from tests.services import APP_ROLE


async def migrate(url: str) -> None:
    """Bring the database of that URL up to date."""
    writer, reader = open_engines(url)
    await upgrade(writer, app_role=APP_ROLE)
    await writer.dispose()
    await reader.dispose()


@cache
def migrated_sqlite() -> bytes:
    """The file of a migrated SQLite database that nobody has used."""
    with tempfile.TemporaryDirectory(prefix="plog-") as folder, ThreadPoolExecutor(1) as beside_any_loop:
        path = Path(folder) / "plog.db"
        beside_any_loop.submit(asyncio.run, migrate(f"sqlite+aiosqlite:///{path}")).result()
        return path.read_bytes()


def furnish(home: Path, database: bytes) -> None:
    """Put a database into a new home: else it would be migrated there, step by step."""
    if not home.exists():
        home.mkdir()
        (home / "plog.db").write_bytes(database)
