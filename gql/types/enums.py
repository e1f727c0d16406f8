"""The enums of the domain as GraphQL enums: registering gives the domain's own classes their names in the SDL."""

import strawberry

from domain.attempt import Cause as Cause
from domain.event import EventKind as EventKind
from domain.job_type import JobType as JobType
from domain.kit import ProductLine as ProductLine
from domain.query import JobOrder as JobOrder
from domain.query import KitOrder as KitOrder
from domain.report import ReportState as ReportState
from domain.status import Status as Status

strawberry.enum(
    Status,
    name="Status",
    description=(
        "Where a kit, job or task stands. `PENDING`: nothing was done yet. `QUEUED`: it waits for a free runner. `RUNNING`. "
        "`SUCCEEDED`, `FAILED`, `CANCELLED`: it has ended; only a retry, as a new attempt, leads on."
    ),
)
strawberry.enum(
    JobType,
    name="JobType",
    description=(
        "The stages of a kit, in the order in which they run. `DECK_COLLECTION` gathers decks, `DOE` turns them into a data set, "
        "`ML` trains a model, `OPTIMIZE` tunes it."
    ),
)
strawberry.enum(ProductLine, name="ProductLine", description="The product line a kit belongs to: `LOGIC` or `DRAM`.")
strawberry.enum(
    KitOrder,
    name="KitOrder",
    description=(
        "What kits are sorted by: `NUMBER` (the order of creation), `NAME` (character by character), `STATUS_CHANGED_AT`. Equal "
        "ones are sorted by number."
    ),
)
strawberry.enum(
    JobOrder,
    name="JobOrder",
    description=(
        "What jobs are sorted by: `KIT_NUMBER` (the order in which their kits were created), `UPDATED_AT` (their last event, "
        "over all jobs of the filter). Equal ones are sorted by their kit's number, those of a kit stand in its order."
    ),
)
strawberry.enum(
    EventKind,
    name="EventKind",
    description=(
        "What an event says. `CREATED STARTED CANCELLED ARCHIVED` are commands given to the kit. `STATUS`: a job or task has a "
        "new status. `CANCEL_REQUESTED`: a job is to be ended by its runner. `PROGRESS TRIAL POINT NOTE ARTIFACT` come from the "
        "job's worker."
    ),
)
strawberry.enum(
    Cause,
    name="Cause",
    description=(
        "Why an attempt did not succeed. `EXIT_CODE`: its program failed. `TASK_FAILED`: it reported a failed "
        "task. "
        "`TIME_LIMIT`, `MEMORY_LIMIT`: it took more than its step allows. `REPORT_LIMIT`: it wrote more reports than "
        "the server allows. `RUNNER_LOST`: what ran it is gone. "
        "`REPORTS_LOST`: reports of it disappeared before the server had them all. "
        "`NOT_STARTED`: it could not be started. `CANCELLED`: somebody wanted it. `INTERRUPTED`: the server was "
        "stopped by hand; the job is queued again."
    ),
)
strawberry.enum(
    ReportState,
    name="ReportState",
    description=(
        "What became of a report. `RECORDED`: it is an event now. `COALESCED`: taken in without an event of its own. Progress is "
        "recorded at most once a second; what comes sooner is merged into one event when the second is over, or into the task's "
        "next event before. An artifact that the attempt has already is no second one. `REFUSED`: see `code` and `message`."
    ),
)
