"""Why a database can't be opened or migrated, in a sentence: drivers have a dozen ways of saying it."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from alembic.util import CommandError
from asyncpg import InterfaceError, PostgresError
from sqlalchemy.exc import DBAPIError, SQLAlchemyError


class DatabaseUnusable(Exception):
    """The database can't be opened or migrated; the message is one sentence."""


@contextmanager
def naming_causes() -> Iterator[None]:
    """Turn what driver, SQLAlchemy and Alembic raise for a database that can't be used into `DatabaseUnusable`."""
    try:
        yield
    except OSError as error:
        raise DatabaseUnusable(f"the database can't be reached: {_first_line(error)}.") from error
    except DBAPIError as error:
        cause = error.orig if error.orig is not None else error
        raise DatabaseUnusable(f"the database can't be used: {_first_line(cause.__cause__ or cause)}.") from error
    except (SQLAlchemyError, sqlite3.Error, PostgresError, InterfaceError, CommandError) as error:
        raise DatabaseUnusable(f"the database can't be used: {_first_line(error)}.") from error
    except ValueError as error:
        raise DatabaseUnusable(f"the address can't be read: {_first_line(error)}.") from error


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
