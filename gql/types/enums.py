"""The enums of the domain as GraphQL enums: registering gives the domain's own classes their names in the SDL."""

import strawberry

from domain.answer import CheckKind as CheckKind
from domain.answer import ExtractionSource as ExtractionSource
from domain.api_document import OAuthGrant as OAuthGrant
from domain.api_document import SecurityKind as SecurityKind
from domain.attempt import Cause as Cause
from domain.audit_entry import AuditAction as AuditAction
from domain.comparison import ComparisonVerdict as ComparisonVerdict
from domain.daily_batch_run import BatchPartStatus as BatchPartStatus
from domain.daily_batch_run import DailyBatchRunStatus as DailyBatchRunStatus
from domain.endpoint import Method as Method
from domain.endpoint import ParameterLocation as ParameterLocation
from domain.event import EventKind as EventKind
from domain.executor import ExecutorKind as ExecutorKind
from domain.grant import GrantStatus as GrantStatus
from domain.job_type import JobType as JobType
from domain.kit import ProductLine as ProductLine
from domain.load_test_run import LoadTestReportKind as LoadTestReportKind
from domain.load_test_run import RunStatus as RunStatus
from domain.login import LoginKind as LoginKind
from domain.lot_import import LotImportStatus as LotImportStatus
from domain.model_access_request import ModelAccessStatus as ModelAccessStatus
from domain.model_version import FeatureKind as FeatureKind
from domain.model_version import ModelOrigin as ModelOrigin
from domain.model_version import ModelVersionState as ModelVersionState
from domain.permission_kind import PermissionAction as PermissionAction
from domain.permission_request import PermissionRequestStatus as PermissionRequestStatus
from domain.project import ProjectRole as ProjectRole
from domain.query import JobOrder as JobOrder
from domain.query import KitOrder as KitOrder
from domain.query import LotRowOrder as LotRowOrder
from domain.query import MetricsInclude as MetricsInclude
from domain.query import NamedOrder as NamedOrder
from domain.report import ReportState as ReportState
from domain.run_figure import RunFigure as RunFigure
from domain.run_queue import WaitReason as WaitReason
from domain.run_report import ReportFormat as ReportFormat
from domain.status import Status as Status
from domain.version import VersionKind as VersionKind

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
strawberry.enum(ProductLine, name="ProductLine", description="The product line a kit or lot row belongs to: `LOGIC` or `DRAM`.")
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
        "`ARTIFACT_MISSING`: a file that it said it had finished was not there, or could not be read or stored. "
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
strawberry.enum(
    NamedOrder,
    name="NamedOrder",
    description="What a list is sorted by: `NUMBER` (the order of creation), `NAME` (character by character).",
)
strawberry.enum(
    Method,
    name="Method",
    description=(
        "An HTTP method. `GET HEAD OPTIONS TRACE` change nothing on the server; `POST PUT PATCH DELETE` may, and are called in "
        "load tests only where a scenario says so."
    ),
)
strawberry.enum(
    ParameterLocation,
    name="ParameterLocation",
    description="Where a request carries a parameter: in its `PATH`, its `QUERY`, a `HEADER` or a `COOKIE`.",
)
strawberry.enum(
    SecurityKind,
    name="SecurityKind",
    description=(
        "How an API wants its callers to identify themselves. `BASIC`, `BEARER`: HTTP authentication. `API_KEY`: a key in a "
        "header, the query or a cookie. `OAUTH2`, `OPEN_ID_CONNECT`: a token that is fetched first. `OTHER`: anything else."
    ),
)
strawberry.enum(
    OAuthGrant,
    name="OAuthGrant",
    description="A flow of OAuth 2: `CLIENT_CREDENTIALS`, `PASSWORD`, `AUTHORIZATION_CODE` or `IMPLICIT`.",
)
strawberry.enum(
    ExecutorKind,
    name="ExecutorKind",
    description=(
        "How a scenario makes its load, by k6's executors. `CONSTANT_VUS`, `RAMPING_VUS`: virtual users that go on one request "
        "after another, so many or more and less. `CONSTANT_ARRIVAL_RATE`, `RAMPING_ARRIVAL_RATE`: so many iterations begin in "
        "each time unit, however fast the API answers. `SHARED_ITERATIONS`, `PER_VU_ITERATIONS`: a number of iterations, of all "
        "virtual users or of each."
    ),
)
strawberry.enum(
    LoginKind,
    name="LoginKind",
    description=(
        "How the requests of a load test identify themselves. `BASIC`: user name and password. `BEARER`: a token that is known. "
        "`API_KEY`: a key in a header, the query or a cookie. `OAUTH2_CLIENT_CREDENTIALS`, `OAUTH2_PASSWORD`: a token that is "
        "fetched before the load, and again when it runs out."
    ),
)
strawberry.enum(
    CheckKind,
    name="CheckKind",
    description=(
        "What a check looks at. `BODY_CONTAINS`: the body has the `text` in it. `JSON_EXISTS`: there is something at the "
        "`pointer`. `JSON_EQUALS`: the `value` is there. `HEADER_EQUALS`, `HEADER_CONTAINS`: the `header` is the `text` or "
        "has it in it. `RESPONSE_TIME_BELOW`: an answer came in less than so many `milliseconds`."
    ),
)
strawberry.enum(
    ExtractionSource,
    name="ExtractionSource",
    description=(
        "Where a value is taken from: the body as `JSON`, at the `pointer`; a `HEADER`, or a `COOKIE` that the answer sets, of "
        "the name `key`."
    ),
)
strawberry.enum(
    RunStatus,
    name="LoadTestRunStatus",
    description=(
        "Where a run stands. `QUEUED`: it waits for its turn. `STARTING`, `RUNNING`, `STOPPING`. Then its verdict, the first of "
        "these that applies: `ERROR`: the run itself broke. `ABORTED`: somebody stopped it. `INVALID`: its figures can't be "
        "trusted. `FAILED`: a threshold was missed. `PASSED`."
    ),
)
strawberry.enum(
    WaitReason,
    name="RunWaitReason",
    description=(
        "What keeps a run from beginning. `TARGET`: the host and port that it calls are under load by as many runs as may be, "
        "`PLOG_K6__RUNS_PER_TARGET`. `ROOM`: others are under way or before it, and each server runs `PLOG_K6__CAPACITY` at "
        "most. `SERVER`: nothing is in its way; it begins when a server looks, and waits on where none runs load tests."
    ),
)
strawberry.enum(
    VersionKind,
    name="VersionKind",
    description=(
        "What made a version. `CREATED`: it is the first. `CHANGED`: it was defined anew. `ANALYZED`: a target's document was "
        "read. `ARCHIVED`: it was taken out of the lists; nothing follows."
    ),
)
strawberry.enum(
    LoadTestReportKind,
    name="LoadTestReportKind",
    description=(
        "What a load generator says: the figures of one scenario in one window so far (`WINDOW`), how k6 ended and what it "
        "counted (`SUMMARY`), or something for people who read the log (`NOTE`), which has no effect."
    ),
)
strawberry.enum(
    MetricsInclude,
    name="MetricsInclude",
    description=(
        "What of a run is watched: `ALL`, `K6_ONLY` (what k6 measures), `RESOURCES_ONLY` (CPU and memory of what is under test)."
    ),
)
strawberry.enum(
    RunFigure,
    name="RunFigure",
    description=(
        "A figure by which runs are compared. `TPS`: completed requests a second. Response times in milliseconds: their `MEAN`, "
        "their median (`P50`), their 95th and 99th percentile (`P95`, `P99`). `ERROR_RATE`: the share of requests without an "
        "answer or with an unexpected status, 0 to 1."
    ),
)
strawberry.enum(
    ComparisonVerdict,
    name="ComparisonVerdict",
    description=(
        "What the difference of a figure means. `BETTER`, `WORSE`. `NO_DIFFERENCE`: none that the noise would not explain. "
        "`UNKNOWN`: it can't be told, for the reason given."
    ),
)
strawberry.enum(
    ReportFormat,
    name="RunReportFormat",
    description=(
        "How a run's report is written down. `HTML`: one page with plots that needs nothing else, for screens and paper. "
        "`MARKDOWN`: for pages and threads that people write; its plots are lines of block characters."
    ),
)
strawberry.enum(
    PermissionAction,
    name="PermissionAction",
    description=(
        "What may be done in a product line. `GENERAL`: see it, run kits, track lots, ask for models. `SET_UP`: copy, set up and "
        "promote models."
    ),
)
strawberry.enum(
    PermissionRequestStatus,
    name="PermissionRequestStatus",
    description=(
        "Where an application stands. `PENDING`: nobody has decided yet. `APPROVED`. `REJECTED`. `WITHDRAWN`: by the applicant."
    ),
)
strawberry.enum(
    GrantStatus,
    name="GrantStatus",
    description=(
        "Whether a grant opens anything. `ACTIVE`: it does. `EXPIRED`: its time is over. `REVOKED`: it was taken away or given "
        "back."
    ),
)
strawberry.enum(
    AuditAction,
    name="AuditAction",
    description=(
        "What was decided. `PERMISSION_REQUESTED`: somebody applied. `PERMISSION_WITHDRAWN`: and thought better of it. "
        "`PERMISSION_APPROVED`: they got it. `PERMISSION_REJECTED`: they did not. `PERMISSION_RENEWED`: it got another end. "
        "`PERMISSION_REVOKED`: it was taken away or given back. `PERMISSION_EXPIRED`: its time was over. `MODEL_CREATED`, "
        "`MODEL_COPIED`: a set-up model was made. `MODEL_UPDATED`: its settings or description were changed. "
        "`MODEL_VERSION_ADDED`: it has another version. `MODEL_PROMOTED`, `MODEL_ROLLED_BACK`: another version came in use. "
        "`MODEL_ARCHIVED`: it was taken out of the lists. `MODEL_ASSIGNED`, `MODEL_UNASSIGNED`: it was assigned to lots, or not "
        "any more. `MODEL_ACCESS_REQUESTED`, `MODEL_ACCESS_WITHDRAWN`, `MODEL_ACCESS_APPROVED`, `MODEL_ACCESS_REJECTED`, "
        "`MODEL_ACCESS_RENEWED`, `MODEL_ACCESS_REVOKED`, `MODEL_ACCESS_EXPIRED`: the same of access to one. "
        "`DAILY_BATCH_CANCELLED`: a run of the daily batch was to end early."
    ),
)
strawberry.enum(
    ProjectRole,
    name="ProjectRole",
    description=(
        "What a member of a project may do. `VIEWER`: look, compare and download. `EDITOR`: also change what is in it, run load "
        "tests, analyse and report. `OWNER`: also change and archive the project, and say who its members are."
    ),
)
strawberry.enum(
    LotRowOrder,
    name="LotRowOrder",
    description=(
        "What lot rows are sorted by: `NUMBER`, `LOT_ID`, `PRODUCT`, `STEP`, `EQUIPMENT` (text character by character), "
        "`MEASURED_AT`, `QUANTITY`. Equal ones are sorted by number."
    ),
)
strawberry.enum(
    LotImportStatus,
    name="LotImportStatus",
    description=(
        "Where an import stands. `QUEUED`: it waits for a server. `RUNNING`. `SUCCEEDED`: every row of the file was added or "
        "refused. `FAILED`: it can't go on, for the reason in `message`; `lotImportResume` lets it go on there. `CANCELLED`. "
        "What was added stays in any case."
    ),
)
strawberry.enum(
    ModelVersionState,
    name="ModelVersionState",
    description=(
        "Whether a version of a set-up model is in use. `CANDIDATE`: not yet. `ACTIVE`: one of each model is. `RETIRED`: it was."
    ),
)
strawberry.enum(
    ModelAccessStatus,
    name="ModelAccessStatus",
    description=(
        "Where an application for access to a model stands. `PENDING`: nobody has decided yet. `APPROVED`: the access is open. "
        "`REJECTED`. `WITHDRAWN`: by the applicant. `REVOKED`: the access was taken away or given back. `EXPIRED`: its time is "
        "over."
    ),
)
strawberry.enum(
    ModelOrigin,
    name="ModelOrigin",
    description=(
        "Where a version of a set-up model came from. `JOB`: a job has trained it. `UPLOAD`: a person has sent it. `COPY`: it is "
        "that of another model."
    ),
)
strawberry.enum(
    FeatureKind,
    name="ModelFeatureKind",
    description="What an input of a model takes. `NUMBER`. `CATEGORY`: one of some texts. `UNKNOWN`: nobody has said.",
)
strawberry.enum(
    DailyBatchRunStatus,
    name="DailyBatchRunStatus",
    description=(
        "Where a run of the daily batch stands. `QUEUED`: it waits for a server. `RUNNING`. `SUCCEEDED`: every assigned row has "
        "a result, or was refused for a reason of its own. `FAILED`: a model could not be asked; what was stored stays, and the "
        "next run does the rest. `CANCELLED`: somebody has ended it; what was stored stays."
    ),
)
strawberry.enum(
    BatchPartStatus,
    name="DailyBatchPartStatus",
    description=(
        "Where a model's part of a run stands. `PENDING`: it is to come, or under way. `SUCCEEDED`. `FAILED`: the model could "
        "not be asked. `CANCELLED`: the run was ended before. `SUPERSEDED`: another version of the model came in use, which has "
        "a part of its own."
    ),
)
