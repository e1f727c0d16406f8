"""What can be asked of lists: filters, order and a place to go on from, as values that need no database."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Generic, TypeVar

from domain.audit_entry import AuditAction
from domain.endpoint import Method
from domain.event import EventKind
from domain.grant import GrantStatus
from domain.job_type import JobType
from domain.kit import ProductLine
from domain.load_test_analysis import AnalysisKind
from domain.load_test_run import RunStatus
from domain.lot_import import LotImportStatus
from domain.model_access_request import ModelAccessStatus
from domain.permission_request import PermissionRequestStatus
from domain.status import Status

Item = TypeVar("Item")
MAX_PAGE = 100
MAX_SERIES = 1000  # entries of a column


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """A part of a list; `has_more` tells whether anything follows it."""

    items: Sequence[Item]
    has_more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberedQuery:
    """What of a list by number; `after` is the number of the last one seen."""

    is_descending: bool = True
    after: tuple[int] | None = None
    first: int = 50


class KitOrder(StrEnum):
    """What kits are sorted by; equal ones by number."""

    NUMBER = "NUMBER"
    NAME = "NAME"
    STATUS_CHANGED_AT = "STATUS_CHANGED_AT"


@dataclass(frozen=True, slots=True, kw_only=True)
class KitQuery:
    """Which kits, in which order. `after` is the sort value and number of the last kit seen; times are half-open [from, to)."""

    statuses: frozenset[Status] = frozenset()
    name_prefix: str | None = None
    owner: str | None = None
    product_line: ProductLine | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
    is_archived: bool | None = False
    order: KitOrder = KitOrder.NUMBER
    is_descending: bool = True
    after: tuple[int | str | datetime, int] | None = None
    first: int = 50


class JobOrder(StrEnum):
    """What jobs are sorted by; equal ones by their kit's number, those of a kit in its order."""

    KIT_NUMBER = "KIT_NUMBER"
    UPDATED_AT = "UPDATED_AT"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobQuery:
    """Which jobs across kits, in which order. `after` is the sort value, kit number and type of the last one seen."""

    types: frozenset[JobType] = frozenset()
    statuses: frozenset[Status] = frozenset()
    kit_id: int | None = None
    updated_from: datetime | None = None
    updated_to: datetime | None = None
    is_archived: bool | None = False
    order: JobOrder = JobOrder.KIT_NUMBER
    is_descending: bool = True
    after: tuple[int | datetime, int, JobType] | None = None
    first: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class EventQuery:
    """Which events of one kit, oldest first: above the version `after`, up to the version `until`."""

    kit_id: int
    after: int = 0
    until: int | None = None
    kinds: frozenset[EventKind] = frozenset()
    job_type: JobType | None = None
    task: str | None = None
    attempt: int | None = None
    first: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryQuery:
    """Which part of what one thing became, `of` its number, oldest first: above the version (or analysis) `after`."""

    of: int
    after: int = 0
    first: int = 50


class NamedOrder(StrEnum):
    """What projects, targets and load tests are sorted by; equal ones by number."""

    NUMBER = "NUMBER"
    NAME = "NAME"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectQuery:
    """Which projects, in which order. `after` is the sort value and number of the last one seen."""

    name_prefix: str | None = None
    owner: str | None = None
    is_archived: bool | None = False
    order: NamedOrder = NamedOrder.NUMBER
    is_descending: bool = True
    after: tuple[int | str, int] | None = None
    first: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetQuery:
    """Which targets, in which order; the rest as of projects."""

    project_id: int | None = None
    name_prefix: str | None = None
    is_archived: bool | None = False
    order: NamedOrder = NamedOrder.NUMBER
    is_descending: bool = True
    after: tuple[int | str, int] | None = None
    first: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadTestQuery:
    """Which load tests, in which order (`NAME` is by title); the rest as of projects."""

    project_id: int | None = None
    target_id: int | None = None
    title_prefix: str | None = None
    is_archived: bool | None = False
    order: NamedOrder = NamedOrder.NUMBER
    is_descending: bool = True
    after: tuple[int | str, int] | None = None
    first: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadTestRunQuery:
    """Which runs of load tests, the newest first; `after` is the number of the last one seen.

    `scenario` is the name of one of a run's scenarios, `label` what it says was tested, `actor` who started it; times are
    half-open [from, to).
    """

    project_id: int | None = None
    target_id: int | None = None
    load_test_id: int | None = None
    statuses: frozenset[RunStatus] = frozenset()
    scenario: str | None = None
    label: str | None = None
    actor: str | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
    after: tuple[int] | None = None
    first: int = 50


