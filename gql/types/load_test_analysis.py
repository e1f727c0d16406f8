"""Analyses of runs: what was found, how sure that is, and how free of problems the run is."""

from dataclasses import asdict
from datetime import datetime

import strawberry

from domain import finding, wording
from domain import load_test_analysis as domain
from domain.query import LoadTestAnalysisOrder, LoadTestAnalysisQuery, Page
from gql import ids
from gql.context import Info
from gql.types.analysis_enums import AnalysisKind, ClaimProblem, FindingKind, WordingStatus
from gql.types.connection import Connection, checked_first, decode_cursor, encode_cursor, page_parts
from gql.types.load_test_run import LoadTestRun
from gql.types.node import Node
from resolvers import load_test_analysis as analyses


@strawberry.type(description="One fact about a run, with the figure that it rests on.")
class Finding:
    number: int = strawberry.field(description="From 1, in the order found; claims name it.")
    kind: FindingKind = strawberry.field(description="What it is about.")
    scenario: str | None = strawberry.field(description="The scenario; null: all together.")
    figure: str = strawberry.field(description="What `value` is, in words.")
    value: float = strawberry.field(description="The figure.")
    unit: str = strawberry.field(description="Its unit; empty for shares from 0 to 1.")
    baseline: float | None = strawberry.field(description="What it is held against, in the same unit; null for nothing.")
    low: float | None = strawberry.field(
        description="The interval's lower end: of the difference where there is a baseline, else of the value; null for none."
    )
    high: float | None = strawberry.field(description="The interval's upper end.")
    start: datetime | None = strawberry.field(description="When what it is about begins.")
    end: datetime | None = strawberry.field(description="When it ends.")
    confidence: float = strawberry.field(description="How sure it is that chance alone does not make it, 0 to 1.")
    is_problem: bool = strawberry.field(description="Whether it lowers the score.")
    sentence: str = strawberry.field(description="The finding in a sentence.")

    @classmethod
    def of(cls, found: finding.Finding) -> "Finding":
        """The type for a finding of the domain."""
        return cls(**asdict(found))


@strawberry.type(
    description=(
        "What a chat model says of findings, in plain English. Every number in it, the names of scenarios aside, is a figure of "
        "the findings that it names; what it concludes from them is the model's opinion."
    )
)
class Claim:
    text: str = strawberry.field(description="A sentence or two. Scenarios' names stand in it as their authors wrote them.")
    findings: list[int] = strawberry.field(description="The numbers of the findings that it rests on, one at least.")


@strawberry.type(description="Claims of a chat model that were dropped for one reason.")
class DroppedClaims:
    problem: ClaimProblem = strawberry.field(description="The reason.")
    count: int = strawberry.field(description="How many.")


@strawberry.type(description="An analysis in a chat model's words, as far as these rest on its findings.")
class Wording:
    status: WordingStatus = strawberry.field(description="Whether there are any words, and why not.")
    claims: list[Claim] = strawberry.field(description="What stands, what matters most first; empty without `WORDED`.")
    dropped: list[DroppedClaims] = strawberry.field(description="What was dropped of the model's answer, by reason.")

    @classmethod
    def of(cls, said: wording.Wording) -> "Wording":
        """The type for a wording of the domain."""
        return cls(
            status=said.status,
            claims=[Claim(text=each.text, findings=list(each.findings)) for each in said.claims],
            dropped=[DroppedClaims(problem=each.problem, count=each.count) for each in said.dropped],
        )


