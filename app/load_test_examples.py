"""The operations on load tests that GraphiQL opens with: from analysing a target to the report of a run."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.demo import USUAL_PORT
from app.graphiql import Example
from domain.load_test import LoadTest
from domain.load_test_run import LoadTestRun, RunStatus
from domain.query import LoadTestQuery, LoadTestRunQuery
from domain.storage import UnitOfWork
from domain.target import Target
from domain.visibility import Membership
from gql.ids import encode

JUDGED = frozenset({RunStatus.PASSED, RunStatus.FAILED})
ADD_TARGET = """
# Adds an API as a target: any address of it, also one of
# yours. It goes to the project of the load test that ran
# last; projectCreate makes another project.
mutation AddTarget($projectId: ID!, $input: TargetInput!) {
  targetAdd(projectId: $projectId, input: $input) {
    __typename
    ... on TargetPayload {
      target { id name url project { id name } }
    }
    ... on UserError { code message }
    ... on ValidationFailed { problems { field message } }
  }
}
"""
ANALYZE = """
# Reads the OpenAPI document of a target again, from any
# address of its API, and says what has changed since.
mutation AnalyzeTarget($id: ID!) {
  targetAnalyze(id: $id) {
    __typename
    ... on TargetPayload {
      target {
        name
        analysis {
          number strategy documentUrl dialect title servers
          endpointCount drift { added removed changed }
        }
      }
    }
    ... on UserError { code message }
  }
}
"""
PREVIEW = """
# What a load test would send, without sending it: its load
# over time, its requests, its k6 script.
query PreviewLoadTest(
  $targetId: ID!, $input: LoadTestInput!
) {
  loadTestPreview(targetId: $targetId, input: $input) {
    problems { field message } remarks
    server lastSecond mostVus
    scenarios {
      expectedRequests
      scenario { name executor { kind profile { second level } } }
      requests { name url headers body }
    }
    script
  }
}
"""
CREATE = """
# Keeps that load test; nothing is sent before it is started.
mutation CreateLoadTest(
  $targetId: ID!, $input: LoadTestInput!
) {
  loadTestCreate(targetId: $targetId, input: $input) {
    __typename
    ... on LoadTestPayload {
      loadTest { id number title server scenarios { name } }
    }
    ... on UserError { code message }
    ... on ValidationFailed { problems { field message } }
  }
}
"""
START = """
# Starts a run of the load test of this id (the answers of
# LoadTestHistory and CreateLoadTest have others).
mutation StartLoadTest($id: ID!) {
  loadTestStart(id: $id) {
    __typename
    ... on LoadTestRunPayload {
      run { id number title status placeInQueue }
    }
    ... on UserError { code message }
  }
}
"""
WATCH_LIST = """
# The newest load tests with their last runs, live.
subscription WatchLoadTests {
  loadTests(first: 10) {
    order isSnapshot
    changed {
      loadTest { number title lastRun { number status message } }
    }
  }
}
"""
WATCH = """
# A run, live: all windows so far, then each as it ends, at
# last the verdict (the answer of StartLoadTest has the id of
# another).
subscription WatchRun($runId: ID!) {
  loadTestMetrics(runId: $runId, include: ALL) {
    isSnapshot isRevision isEnd
    run { number title status message placeInQueue }
    series { scenario windowStart vus tps p50 p95 errorRate }
    pods {
      pod windowStart actualUsage { cpuMillicores memoryMb }
    }
  }
}
"""
LOG = """
# What k6 writes in a run, live; `end` is the place to go on
# from.
subscription RunLog($runId: ID!) {
  loadTestLog(runId: $runId) { offset end isLast text }
}
"""
HISTORY = """
# The newest runs of all load tests, and how the figures of
# one load test went over its runs.
query LoadTestHistory($loadTestId: ID!) {
  loadTestRuns(first: 10) {
    totalCount
    nodes {
      id number title status message startedAt endedAt
      thresholds { scenario metric condition value isMet }
      figures {
        scenario requests tpsMean errorRate p50 p95 p99 mostVus
      }
      loadTest { id target { id url } }
    }
  }
  loadTestTrend(loadTestId: $loadTestId, first: 20) {
    scenario number createdAt status
    requests tpsMean errorRate p50 p95 p99
  }
}
"""
COMPARE = """
# Holds runs against the first of them. It needs two that have
# ended: one of them may be what StartLoadTest has just
# started.
query CompareRuns($runIds: [ID!]!) {
  loadTestComparison(runIds: $runIds, confidence: 0.95) {
    baseline { number title status }
    runs {
      run { number title status }
      isSameLoad remarks
      scenarios {
        scenario windows
        differences {
          figure unit verdict baseline value difference
          low high reason
        }
      }
    }
  }
}
"""
ANALYZE_RUN = """
# What statistics find in a run that has ended: where it
# saturates, bursts of errors, what becomes worse under
# constant load, the nearest limit.
mutation AnalyzeRun($runId: ID!) {
  loadTestAnalyze(kind: COMPREHENSIVE, runId: $runId) {
    __typename
    ... on LoadTestAnalysisPayload {
      analysis {
        number score confidence remarks
        findings {
          number kind scenario sentence value unit low high
          start end confidence isProblem
        }
      }
    }
    ... on UserError { code message }
  }
}
"""
REPORT = """
# The report of a run that has ended, as one page with its
# plots: open the link in another tab of the browser.
mutation ReportRun($runId: ID!) {
  loadTestRunReport(runId: $runId, format: HTML) {
    __typename
    ... on LoadTestRunReportPayload {
      report { name mediaType size sha256 downloadUrl }
    }
    ... on UserError { code message }
  }
}
"""
QUICK_START = """
# From the address of an API, also one of yours, to a run:
# a minute of gentle load on endpoints that are safe to
# call.
mutation QuickStart($url: String!) {
  loadTestQuickStart(url: $url) {
    __typename
    ... on LoadTestRunPayload {
      run {
        id number title status placeInQueue scenarios { name }
        loadTest { description }
      }
    }
    ... on UserError { code message }
  }
}
"""
STOP = """
# Stops a run before its end; its figures so far stay. Give
# it the id of a run: the answers of StartLoadTest and
# QuickStart have one.
mutation StopRun($id: ID!) {
  loadTestStop(id: $id) {
    __typename
    ... on LoadTestRunPayload { run { number status message } }
    ... on UserError { code message }
  }
}
"""


@dataclass(frozen=True, slots=True)
class Known:
    """A load test with its target, the newest run of all, and the load test's judged runs, the newest first."""

    load_test: LoadTest
    target: Target
    newest: LoadTestRun | None
    judged: Sequence[LoadTestRun]


