"""The schema as its readers meet it: written down, described to the last argument, and of one shape everywhere."""

from collections.abc import Iterator

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    get_named_type,
    is_non_null_type,
    is_specified_scalar_type,
    print_type,
)
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.field import StrawberryField

from gql.limits import Limits
from gql.schema import build_schema
from tests.architecture.sources import ROOT

SCHEMA = build_schema(Limits())
GRAPHQL: GraphQLSchema = SCHEMA._schema
OWN_TYPES = [
    each for name, each in sorted(GRAPHQL.type_map.items()) if not name.startswith("__") and not is_specified_scalar_type(each)
]
MOST_ON_A_PAGE = 100
WITHOUT_A_VERSION = {
    "kitCreate",
    "taskReport",
    "projectCreate",
    "targetAdd",
    "targetSecretSet",  # nobody has seen what it replaces
    "targetSecretDelete",
    "loadTestCreate",
    "loadTestReport",
    "loadTestQuickStart",
    "loadTestAnalyze",
    "loadTestRunReport",  # of a run that has ended, which does not change any more
    "permissionRequestCreate",
    "permissionRequestWithdraw",  # what nobody has decided yet has one version only
    "permissionRequestApprove",
    "permissionRequestReject",
    "lotRowAdd",
    "lotRowsAdd",
    "lotImportStart",
    "lotImportCancel",  # its version grows with each batch of rows, and what is meant is the import as it then is
    "lotImportResume",
    "setUpModelCreate",
    "setUpModelCopy",
    "modelAccessRequestCreate",
    "modelAccessRequestWithdraw",  # what nobody has decided yet has one version only
    "modelAccessRequestApprove",
    "modelAccessRequestReject",
    "modelAssign",
    "modelUnassign",  # what was not taken back has one version only
    "dailyBatchRun",
    "dailyBatchRunCancel",  # as of imports of lot rows
    "modelVersionAdd",  # a candidate changes nothing that is in use
}
NOUNS = (
    "kit",
    "job",
    "task",
    "project",
    "target",
    "loadTest",
    "permissionRequest",
    "grant",
    "lotRows",
    "lotRow",
    "lotImport",
    "setUpModel",
    "modelVersion",
    "modelAccessRequest",
    "modelAccess",
    "model",
    "dailyBatch",
)
# Below a root, a field of the state is an attribute of what was read; these cross to other aggregates, through loaders, or are
# found out from what was read.
RESOLVED_FIELDS = {
    "Kit": {"events", "viewerCanStart", "viewerCanCancel", "viewerCanArchive"},
    "Job": {"kit", "attempts", "artifacts", "deckRequest", "log", "viewerCanStart", "viewerCanRetry", "viewerCanCancel"},
    "Task": set(),
}
# What is shown whole: as long as a definition, an OpenAPI document or the settings make it, and no longer.
LISTS_WITHOUT_PAGES = {
    "Artifact.inputIds",
    "Capability.openedBy",
    "Claim.findings",
    "Drift.added",
    "Drift.changed",
    "Drift.details",
    "Drift.removed",
    "Drift.serversAdded",
    "Drift.serversRemoved",
    "Endpoint.bodies",
    "Endpoint.parameters",
    "Endpoint.responses",
    "Endpoint.security",
    "Endpoint.servers",
    "Endpoint.tags",
    "EndpointChange.added",
    "EndpointChange.changed",
    "EndpointChange.removed",
    "EndpointResponse.mediaTypes",
    "Executor.profile",
    "InUse.runIds",
    "Job.artifacts",
    "Job.tasks",
    "Kit.jobs",
    "KitListFrame.changed",
    "KitListFrame.order",
    "LoadTest.scenarios",
    "LoadTest.staleScenarios",
    "LoadTestAnalysis.findings",
    "LoadTestAnalysis.remarks",
    "LoadTestComparison.runs",
    "LoadTestListFrame.changed",
    "LoadTestListFrame.order",
    "LoadTestMetricsFrame.pods",
    "LoadTestMetricsFrame.series",
    "LoadTestPreview.problems",
    "LoadTestPreview.remarks",
    "LoadTestPreview.scenarios",
    "LoadTestReportPayload.results",
    "LoadTestRun.figures",
    "LoadTestRun.k6Figures",
    "LoadTestRun.metrics",
    "LoadTestRun.reports",
    "LoadTestRun.resources",
    "LoadTestRun.scenarios",
    "LoadTestRun.thresholds",
    "LoadTestTrend.createdAt",
    "LoadTestTrend.errorRate",
    "LoadTestTrend.label",
    "LoadTestTrend.loadTestVersion",
    "LoadTestTrend.mean",
    "LoadTestTrend.number",
    "LoadTestTrend.p50",
    "LoadTestTrend.p95",
    "LoadTestTrend.p99",
    "LoadTestTrend.requests",
    "LoadTestTrend.runId",
    "LoadTestTrend.status",
    "LoadTestTrend.tpsMean",
    "LoadTestVersion.scenarios",
    "Login.scopes",
    "LoginProposal.wants",
    "DailyBatchRun.parts",  # as many as models are assigned
    "DailyBatchRun.preview",
    "DailyBatchRunListFrame.changed",
    "DailyBatchRunListFrame.order",
    "LotResult.outOfRange",
    "LotResult.outputs",
    "LotResultPreview.outOfRange",
    "LotResultPreview.outputs",
    "LotImportListFrame.changed",
    "LotImportListFrame.order",
    "LotRowAddResult.openedBy",
    "LotRowAddResult.problems",
    "LotRowsAddPayload.results",
    "MetricSeries.errorRate",
    "MetricSeries.failed",
    "MetricSeries.greatest",
    "MetricSeries.least",
    "MetricSeries.mean",
    "MetricSeries.p50",
    "MetricSeries.p90",
    "MetricSeries.p95",
    "MetricSeries.p99",
    "MetricSeries.requests",
    "MetricSeries.tps",
    "MetricSeries.vus",
    "MetricSeries.windowStart",
    "ModelAccessInboxFrame.changed",
    "ModelAccessInboxFrame.order",
    "ModelAccessRequestListFrame.changed",
    "ModelAccessRequestListFrame.order",
    "ModelFeature.categories",
    "ModelVersion.features",
    "ModelVersion.targets",
    "OAuthFlow.scopes",
    "Parameter.examples",
    "PermissionDenied.openedBy",
    "PermissionInboxFrame.changed",
    "PermissionInboxFrame.order",
    "PermissionKind.opens",
    "PermissionRequestCreatePayload.permissionRequests",
    "PlannedRequest.headers",
    "PlannedScenario.requests",
    "PodActualUsage.cpuMillicores",
    "PodActualUsage.memoryMb",
    "PodSeries.sampledAt",
    "PodSeries.windowStart",
    "PodSpecs.cpuLimitMillicores",
    "PodSpecs.cpuRequestMillicores",
    "PodSpecs.memoryLimitMb",
    "PodSpecs.memoryRequestMb",
    "PodUsage.cpuPercent",
    "PodUsage.cpuPredicted",
    "PodUsage.memoryPercent",
    "PodUsage.memoryPredicted",
    "Project.members",
    "ProjectVersion.members",
    "Query.loadTestTrend",
    "Query.nodes",
    "Query.permissionKinds",
    "Query.stepTemplates",
    "RequestBody.examples",
    "RequestBody.fields",
    "RunComparison.remarks",
    "RunComparison.scenarios",
    "RunWait.behind",
    "Scenario.requests",
    "ScenarioComparison.differences",
    "ScenarioRequest.checks",
    "ScenarioRequest.expectedStatuses",
    "ScenarioRequest.extract",
    "ScenarioRequest.headers",
    "ScenarioRequest.parameters",
    "SecretUnavailable.names",
    "SecurityScheme.flows",
    "StaleScenario.changed",
    "StaleScenario.details",
    "StaleScenario.gone",
    "Step.tasks",
    "StepTemplate.steps",
    "Target.loginProposals",
    "Target.secrets",
    "TargetAnalysis.choices",
    "TargetAnalysis.problems",
    "TargetAnalysis.securitySchemes",
    "TargetAnalysis.servers",
    "TargetAnalysis.tags",
    "TargetAnalysis.tried",
    "TaskReportPayload.results",
    "ValidationFailed.problems",
    "Viewer.groups",
    "Viewer.permissions",
    "Viewer.productLines",
    "Wording.claims",
    "Wording.dropped",
}


