"""Sending what no client should send, and seeing what it changes."""

import json
from collections.abc import Mapping
from typing import Any

import orjson
from sqlalchemy import select

from persistence import tables
from tests.api.in_process import Plog

FARTHEST = 2**31 - 1
NUL, SURROGATE = "a\0b", "a\ud800b"


async def fingerprint(plog: Plog) -> dict[str, list[str]]:
    """Everything in the database but the runners' signs of life and the count of writes of a kit's state."""
    kept = {}
    async with plog.container.services.database.snapshot() as work:
        for table in tables.metadata.sorted_tables:
            if table.name != "runner":
                columns = [column for column in table.columns if column is not tables.kit_state.c.revision]
                rows = await work.connection.execute(select(*columns))  # type: ignore[attr-defined]
                kept[table.name] = sorted(map(repr, rows))
    return kept


async def outcome(plog: Plog, query: str, variables: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> str:
    """The code of the refusal, or `OK` with what came instead."""
    body = json.dumps({"query": query, "variables": variables})
    headers = {**(headers or plog.signed_in()), "content-type": "application/json"}
    response = await plog.http.post("/graphql", content=body, headers=headers)
    answer = orjson.loads(response.content)
    if answer.get("errors"):
        return str(answer["errors"][0]["extensions"]["code"])
    (value,) = answer["data"].values()
    return str(value["code"]) if isinstance(value, dict) and "code" in value else f"OK {value}"
