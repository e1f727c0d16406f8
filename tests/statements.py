"""Counting what is asked of a database."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import Engine, event

OF_LOOPS = (
    "attempt_claim",
    "runner",
    "load_test_run",
    "lease",
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
