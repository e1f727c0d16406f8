"""A page of kits costs the same number of SQL statements however many kits, jobs and attempts are on it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event

from tests.api.in_process import Plog

PAGE = """query ($first: Int!) { kits(first: $first) { totalCount pageInfo { hasNextPage } nodes { id number status definition
  jobs { id status attempt { number cause } tasks { name status percent }
         attempts(first: 3) { nodes { id status } } artifacts { id name downloadUrl inputIds }
         deckRequest { requestId status } kit { id name } } } } }"""
JOBS = """query ($first: Int!) { jobs(first: $first) { nodes { id type kit { id name } attempts(first: 2) { nodes { number } }
  artifacts { name } deckRequest { requestId } tasks { name } } } }"""
NODES = (
    "query ($ids: [ID!]!) { nodes(ids: $ids) { id ... on Kit { name jobs { artifacts { name } attempts { nodes { id } } } } } }"
)


@contextmanager
def counted(plog: Plog) -> Iterator[list[str]]:
    """The statements sent while the block runs, other than those of the server's own loops."""
    statements: list[str] = []
    database: Any = plog.container.services.database

    def note(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if not any(table in statement for table in ("attempt_claim", "runner", "lease", "clock_timestamp")):
            statements.append(statement)

    engines = {id(each): each.sync_engine for each in (database._writer, database._reader)}
    for engine in engines.values():
        event.listen(engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        for engine in engines.values():
            event.remove(engine, "before_cursor_execute", note)


@pytest.mark.parametrize("plog", ["sqlite", "postgresql"], indirect=True)
@pytest.mark.parametrize(("query", "field"), [(PAGE, "kits"), (JOBS, "jobs")])
async def test_ten_cost_as_many_statements_as_one(plog: Plog, query: str, field: str) -> None:
    for number in range(10):
        await plog.run(f"kit {number}")
    costs = []
    for first in (1, 10):
        with counted(plog) as statements:
            page = await plog.answer(query, first=first)
        assert len(page["nodes"]) == first, field
        costs.append(sum(statement.lstrip().upper().startswith(("SELECT", "WITH")) for statement in statements))
    assert costs[0] == costs[1] <= 10, costs


async def test_nodes_of_many_kits_are_read_at_once(plog: Plog) -> None:
    kits = [await plog.create(f"kit {number}") for number in range(6)]
    costs = []
    for chosen in (kits[:1], kits):
        with counted(plog) as statements:
            found = (await plog.ask(NODES, ids=[kit["id"] for kit in chosen]))["nodes"]
        assert [node["id"] for node in found] == [kit["id"] for kit in chosen]
        costs.append(sum(statement.lstrip().upper().startswith(("SELECT", "WITH")) for statement in statements))
    assert costs[0] == costs[1], costs
