"""Cyclic garbage waits for the end of the last block, also where a block ends with an error or others are still open."""

import gc
from threading import Barrier, Thread

import pytest

from domain.uncollected import uncollected


def test_collection_goes_on_after_the_last_block() -> None:
    with uncollected():
        with pytest.raises(ValueError, match="x"), uncollected():
            raise ValueError("x")
        assert not gc.isenabled()
    assert gc.isenabled()


def test_blocks_of_other_threads_count() -> None:
    is_open, may_end = Barrier(2), Barrier(2)

    def other() -> None:
        with uncollected():
            is_open.wait(10)
            may_end.wait(10)

    thread = Thread(target=other)
    thread.start()
    with uncollected():
        is_open.wait(10)
    assert not gc.isenabled()
    may_end.wait(10)
    thread.join()
    assert gc.isenabled()