@strawberry.type(description="An analysis of a run that has ended; it is kept for ever, as it was made.")
class LoadTestAnalysis(Node):
    number: int = strawberry.field(description="The short number that people quote.")
    kind: AnalysisKind = strawberry.field(description="What it looked at.")
    model: str | None = strawberry.field(description="The chat model that worded it; null: statistics alone.")
    seconds: float = strawberry.field(description="How long it took, the model's time included.")
    confidence: float = strawberry.field(
        description=(
            "How much of what its kind looks at could be looked at, and how sure that is, 0 to 1: the mean over its checks. One "
            "that could not be made counts 0, one that found nothing as often as it finds nothing where there is nothing (0.95 "
            "or 0.99), any other as much as its least sure finding. At most 0.5 where the run is `ERROR` or `INVALID`."
        )
    )
    score: float = strawberry.field(
        description=(
            "How free of problems the run is, 0 to 100: 100 less the mean, over the checks that could be made, of the "
            "confidence of each one's surest problem in percent."
        )
    )
    findings: list[Finding] = strawberry.field(description="What was found; empty where nothing stands out.")
    remarks: list[str] = strawberry.field(description="What could not be looked at, and why, in a sentence each.")
    wording: Wording = strawberry.field(description="The findings in a chat model's words, where the server has one.")
    actor: str = strawberry.field(description="The subject of the person who asked for it.")
    created_at: datetime = strawberry.field(description="When it was stored.")
    run_number: strawberry.Private[int]
    baseline_number: strawberry.Private[int | None]

    @strawberry.field(description="The run that was analysed.")
    async def run(self, info: Info) -> LoadTestRun | None:
        run = await info.context.loaders.run_by_id.load(self.run_number)
        return None if run is None else LoadTestRun.of(run)

    @strawberry.field(description="The run that it was held against; null for none.")
    async def baseline_run(self, info: Info) -> LoadTestRun | None:
        run = None if self.baseline_number is None else await info.context.loaders.run_by_id.load(self.baseline_number)
        return None if run is None else LoadTestRun.of(run)

    @classmethod
    def of(cls, analysis: domain.LoadTestAnalysis) -> "LoadTestAnalysis":
        """The type for an analysis of the domain."""
        return cls(
            id=strawberry.ID(ids.encode("LoadTestAnalysis", analysis.id)),
            number=analysis.id,
            kind=analysis.kind,
            model=analysis.model,
            seconds=analysis.seconds,
            confidence=analysis.conclusion.confidence,
            score=analysis.conclusion.score or 0.0,
            findings=[Finding.of(each) for each in analysis.conclusion.findings],
            remarks=list(analysis.conclusion.remarks),
            wording=Wording.of(analysis.wording),
            actor=analysis.actor,
            created_at=analysis.created_at,
            run_number=analysis.run_id,
            baseline_number=analysis.baseline_run_id,
        )


@strawberry.input(description="Which analyses. What is left out does not restrict.")
class LoadTestAnalysisFilter:
    project_id: strawberry.ID | None = strawberry.field(default=None, description="Of runs of the project with this id.")
    load_test_id: strawberry.ID | None = strawberry.field(default=None, description="Of runs of the load test with this id.")
    run_id: strawberry.ID | None = strawberry.field(default=None, description="Of the run with this id.")
    baseline_run_id: strawberry.ID | None = strawberry.field(default=None, description="Held against the run with this id.")
    kinds: list[AnalysisKind] | None = strawberry.field(default=None, description="Of one of these kinds.")


@strawberry.type(description="A page of analyses.")
class LoadTestAnalysisConnection(Connection[LoadTestAnalysis]):
    query: strawberry.Private[LoadTestAnalysisQuery]

    @strawberry.field(description="How many analyses the filter has in all; costs a count.")
    async def total_count(self, info: Info) -> int:
        return await analyses.count_analyses(info.context.services, info.context.actor, self.query)

    @classmethod
    def of(
        cls, page: Page[domain.LoadTestAnalysis], query: LoadTestAnalysisQuery, after: str | None
    ) -> "LoadTestAnalysisConnection":
        """The connection for a page of analyses."""
        kind = f"analysis {query.order}"
        cursors = [encode_cursor(kind, float(_sorted_by(each, query.order)), each.id) for each in page.items]
        nodes = [LoadTestAnalysis.of(each) for each in page.items]
        return cls(query=query, **page_parts(nodes, cursors, has_more=page.has_more, after=after))


def _sorted_by(analysis: domain.LoadTestAnalysis, order: LoadTestAnalysisOrder) -> float:
    if order is LoadTestAnalysisOrder.NUMBER:
        return analysis.id
    score = analysis.conclusion.score or 0.0
    return score if order is LoadTestAnalysisOrder.SCORE else analysis.conclusion.confidence


def load_test_analysis_query(
    chosen: LoadTestAnalysisFilter | None, order: LoadTestAnalysisOrder, is_descending: bool, first: int, after: str | None
) -> LoadTestAnalysisQuery:
    """The domain's query for a filter as sent; what does not exist has no analyses."""
    chosen = chosen or LoadTestAnalysisFilter()
    place = decode_cursor(f"analysis {order}", after, float, int)
    return LoadTestAnalysisQuery(
        project_id=None if chosen.project_id is None else ids.found(ids.project_number, chosen.project_id) or 0,
        load_test_id=None if chosen.load_test_id is None else ids.found(ids.load_test_number, chosen.load_test_id) or 0,
        run_id=None if chosen.run_id is None else ids.found(ids.run_number, chosen.run_id) or 0,
        baseline_run_id=None if chosen.baseline_run_id is None else ids.found(ids.run_number, chosen.baseline_run_id) or 0,
        kinds=frozenset(chosen.kinds or ()),
        order=order,
        is_descending=is_descending,
        after=None if place is None else (place[0], place[1]),
        first=checked_first(first),
    )
