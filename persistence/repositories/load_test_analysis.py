"""Analyses of runs, as they were when they were made."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, Row, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.finding import Finding
from domain.load_test_analysis import AnalysisKind, Conclusion, LoadTestAnalysis
from domain.load_test_storage import LoadTestAnalysisStore
from domain.query import LoadTestAnalysisOrder, LoadTestAnalysisQuery, Page
from domain.visibility import Membership
from domain.wording import UNASKED, Wording
from persistence import load_test_tables as tables
from persistence.dialect import among, clock
from persistence.listing import equals, from_place, one_of
from persistence.membership import is_member

ANALYSIS = tables.load_test_analysis
FINDINGS = TypeAdapter(tuple[Finding, ...])
WORDING = TypeAdapter(Wording)
PLAIN = ("project_id", "load_test_id", "run_id", "baseline_run_id", "kind", "model", "seconds", "actor", "created_at")


class LoadTestAnalysisRepository(LoadTestAnalysisStore):
    """The analyses of one unit of work."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._dialect = connection.dialect.name

    async def get_many(self, ids: Sequence[int], membership: Membership) -> dict[int, LoadTestAnalysis]:
        rows = await self._connection.execute(
            select(ANALYSIS).where(among(ANALYSIS.c.id, ids, self._dialect), *is_member(ANALYSIS.c.project_id, membership))
        )
        return {row.id: _analysis(row) for row in rows}

    async def page(self, query: LoadTestAnalysisQuery, membership: Membership) -> Page[LoadTestAnalysis]:
        number = (ANALYSIS.c.id, query.is_descending)
        is_by_number = query.order is LoadTestAnalysisOrder.NUMBER
        order = [number] if is_by_number else [(ANALYSIS.c[query.order.lower()], query.is_descending), number]
        after = query.after[1:] if is_by_number and query.after is not None else query.after
        selected = from_place(select(ANALYSIS).where(*_conditions(query, membership)), order, after).limit(query.first + 1)
        rows = (await self._connection.execute(selected)).all()
        return Page([_analysis(row) for row in rows[: query.first]], has_more=len(rows) > query.first)

    async def count(self, query: LoadTestAnalysisQuery, membership: Membership) -> int:
        selected = select(func.count()).select_from(ANALYSIS).where(*_conditions(query, membership))
        return int((await self._connection.execute(selected)).scalar_one())

    async def add(self, analysis: LoadTestAnalysis) -> LoadTestAnalysis:
        analysis = replace(analysis, created_at=await clock(self._connection))
        conclusion = analysis.conclusion
        values: dict[str, Any] = {name: getattr(analysis, name) for name in PLAIN}
        values |= {"confidence": conclusion.confidence, "score": conclusion.score}
        values["details"] = {
            "findings": FINDINGS.dump_python(conclusion.findings, mode="json"),
            "remarks": list(conclusion.remarks),
            "wording": WORDING.dump_python(analysis.wording, mode="json"),
        }
        number = (await self._connection.execute(ANALYSIS.insert().values(values).returning(ANALYSIS.c.id))).scalar_one()
        return replace(analysis, id=number)


def _conditions(query: LoadTestAnalysisQuery, membership: Membership) -> list[ColumnElement[bool]]:
    return [
        *is_member(ANALYSIS.c.project_id, membership),
        *equals(ANALYSIS.c.project_id, query.project_id),
        *equals(ANALYSIS.c.load_test_id, query.load_test_id),
        *equals(ANALYSIS.c.run_id, query.run_id),
        *equals(ANALYSIS.c.baseline_run_id, query.baseline_run_id),
        *one_of(ANALYSIS.c.kind, query.kinds),
    ]


def _analysis(row: Row[Any]) -> LoadTestAnalysis:
    conclusion = Conclusion(
        confidence=row.confidence,
        score=row.score,
        findings=FINDINGS.validate_python(row.details.get("findings", ())),
        remarks=tuple(row.details.get("remarks", ())),
    )
    plain = {name: getattr(row, name) for name in PLAIN} | {"kind": AnalysisKind(row.kind)}
    said = row.details.get("wording")
    wording = UNASKED if said is None else WORDING.validate_python(said)  # analyses of before there was any have none
    return LoadTestAnalysis(id=row.id, conclusion=conclusion, wording=wording, **plain)
