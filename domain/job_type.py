"""The four stages of a kit, in the order in which they run, and the tasks that each has unless its template says else."""

from enum import StrEnum


class JobType(StrEnum):
    """A stage of a kit."""

    DECK_COLLECTION = "DECK_COLLECTION"
    DOE = "DOE"
    ML = "ML"
    OPTIMIZE = "OPTIMIZE"

    @property
    def order(self) -> int:
        """The stage's place in its kit, from 1."""
        return ORDER[self]


ORDER = {job_type: order for order, job_type in enumerate(JobType, start=1)}
DEFAULT_TASKS: dict[JobType, tuple[str, ...]] = {
    JobType.DECK_COLLECTION: ("fetch", "parse", "check"),
    JobType.DOE: ("design", "evaluate", "assemble"),
    JobType.ML: ("preprocess", "scale", "train", "test"),
    JobType.OPTIMIZE: ("search", "compare", "register"),
}