class LoadTestAnalysisOrder(StrEnum):
    """What analyses are sorted by; equal ones by number."""

    NUMBER = "NUMBER"
    SCORE = "SCORE"
    CONFIDENCE = "CONFIDENCE"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadTestAnalysisQuery:
    """Which analyses, in which order. `after` is the sort value and number of the last one seen."""

    project_id: int | None = None
    load_test_id: int | None = None
    run_id: int | None = None
    baseline_run_id: int | None = None
    kinds: frozenset[AnalysisKind] = frozenset()
    order: LoadTestAnalysisOrder = LoadTestAnalysisOrder.NUMBER
    is_descending: bool = True
    after: tuple[float | int, int] | None = None
    first: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowQuery:
    """Which windows of a run: those that begin after a second since 1970, the first so many starts of them; all for None.

    `changed_after` leaves only starts of which a report with a greater number has changed something; of pods, the measurements
    with a greater id.
    """

    run_id: int
    after: int | None = None
    first: int | None = None
    changed_after: int | None = None


class MetricsInclude(StrEnum):
    """What of a run is watched: all, what k6 measures, or CPU and memory of what is under test."""

    ALL = "ALL"
    K6_ONLY = "K6_ONLY"
    RESOURCES_ONLY = "RESOURCES_ONLY"


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointQuery:
    """Which endpoints of one analysis, in the document's order, after the place `after` (from 1).

    `search` is a part, in any case, of an endpoint's method and path, summary, operation id or tag.
    """

    target_id: int
    analysis: int
    methods: frozenset[Method] = frozenset()
    tag: str | None = None
    search: str | None = None
    is_deprecated: bool | None = None
    after: int = 0
    first: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class PermissionRequestQuery(NumberedQuery):
    """Which applications for permissions, by number.

    `is_decidable` leaves only those that the caller may decide on: of the kinds that are theirs to decide, and not their own.
    """

    statuses: frozenset[PermissionRequestStatus] = frozenset()
    kinds: frozenset[str] = frozenset()
    subject: str | None = None
    is_decidable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantQuery(NumberedQuery):
    """Which permissions, by number; the rest as of applications."""

    statuses: frozenset[GrantStatus] = frozenset()
    kinds: frozenset[str] = frozenset()
    subject: str | None = None
    expires_before: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SetUpModelQuery:
    """Which set-up models, in which order; `source_id` is the one that they were copied from, the rest as of projects."""

    product_lines: frozenset[ProductLine] = frozenset()
    name_prefix: str | None = None
    owner: str | None = None
    source_id: int | None = None
    is_archived: bool | None = False
    order: NamedOrder = NamedOrder.NUMBER
    is_descending: bool = True
    after: tuple[int | str, int] | None = None
    first: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelAccessQuery(NumberedQuery):
    """Which applications for access to models, by number; `is_decidable` and the rest as of those for permissions."""

    statuses: frozenset[ModelAccessStatus] = frozenset()
    model_id: int | None = None
    subject: str | None = None
    is_decidable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditQuery(NumberedQuery):
    """Which entries of the audit, by number; times are half-open [from, to)."""

    actions: frozenset[AuditAction] = frozenset()
    kinds: frozenset[str] = frozenset()
    model_id: int | None = None
    person: str | None = None
    actor: str | None = None
    recorded_from: datetime | None = None
    recorded_to: datetime | None = None


class LotRowOrder(StrEnum):
    """What lot rows are sorted by; equal ones by number."""

    NUMBER = "NUMBER"
    LOT_ID = "LOT_ID"
    PRODUCT = "PRODUCT"
    STEP = "STEP"
    EQUIPMENT = "EQUIPMENT"
    MEASURED_AT = "MEASURED_AT"
    QUANTITY = "QUANTITY"


@dataclass(frozen=True, slots=True, kw_only=True)
class LotRowQuery:
    """Which lot rows, in which order. `after` is the sort value and number of the last one seen.

    `search` is how a lot id, a product or an equipment begins, letter by letter; times are half-open [from, to), quantities
    include both ends.
    """

    product_line: ProductLine | None = None
    product: str | None = None
    steps: frozenset[str] = frozenset()
    equipment: str | None = None
    measured_from: datetime | None = None
    measured_to: datetime | None = None
    lot_id_prefix: str | None = None
    search: str | None = None
    quantity_from: int | None = None
    quantity_to: int | None = None
    import_id: int | None = None
    order: LotRowOrder = LotRowOrder.NUMBER
    is_descending: bool = True
    after: tuple[int | str | datetime, int] | None = None
    first: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class LotImportQuery(NumberedQuery):
    """Which of a person's imports of lot rows, by number."""

    statuses: frozenset[LotImportStatus] = frozenset()
