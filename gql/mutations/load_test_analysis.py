"""Having a run analysed."""

from typing import Annotated

import strawberry

from gql import errors, ids
from gql.context import Info
from gql.mutation import mutation
from gql.mutations.kit import IdempotencyKey
from gql.mutations.load_test_run import RunId
from gql.types.analysis_enums import AnalysisKind
from gql.types.load_test_analysis import LoadTestAnalysis
from resolvers import load_test_analysis as analyses


@strawberry.type(description="The run was analysed.")
class LoadTestAnalysisPayload:
    analysis: LoadTestAnalysis = strawberry.field(description="What was found.")


LoadTestAnalysisAnswer = Annotated[
    LoadTestAnalysisPayload
    | errors.ValidationFailed
    | errors.NotFound
    | errors.IllegalTransition
    | errors.WindowsRemoved
    | errors.IdempotencyKeyReused
    | errors.PermissionDenied,
    strawberry.union("LoadTestAnalysisAnswer", description="The analysis, or why there is none."),
]


@strawberry.type
class LoadTestAnalysisMutation:
    @mutation(
        description=(
            "Analyse a run that has ended, by statistics; takes seconds at most for long runs, and what was found is kept for "
            "ever. Where the server has a chat model, that words the findings, which takes as long as the model does; whatever "
            "comes of it, the findings stand."
        )
    )
    async def load_test_analyze(
        self,
        info: Info,
        kind: Annotated[AnalysisKind, strawberry.argument(description="What to look at.")],
        run_id: RunId,
        baseline_run_id: Annotated[
            strawberry.ID | None, strawberry.argument(description="A run to hold it against; a `COMPARISON` needs one.")
        ] = None,
        idempotency_key: IdempotencyKey = None,
    ) -> LoadTestAnalysisAnswer:
        services, actor = info.context.services, info.context.actor
        baseline = None if baseline_run_id is None else ids.run_number(baseline_run_id)
        found = await analyses.analyze_run(services, actor, kind, ids.run_number(run_id), baseline, idempotency_key)
        return LoadTestAnalysisPayload(analysis=LoadTestAnalysis.of(found))
