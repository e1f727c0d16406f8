"""A document as large as any that is read: while it is analysed the server goes on answering."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.api.in_process import BOTH_DATABASES, Plog
from tests.api.test_target import ANALYZE, add
from tests.endurance import Tell
from tests.sites import serving

ENDPOINTS = 20_000
LONGEST_PAUSE = 0.8  # seconds; 0.1 to 0.2 where nobody else wants the processor, 1 to 3 where the work is on the loop


def large_document(version: int) -> str:
    """Each endpoint with parameters, a body behind references, responses; every tenth wants other requests in each version."""
    schema = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}, "size": {"type": "integer"}}}
    paths = {
        f"/groups/{{group}}/things{number}": {
            "post": {
                "operationId": f"changeThing{number}",
                "summary": f"Changes a thing of kind {number}",
                "description": "It takes what the body says. " * 5,
                "tags": [f"group {number % 100}"],
                "parameters": [
                    {"name": "group", "in": "path", "required": True, "schema": {"type": "string"}, "example": "a"},
                    {
                        "name": "limit",
                        "in": "query",
                        "schema": {"type": "integer", "maximum": 100 + version * (number % 10 == 0)},
                    },
                    {"name": "X-Trace", "in": "header", "schema": {"type": "string", "format": "uuid"}},
                ],
                "requestBody": {"content": {"application/json": {"schema": {"$ref": f"#/components/schemas/S{number % 500}"}}}},
                "responses": {"200": {"description": "It", "content": {"application/json": {}}}, "404": {"description": "None"}},
            }
        }
        for number in range(ENDPOINTS)
    }
    document = {"openapi": "3.0.3", "info": {"title": "Large", "version": str(version)}, "paths": paths}
    return json.dumps({**document, "components": {"schemas": {f"S{number}": schema for number in range(500)}}})


@asynccontextmanager
async def longest_pause() -> AsyncIterator[list[float]]:
    """The longest time, in seconds, for which the event loop did nothing else; to be read when the block has ended."""
    found = [0.0]

    async def tick() -> None:
        last = time.perf_counter()
        while True:
            await asyncio.sleep(0.001)
            now = time.perf_counter()
            found[0] = max(found[0], now - last)
            last = now

    ticking = asyncio.create_task(tick())
    try:
        yield found
    finally:
        ticking.cancel()


@pytest.mark.endurance
@BOTH_DATABASES
async def test_the_server_goes_on_answering_while_a_large_document_is_analysed(plog: Plog, tell: Tell) -> None:
    with serving({"/o.json": large_document(0)}) as site:
        target = await add(plog, site.address + "/o.json")
        pauses: list[float] = []
        for version in range(2):
            site.pages["/o.json"] = large_document(version)
            begun = time.perf_counter()
            async with longest_pause() as pause:
                answer: dict[str, Any] = await plog.answer(ANALYZE, id=target["id"])
            tell(f"analysis {version + 1}: {time.perf_counter() - begun:.1f} s, longest pause {pause[0] * 1000:.0f} ms")
            pauses += pause
    analysis = answer["target"]["analysis"]
    assert (analysis["endpointCount"], len(analysis["drift"]["changed"])) == (ENDPOINTS, ENDPOINTS // 10)
    assert max(pauses) < LONGEST_PAUSE
