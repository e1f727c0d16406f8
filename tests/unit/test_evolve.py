"""A changed copy equals what `dataclasses.replace` makes, and leaves the first value as it was."""

from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.attempt import Attempt
from domain.evolve import evolve
from domain.job import Job
from domain.kit import Kit
from domain.task import Task

KINDS = (Kit, Job, Attempt, Task)


@given(st.sampled_from(KINDS), st.data())
def test_a_copy_differs_in_the_fields_named_alone(kind: Any, data: st.DataObject) -> None:
    names = [each.name for each in fields(kind)]
    value = kind(**{name: f"old {name}" for name in names})
    changes = {name: f"new {name}" for name in data.draw(st.sets(st.sampled_from(names)))}
    copy = evolve(value, **changes)
    for name in names:
        assert getattr(value, name) == f"old {name}"
        assert getattr(copy, name) == getattr(replace(value, **changes), name) == changes.get(name, f"old {name}")


@pytest.mark.parametrize("kind", KINDS)
def test_a_name_that_is_no_field_is_refused(kind: Any) -> None:
    value = kind(**{each.name: None for each in fields(kind)})
    with pytest.raises(KeyError):
        evolve(value, nothing=1)
    assert not hasattr(kind, "__post_init__")
