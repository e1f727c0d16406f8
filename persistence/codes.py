"""The small numbers that stand for names in the tables. They are for ever: a code is added, never changed or reused."""

from enum import StrEnum
from typing import Generic, TypeVar

from domain.event import EventKind
from domain.job_type import JobType
from domain.kit import ProductLine
from domain.status import Status

Member = TypeVar("Member", bound=StrEnum)


class Codes(Generic[Member]):
    """A two-way table of one enum's codes; every member must have one."""

    def __init__(self, table: dict[Member, int]) -> None:
        missing = set(type(next(iter(table)))) - set(table)
        if missing or len(set(table.values())) != len(table):
            raise ValueError(f"codes are missing or double: {sorted(missing)}")
        self.code = table
        self.member = {code: member for member, code in table.items()}


STATUS = Codes(
    {
        Status.PENDING: 1,
        Status.QUEUED: 2,
        Status.RUNNING: 3,
        Status.SUCCEEDED: 4,
        Status.FAILED: 5,
        Status.CANCELLED: 6,
    }
)
JOB_TYPE = Codes({JobType.DECK_COLLECTION: 1, JobType.DOE: 2, JobType.ML: 3, JobType.OPTIMIZE: 4})
PRODUCT_LINE = Codes({ProductLine.LOGIC: 1, ProductLine.DRAM: 2})
EVENT_KIND = Codes(
    {
        EventKind.CREATED: 1,
        EventKind.STARTED: 2,
        EventKind.CANCELLED: 3,
        EventKind.ARCHIVED: 4,
        EventKind.STATUS: 5,
        EventKind.CANCEL_REQUESTED: 6,
        EventKind.PROGRESS: 7,
        EventKind.TRIAL: 8,
        EventKind.POINT: 9,
        EventKind.NOTE: 10,
        EventKind.ARTIFACT: 11,
    }
)
