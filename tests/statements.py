"""Counting what is asked of a database."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.util import await_only

OF_LOOPS = (
    "attempt_claim",
    "runner",
    "load_test_run",
    "lease",
    "lot_import",
    "model_assignment",
    "daily_batch_run",
    "clock_timestamp",
)  # tables that a server's own loops read meanwhile


@contextmanager
def statements(unseen: Sequence[str] = OF_LOOPS) -> Iterator[list[str]]:
    """What is read from any database meanwhile, on one line each; not from the tables `unseen`, which a server's loops read."""
    seen: list[str] = []

    def remember(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        is_read = statement.lstrip().upper().startswith(("SELECT", "WITH"))
        if is_read and not any(table in statement for table in unseen):
            seen.append(" ".join(statement.split()))

    event.listen(Engine, "before_cursor_execute", remember)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", remember)


@contextmanager
def instructions() -> Iterator[list[int]]:
    """How many hundred instructions SQLite takes for its statements meanwhile, whoever else uses the machine."""
    counted = [0]

    def count() -> None:
        counted[0] += 1

    def attach(connection: Any, *_rest: object) -> None:
        await_only(connection.connection.dbapi_connection.driver_connection.set_progress_handler(count, 100))

    event.listen(Engine, "before_cursor_execute", attach)
    try:
        yield counted
    finally:
        event.remove(Engine, "before_cursor_execute", attach)
