"""The schema: every operation there is, gathered from one module a noun."""

from datetime import datetime
from functools import cache

import strawberry
from strawberry.extensions import SchemaExtension
from strawberry.schema.config import StrawberryConfig

from gql.execution import Schema
from gql.limits import Limits
from gql.mutations.daily_batch_run import DailyBatchRunMutation
from gql.mutations.grant import GrantMutation
from gql.mutations.job import JobMutation
from gql.mutations.kit import KitMutation
from gql.mutations.load_test import LoadTestMutation
from gql.mutations.load_test_analysis import LoadTestAnalysisMutation
from gql.mutations.load_test_run import LoadTestRunMutation
from gql.mutations.lot_import import LotImportMutation
from gql.mutations.lot_row import LotRowMutation
from gql.mutations.model_access_request import ModelAccessRequestMutation
from gql.mutations.model_assignment import ModelAssignmentMutation
from gql.mutations.model_version import ModelVersionMutation
from gql.mutations.permission_request import PermissionRequestMutation
from gql.mutations.project import ProjectMutation
from gql.mutations.run_report import RunReportMutation
from gql.mutations.set_up_model import SetUpModelMutation
from gql.mutations.target import TargetMutation
from gql.mutations.task import TaskMutation
from gql.queries.audit_entry import AuditEntryQueries
from gql.queries.comparison import ComparisonQueries
from gql.queries.daily_batch_run import DailyBatchRunQueries
from gql.queries.endpoint import EndpointQueries
from gql.queries.grant import GrantQueries
from gql.queries.job import JobQueries
from gql.queries.kit import KitQueries
from gql.queries.load_test import LoadTestQueries
from gql.queries.load_test_analysis import LoadTestAnalysisQueries
from gql.queries.load_test_run import LoadTestRunQueries
from gql.queries.lot_import import LotImportQueries
from gql.queries.lot_result import LotResultQueries
from gql.queries.lot_row import LotRowQueries
from gql.queries.model_access_request import ModelAccessRequestQueries
from gql.queries.model_assignment import ModelAssignmentQueries
from gql.queries.node import NodeQueries
from gql.queries.permission_kind import PermissionKindQueries
from gql.queries.permission_request import PermissionRequestQueries
from gql.queries.project import ProjectQueries
from gql.queries.set_up_model import SetUpModelQueries
from gql.queries.target import TargetQueries
from gql.subscriptions.daily_batch_run import DailyBatchRunSubscription
from gql.subscriptions.kit import KitSubscription
from gql.subscriptions.load_test import LoadTestSubscription
from gql.subscriptions.load_test_run import LoadTestRunSubscription
from gql.subscriptions.lot_import import LotImportSubscription
from gql.subscriptions.model_access_request import ModelAccessRequestSubscription
from gql.subscriptions.permission_request import PermissionRequestSubscription
from gql.subscriptions.viewer import ViewerSubscription
from gql.types.any_value import ANY_VALUE, AnyValue
from gql.types.date_time import DATE_TIME


@strawberry.type(
    description="What can be read. An id that leads nowhere, whatever is wrong with it, finds nothing: null or an empty list."
)
class Query(
    NodeQueries,
    KitQueries,
    JobQueries,
    ProjectQueries,
    TargetQueries,
    EndpointQueries,
    LoadTestQueries,
    LoadTestRunQueries,
    ComparisonQueries,
    LoadTestAnalysisQueries,
    PermissionKindQueries,
    PermissionRequestQueries,
    GrantQueries,
    AuditEntryQueries,
    LotRowQueries,
    LotImportQueries,
    SetUpModelQueries,
    ModelAccessRequestQueries,
    ModelAssignmentQueries,
    LotResultQueries,
    DailyBatchRunQueries,
):
    """Every query."""


@strawberry.type(description="What can be changed. Each answers with its result or with a typed error.")
class Mutation(
    KitMutation,
    JobMutation,
    TaskMutation,
    ProjectMutation,
    TargetMutation,
    LoadTestMutation,
    LoadTestRunMutation,
    LoadTestAnalysisMutation,
    RunReportMutation,
    PermissionRequestMutation,
    GrantMutation,
    LotRowMutation,
    LotImportMutation,
    SetUpModelMutation,
    ModelVersionMutation,
    ModelAccessRequestMutation,
    ModelAssignmentMutation,
    DailyBatchRunMutation,
):
    """Every mutation."""


@strawberry.type(
    description=(
        "What can be watched, over `graphql-transport-ws` or server-sent events. What does not exist is an error `NOT_FOUND`; a "
        "stream that ends without `complete` was broken off: subscribe again."
    )
)
class Subscription(
    KitSubscription,
    LoadTestSubscription,
    LoadTestRunSubscription,
    PermissionRequestSubscription,
    ModelAccessRequestSubscription,
    ViewerSubscription,
    LotImportSubscription,
    DailyBatchRunSubscription,
):
    """Every subscription."""


@cache
def build_schema(limits: Limits, *extensions: type[SchemaExtension]) -> Schema:
    """The schema with these limits for each operation, made once; `extensions` go with each one, as the outermost."""
    config = StrawberryConfig(scalar_map={datetime: DATE_TIME, AnyValue: ANY_VALUE})
    return Schema(Query, Mutation, Subscription, limits=limits, extensions=extensions, config=config)
