"""The operations that GraphiQL opens with: from creating the demo kit to watching it."""

from app.graphiql import Example
from app.kit_commands import read_document
from app.settings import ROOT

CREATE = """
# Creates a kit on the table of transistors that ships with PLOG. Run it, then start the kit in the next tab.
mutation CreateKit($input: KitInput!) {
  kitCreate(input: $input) {
    __typename
    ... on KitCreatePayload { kit { id number name status jobs { type tasks { name } } } }
    ... on ValidationFailed { message problems { field message } }
  }
}
"""
START = """
# Starts the kit of this id (the first tab's answer has it): its jobs follow one another.
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
LIST = """
# The newest kits with their jobs, what these have left behind, and their latest events.
query Kits {
  kits(first: 5) {
    totalCount
    nodes {
      id number name owner status percent startedAt endedAt
      jobs {
        type status percent
        attempt { number status cause message }
        tasks { name status percent metadata }
        artifacts { name mediaType size downloadUrl }
      }
    }
    pageInfo { hasNextPage endCursor }
  }
}
"""


def examples() -> tuple[Example, ...]:
    """The tabs, in the order in which a newcomer uses them."""
    document = read_document(ROOT / "demo" / "table.json")
    return (
        Example(LIST.strip()),
        Example(CREATE.strip(), {"input": document}),
        Example(START.strip(), {"id": ""}),
        Example(WATCH.strip()),
    )
