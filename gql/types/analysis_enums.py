"""The enums of analyses of load tests as GraphQL enums, as in `gql/types/enums.py`."""

import strawberry

from domain.claim import ClaimProblem as ClaimProblem
from domain.finding import FindingKind as FindingKind
from domain.load_test_analysis import AnalysisKind as AnalysisKind
from domain.query import LoadTestAnalysisOrder as LoadTestAnalysisOrder
from domain.wording import WordingStatus as WordingStatus

strawberry.enum(
    AnalysisKind,
    name="LoadTestAnalysisKind",
    description=(
        "What an analysis of a run looks at. `TPS`: where more load stops bringing TPS, and whether TPS falls under constant "
        "load. `RESPONSE_TIME`: whether response times grow under constant load. `ERROR_RATE`: whether more requests fail "
        "than are allowed, and where errors gather. `RESOURCE_USAGE`: the resource nearest its limit, and what limits to set. "
        "`COMPARISON`: every figure against those of a baseline; the other kinds hold their own figures against it too where one "
        "is given. `COMPREHENSIVE`: all of it."
    ),
)
strawberry.enum(
    FindingKind,
    name="FindingKind",
    description=(
        "What a finding is about. `SATURATION`: from that load on more of it brings no more TPS; `NO_SATURATION`: up to that "
        "load it did. `REGRESSION`, `IMPROVEMENT`: a figure is worse or better than the baseline's. `DRIFT`: response times "
        "grew, or TPS fell, while the load was constant. `ERROR_RATE`: more requests failed than are allowed. `ERROR_BURST`: for "
        "a time far more requests failed than in the rest of the run. `RESOURCE_NEAREST_LIMIT`, `RESOURCE_LIMIT`: how much of a "
        "resource was used, and the limit to set."
    ),
)
strawberry.enum(
    WordingStatus,
    name="WordingStatus",
    description=(
        "Whether an analysis has words of a chat model, and why not. `WORDED`: there are claims. `NOT_CONFIGURED`: the server "
        "had no model. `NOTHING_FOUND`: there was no finding to word. `TIMED_OUT`, `UNREACHABLE`: the model did not answer. "
        "`REFUSED`: its server refused the request, as it does a wrong key or an unknown model. `FAILED`: its server had an "
        "error. `TOO_LARGE`: its answer had no end. `NONSENSE`: it answered something else than claims. `NO_CLAIM_STANDS`: none "
        "of its claims rested on the findings, or it made none."
    ),
)
strawberry.enum(
    ClaimProblem,
    name="ClaimProblem",
    description=(
        "Why a claim of a chat model was dropped. `UNCITED`: it named no finding. `UNKNOWN_FINDING`: it named one that there is "
        "not. `OTHER_FIGURE`: it had a number that is no figure of the findings that it named, or not in that part. "
        "`OTHER_SCENARIO`: it spoke of a scenario that those are not about. `NOT_PLAIN`: it was too long, or no plain line of "
        "English: markup, an address, another script. `REPEATED`: another claim was the same. `TOO_MANY`: there were more than "
        "20. `MALFORMED`: it was no claim."
    ),
)
strawberry.enum(
    LoadTestAnalysisOrder,
    name="LoadTestAnalysisOrder",
    description=(
        "What analyses are sorted by: `NUMBER` (the order in which they were made), `SCORE`, `CONFIDENCE`. Equal ones are "
        "sorted by number."
    ),
)
