"""The operations on kits that GraphiQL opens with: from creating the demo kit to watching it."""

from app.graphiql import Example
from app.kit_commands import read_document
from app.settings import ROOT
from domain.job_type import JobType
from domain.kit import Kit
from gql.ids import encode

CREATE = """
# Creates a kit on the table of transistors that ships with
# PLOG. Run it, then start the kit in the next tab.
mutation CreateKit($input: KitInput!) {
  kitCreate(input: $input) {
    __typename
    ... on KitCreatePayload { kit { id number name status jobs { type tasks { name } } } }
    ... on ValidationFailed { message problems { field message } }
  }
}
"""
START = """
# Starts the kit that the tab before has created (the first
# tab's answer has the ids of others): its jobs follow one
# another.
mutation StartKit($id: ID!) {
  kitStart(id: $id) {
    __typename
    ... on KitCommandPayload { kit { number status version } }
    ... on UserError { code message }
  }
}
"""
WATCH = """
# The newest kits, and every change of them, live.
subscription WatchKits {
  kits(first: 5) {
    isSnapshot
    changed {
      fromVersion toVersion
      kit { number name status percent jobs { type status percent tasks { name status percent } } }
    }
  }
}
"""
WATCH_ONE = """
# One kit, live: its state now, then every change (the first
# tab's answer has the ids of others).
subscription WatchKit($id: ID!) {
  kitState(id: $id) {
    fromVersion toVersion isSnapshot isMerged
    kit {
      number name status percent
      jobs { type status percent attempt { number cause message } tasks { name status percent } }
    }
  }
}
"""
LOG = """
# What a job writes, live (the first tab's answer has the ids
# of others); `end` is the place to go on from.
subscription JobLog($jobId: ID!) {
  jobLog(jobId: $jobId) { attempt offset end isLast text }
}
"""
LIST = """
# The newest kits with their jobs, and what these have left
# behind.
query Kits {
  kits(first: 5) {
    totalCount
    nodes {
      id number name owner status percent startedAt endedAt
      jobs {
        id type status percent
        attempt { number status cause message }
        tasks { name status percent metadata }
        artifacts { name mediaType size downloadUrl }
      }
    }
    pageInfo { hasNextPage endCursor }
  }
}
"""


def kit_examples(kit: Kit | None) -> tuple[Example, ...]:
    """The tabs, in the order in which a newcomer uses them; `kit` is the one to watch, where there is one."""
    document = read_document(ROOT / "demo" / "table.json")
    created = encode("Kit", 1 if kit is None else kit.id + 1)  # kits are numbered one by one
    kit_id = "" if kit is None else encode("Kit", kit.id)
    job_id = "" if kit is None else encode("Job", kit.job_of(JobType.DOE).id)
    return (
        Example(LIST.strip()),
        Example(CREATE.strip(), {"input": document}),
        Example(START.strip(), {"id": created}),
        Example(WATCH.strip()),
        Example(WATCH_ONE.strip(), {"id": kit_id}),
        Example(LOG.strip(), {"jobId": job_id}),
    )