def test_the_schema_is_written_down() -> None:
    text = (ROOT / "schema.graphql").read_text(encoding="utf-8")
    assert text.rstrip() == SCHEMA.as_str().rstrip(), "run `plog export-schema`"


def described(named: GraphQLNamedType) -> Iterator[tuple[str, str | None]]:
    yield named.name, named.description
    if isinstance(named, GraphQLObjectType | GraphQLInterfaceType | GraphQLInputObjectType):
        for name, field in named.fields.items():
            yield f"{named.name}.{name}", field.description
            for argument_name, argument in field.args.items() if isinstance(field, GraphQLField) else ():
                yield f"{named.name}.{name}({argument_name})", argument.description


@pytest.mark.parametrize("named", OWN_TYPES, ids=str)
def test_everything_is_described(named: GraphQLNamedType) -> None:
    nothing_said = [place for place, text in described(named) if not (text or "").strip()]
    assert nothing_said == []


@pytest.mark.parametrize("named", [each for each in OWN_TYPES if isinstance(each, GraphQLEnumType)], ids=str)
def test_every_value_of_an_enum_is_explained(named: GraphQLEnumType) -> None:
    """By a description of its own, or by name in the enum's."""
    silent = [name for name, value in named.values.items() if not value.description and f"`{name}" not in _quoted(named)]
    assert silent == []


