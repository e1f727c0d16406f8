"""The sample API: what load tests are tried on has a document, a page, and a capacity that ends."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from adapters.documents.finder import DocumentFinder
from app.sample_api import LONGEST_LINE
from app.sample_api_commands import bind
from domain.openapi import read_openapi
from outbound.names import NameLookup
from tests.e2e.server import PLOG


@contextmanager
def sample_api(*options: str, **streams: Any) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The program with its address."""
    command = [str(PLOG), "sample-api", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **streams) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip().removesuffix("/docs"), process
        finally:
            process.kill()


async def test_its_page_leads_to_a_document_and_its_endpoints_answer() -> None:
    with sample_api("--service-ms", "0") as (address, _):
        finder = DocumentFinder(NameLookup(), allows_private=True, max_seconds=10)
        found = await finder.find(f"{address}/docs")
        api = read_openapi(finder.read(found.content), found.url)
        assert api.title == "Sample book shop" and not api.problems
        assert [each.key for each in api.endpoints] == ["GET /books", "GET /books/{id}", "POST /orders"]
        async with httpx.AsyncClient(base_url=address) as client:
            assert [book["id"] for book in (await client.get("/books", params={"search": "zauber"})).json()] == [1]
            assert (await client.get("/books/2")).json()["author"] == "박경리"
            assert (await client.get("/books/9")).status_code == 404
            answers = [await client.post("/orders", content=each) for each in ('{"book": 1}', '{"book": 9}', "[", "7", '"x"')]
            assert [each.status_code for each in answers] == [201, 422, 422, 422, 422]


async def test_beyond_its_capacity_requests_wait() -> None:
    with sample_api("--workers", "2", "--service-ms", "100") as (address, _):
        async with httpx.AsyncClient(base_url=address) as client:
            began = time.monotonic()
            served = await asyncio.gather(*(client.get("/books") for _ in range(10)))
            assert {each.status_code for each in served} == {200} and time.monotonic() - began >= 0.5


async def test_where_too_many_wait_more_are_turned_away() -> None:
    with sample_api("--workers", "1", "--service-ms", "10000") as (address, _):
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(base_url=address, timeout=60, limits=limits) as client:
            many = [asyncio.create_task(client.get("/books")) for _ in range(LONGEST_LINE + 50)]
            answers = [await each for each, _ in zip(asyncio.as_completed(many), range(20), strict=False)]
            assert 503 in {each.status_code for each in answers}
            assert "Too many" in next(each.text for each in answers if each.status_code == 503)
            for each in many:
                each.cancel()
            await asyncio.gather(*many, return_exceptions=True)


@pytest.mark.parametrize("way", ["input", "signal"])
def test_it_ends_with_whoever_started_it(way: str) -> None:
    with sample_api("--until-input-ends", stdin=subprocess.PIPE) as (address, process):
        assert httpx.get(f"{address}/openapi.json").status_code == 200
        if way == "input":
            assert process.stdin is not None
            process.stdin.close()
        else:
            os.kill(process.pid, signal.SIGINT)
        assert process.wait(10) in (0, -signal.SIGINT, 130)


def test_who_connects_before_it_serves_is_not_refused() -> None:
    with bind(0, or_any_port=False) as listener, socket.create_connection(listener.getsockname(), timeout=5):
        pass


def test_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        refused = subprocess.run([str(PLOG), "sample-api", "--port", port], capture_output=True, text=True, check=False)
        assert refused.returncode == 2 and "--port" in refused.stderr and "Traceback" not in refused.stderr
        with sample_api("--port", port, "--or-any-port") as (address, _):
            assert json.loads(httpx.get(f"{address}/openapi.json").text)["openapi"] == "3.1.0" and port not in address
