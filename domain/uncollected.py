"""Reading large documents without the interpreter's search for cycles, which stops every thread of the process."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

_lock = Lock()
_depth = 0


@contextmanager
def uncollected() -> Iterator[None]:
    """Put off the collection of cyclic garbage until the last such block, in whatever thread, has ended.

    A collection visits all objects there are, and a document of 20 MB is millions of them, none in a cycle: half a second each
    time, in which the event loop stands still. What is no cycle is freed as ever.
    """
    global _depth
    with _lock:
        _depth += 1
        gc.disable()
    try:
        yield
    finally:
        with _lock:
            _depth -= 1
            if _depth == 0:
                gc.enable()