async def find_known(work: UnitOfWork, membership: Membership) -> Known | None:
    """The load test that ran last, or else the newest one, in these projects; None where there is none."""
    newest = next(iter((await work.load_test_runs.page(LoadTestRunQuery(first=1), membership)).items), None)
    if newest is None:
        load_test = next(iter((await work.load_tests.page(LoadTestQuery(first=1), membership)).items), None)
    else:
        load_test = (await work.load_tests.get_many([newest.load_test_id], membership))[newest.load_test_id]
    if load_test is None:
        return None
    target = (await work.targets.get_many([load_test.target_id], membership))[load_test.target_id]
    judged = await work.load_test_runs.page(LoadTestRunQuery(load_test_id=load_test.id, statuses=JUDGED, first=2), membership)
    return Known(load_test, target, newest, judged.items)


def load_test_examples(known: Known | None) -> tuple[Example, ...]:
    """The tabs, in the order in which a newcomer uses them, with the ids of what is there."""
    load_test = "" if known is None else encode("LoadTest", known.load_test.id)
    project = "" if known is None else encode("Project", known.target.project_id)
    target = "" if known is None else encode("Target", known.target.id)
    number = 1 if known is None else known.load_test.id + 1
    url = f"http://127.0.0.1:{USUAL_PORT}/docs" if known is None else known.target.definition.url
    newest = 0 if known is None or known.newest is None else known.newest.id
    judged = [] if known is None else [each.id for each in known.judged]
    made = {"targetId": target, "input": _input(known, number)}
    # Where only one run can be compared the other one is the next that is started: runs are numbered one by one.
    compared = [*reversed(judged), *([newest + 1] if len(judged) == 1 else [])]
    watched = encode("LoadTestRun", newest) if newest else ""
    ended = encode("LoadTestRun", judged[0]) if judged else watched
    return (
        Example(HISTORY.strip(), {"loadTestId": load_test}),
        Example(ADD_TARGET.strip(), {"projectId": project, "input": {"url": url, "name": f"My API {number}"}}),
        Example(ANALYZE.strip(), {"id": target}),
        Example(PREVIEW.strip(), made),
        Example(CREATE.strip(), made),
        Example(START.strip(), {"id": load_test}),
        Example(WATCH_LIST.strip()),
        Example(WATCH.strip(), {"runId": watched}),
        Example(LOG.strip(), {"runId": watched}),
        Example(COMPARE.strip(), {"runIds": [encode("LoadTestRun", each) for each in compared]}),
        Example(ANALYZE_RUN.strip(), {"runId": ended}),
        Example(REPORT.strip(), {"runId": ended}),
        Example(QUICK_START.strip(), {"url": url}),
        Example(STOP.strip(), {"id": ""}),
    )


def _input(known: Known | None, number: int) -> dict[str, Any]:
    """A small load test of what the known one calls without changing anything."""
    endpoints = ("GET /books",) if known is None else known.load_test.definition.endpoints
    scenario = {
        "name": "browse",
        "requests": [{"endpoint": each} for each in endpoints if each.startswith(("GET ", "HEAD "))],
        "executor": {
            "kind": "RAMPING_VUS",
            "startVUs": 1,
            "stages": [{"duration": 10, "target": 5}, {"duration": 20, "target": 5}],
        },
        "thinkTime": {"shortest": 0.1, "longest": 0.3},
        "responseTime": 500,
        "errorRate": 0.01,
    }
    return {"title": f"A small load test {number}", "scenarios": [scenario]}
