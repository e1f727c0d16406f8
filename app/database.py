"""The data folder, which one server holds at a time, and the database."""

import fcntl
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager

from app.settings import Settings, WrongSetting
from persistence.engine import Engines, open_engines
from persistence.migrate import DatabaseOutdated, check_revision, upgrade
from persistence.unit_of_work import Database
from persistence.unusable import DatabaseUnusable, naming_causes


def make_home(settings: Settings) -> None:
    """Have the data folder; `WrongSetting` where it can't be made."""
    try:
        settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        reason = "it is no folder" if isinstance(error, FileExistsError | NotADirectoryError) else error.strerror
        raise WrongSetting(f"PLOG_HOME: the data folder {settings.home.absolute()} can't be made: {reason}.") from None


@contextmanager
def sole_server(settings: Settings) -> Iterator[None]:
    """Hold the data folder: a second server on it is refused."""
    make_home(settings)
    try:
        descriptor = os.open(settings.home / "server.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise WrongSetting(f"PLOG_HOME: {settings.home.absolute()} can't be written to: {error.strerror}.") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise WrongSetting(
            f"PLOG_HOME: another server runs on the data folder {settings.home.absolute()}; stop it or choose another folder."
        ) from None
    try:
        yield
    finally:
        os.close(descriptor)


@asynccontextmanager
async def open_database(settings: Settings) -> AsyncIterator[Database]:
    """The database, brought to the newest revision where it is a file; `WrongSetting` where it can't be used."""
    async with AsyncExitStack() as stack:
        with _naming_the_database():
            writer, reader = _open_engines(settings)
            database = Database(writer, reader)
            stack.push_async_callback(database.close)
            if not settings.database_url.startswith("postgresql"):
                await upgrade(writer)
            await check_revision(reader)
        yield database


async def migrate_database(settings: Settings) -> None:
    """Bring the database to the newest revision; `WrongSetting` where it can't be used."""
    with _naming_the_database():
        writer, reader = _open_engines(settings)
        try:
            await upgrade(writer, app_role=settings.database.app_role or None)
        finally:
            await Database(writer, reader).close()


def _open_engines(settings: Settings) -> Engines:
    make_home(settings)
    return open_engines(settings.database_url, schema=settings.database.schema_ or None, pool_size=settings.database.pool_size)


@contextmanager
def _naming_the_database() -> Iterator[None]:
    try:
        with naming_causes():
            yield
    except (DatabaseOutdated, DatabaseUnusable) as error:
        raise WrongSetting(f"PLOG_DATABASE__URL: {error}") from None