def _quoted(named: GraphQLEnumType) -> str:
    """The enum's description with a backtick before every word in backticks."""
    parts = (named.description or "").split("`")
    return " ".join(f"`{word}" for part in parts[1::2] for word in part.split())


def object_fields() -> Iterator[tuple[str, GraphQLField]]:
    for named in OWN_TYPES:
        if isinstance(named, GraphQLObjectType):
            yield from ((f"{named.name}.{name}", field) for name, field in named.fields.items())


def test_every_mutation_answers_with_a_union_of_a_payload_and_typed_errors() -> None:
    assert GRAPHQL.mutation_type is not None
    for name, field in GRAPHQL.mutation_type.fields.items():
        answer = get_named_type(field.type)
        assert is_non_null_type(field.type) and isinstance(answer, GraphQLUnionType), name
        payloads = [each.name for each in answer.types if each.name.endswith("Payload")]
        errors = [each for each in answer.types if each.name not in payloads]
        assert len(payloads) == 1 and errors, name
        assert all("UserError" in {interface.name for interface in each.interfaces} for each in errors), name
        assert {"ValidationFailed", "IdempotencyKeyReused", "PermissionDenied"} <= {each.name for each in errors}, name


def test_every_mutation_takes_an_idempotency_key_and_says_first_what_it_is_about() -> None:
    assert GRAPHQL.mutation_type is not None
    for name, field in GRAPHQL.mutation_type.fields.items():
        assert str(field.args["idempotencyKey"].type) == "String", name
        noun = next(noun for noun in NOUNS if name.startswith(noun))
        assert name.removeprefix(noun)[:1].isupper(), name
        assert name in WITHOUT_A_VERSION or "expectedVersion" in field.args, name


def test_every_typed_error_has_a_code_and_a_message() -> None:
    interface = GRAPHQL.type_map["UserError"]
    assert isinstance(interface, GraphQLInterfaceType)
    assert {name: str(field.type) for name, field in interface.fields.items()} == {"code": "String!", "message": "String!"}
    implementations = {each.name for each in GRAPHQL.get_implementations(interface).objects}
    unions = [each for each in OWN_TYPES if isinstance(each, GraphQLUnionType)]
    assert implementations <= {member.name for union in unions for member in union.types}


def test_lists_are_keyset_connections() -> None:
    for place, field in object_fields():
        if not get_named_type(field.type).name.endswith("Connection"):
            continue
        assert {"first", "after"} <= set(field.args) and not {"offset", "page", "skip"} & set(field.args), place
        first = field.args["first"]
        assert str(first.type) == "Int!" and 1 <= first.default_value <= MOST_ON_A_PAGE, place
        assert str(MOST_ON_A_PAGE) in (first.description or ""), place


def test_connections_are_named_after_their_nodes() -> None:
    """As Relay has it: `lotResults` and a row's `results` are one type."""
    connections = [each for each in OWN_TYPES if isinstance(each, GraphQLObjectType) and each.name.endswith("Connection")]
    assert len(connections) > 20
    for each in connections:
        assert each.name == f"{get_named_type(each.fields['nodes'].type).name}Connection"


def test_lists_without_pages_are_known() -> None:
    found = {
        place for place, field in object_fields() if "[" in str(field.type) and not place.partition(".")[0].endswith("Connection")
    }
    assert found == LISTS_WITHOUT_PAGES


def test_lists_with_a_length_are_series() -> None:
    """Of columns: their cost is counted by entries (`gql.limits`), and they may be longer than a page."""
    found = {place for place, field in object_fields() if "first" in field.args and "[" in str(field.type)}
    assert found == {"LoadTestRun.metrics", "LoadTestRun.resources", "Query.loadTestTrend"}


@pytest.mark.parametrize("name", RESOLVED_FIELDS)
def test_the_state_is_read_in_one_go(name: str) -> None:
    """Fields of Kit, Job and Task are attributes, so that a page costs a fixed number of statements and is never torn."""
    definition = SCHEMA.get_type_by_name(name)
    assert isinstance(definition, StrawberryObjectDefinition)
    fields: list[StrawberryField] = definition.fields
    resolved = {SCHEMA.config.name_converter.from_field(field) for field in fields if field.base_resolver}
    assert resolved == RESOLVED_FIELDS[name]
    assert not any(field.permission_classes or field.extensions for field in fields)


def test_what_has_an_id_is_a_node() -> None:
    """`node(id:)` finds it again; inputs and frames have ids of other things only."""
    for named in OWN_TYPES:
        if isinstance(named, GraphQLObjectType) and "id" in named.fields:
            assert "Node" in {interface.name for interface in named.interfaces}, print_type(named)
