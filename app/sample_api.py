"""A small API to try load tests on: a book shop with an OpenAPI document, a Swagger-UI page, and a capacity with a knee.

Each request is served by one of a few workers, which takes its time; who finds all of them busy waits in line, and is turned away
where the line is too long. So throughput rises with the load up to workers / service time, and from there on response times do.
"""

import asyncio
import os
import socket
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from app.web_part import WEB_DIST

LONGEST_LINE = 500
BOOKS = [
    {"id": 1, "title": "Der Zauberberg", "author": "Thomas Mann", "price": 18.0},
    {"id": 2, "title": "토지", "author": "박경리", "price": 24.5},
    {"id": 3, "title": "Ficciones", "author": "Jorge Luis Borges", "price": 12.9},
]
BOOK = {
    "type": "object",
    "required": ["id", "title", "author", "price"],
    "properties": {
        "id": {"type": "integer"},
        "title": {"type": "string"},
        "author": {"type": "string"},
        "price": {"type": "number", "minimum": 0},
    },
}
DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Sample book shop", "version": "1.0", "description": "An API of PLOG to try load tests on."},
    "servers": [{"url": "/"}],
    "tags": [{"name": "books"}, {"name": "orders"}],
    "paths": {
        "/books": {
            "get": {
                "tags": ["books"],
                "summary": "All books, or those with a word in their title",
                "parameters": [{"name": "search", "in": "query", "schema": {"type": "string"}, "example": "Zauberberg"}],
                "responses": {
                    "200": {"description": "The books", "content": {"application/json": {"schema": {"type": "array"}}}}
                },
            }
        },
        "/books/{id}": {
            "get": {
                "tags": ["books"],
                "summary": "One book",
                "parameters": [
                    {"name": "id", "in": "path", "required": True, "schema": {"type": "integer", "minimum": 1}, "example": 2}
                ],
                "responses": {
                    "200": {"description": "The book", "content": {"application/json": {"schema": BOOK}}},
                    "404": {"description": "There is no such book"},
                },
            }
        },
        "/orders": {
            "post": {
                "tags": ["orders"],
                "summary": "Order a book",
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {
                            "schema": {
                                "type": "object",
                                "required": ["book", "copies"],
                                "properties": {
                                    "book": {"type": "integer", "minimum": 1, "maximum": len(BOOKS)},
                                    "copies": {"type": "integer", "minimum": 1, "maximum": 10},
                                },
                            }
                        }
                    },
                },
                "responses": {"201": {"description": "It is ordered"}, "422": {"description": "There is no such book"}},
            }
        },
    },
}
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Sample book shop</title>
<link rel="stylesheet" href="/swagger-ui/swagger-ui.css"></head>
<body><div id="swagger-ui"></div>
<script src="/swagger-ui/swagger-ui-bundle.js"></script>
<script>const ui = SwaggerUIBundle({ url: '/openapi.json', dom_id: '#swagger-ui' });</script>
</body></html>
"""
Handler = Callable[[Request], Awaitable[Response]]


class Shop:
    """The shop and its workers."""

    def __init__(self, workers: int, service_seconds: float) -> None:
        self._workers = asyncio.Semaphore(workers)
        self._service_seconds = service_seconds
        self._in_line = 0

    def app(self) -> Starlette:
        """The API, its document and its page."""
        routes: list[BaseRoute] = [
            Route("/", _page),
            Route("/docs", _page),
            Route("/openapi.json", _document),
            Route("/books", self._served(_books)),
            Route("/books/{id:int}", self._served(_book)),
            Route("/orders", self._served(_order), methods=["POST"]),
        ]
        if (WEB_DIST / "swagger-ui").is_dir():
            routes.append(Mount("/swagger-ui", StaticFiles(directory=WEB_DIST / "swagger-ui")))
        return Starlette(routes=routes)

    def _served(self, handler: Handler) -> Handler:
        """The handler, once a worker has had its time for the request."""

        async def serve(request: Request) -> Response:
            if self._in_line >= LONGEST_LINE:
                return JSONResponse({"error": "Too many are waiting."}, 503, {"Retry-After": "1"})
            self._in_line += 1
            try:
                async with self._workers:
                    await asyncio.sleep(self._service_seconds)
                    return await handler(request)
            finally:
                self._in_line -= 1

        return serve


async def _page(_request: Request) -> Response:
    return HTMLResponse(PAGE)


async def _document(_request: Request) -> Response:
    return JSONResponse(DOCUMENT)


async def _books(request: Request) -> Response:
    word = request.query_params.get("search", "").casefold()
    return JSONResponse([book for book in BOOKS if word in str(book["title"]).casefold()])


async def _book(request: Request) -> Response:
    found = [book for book in BOOKS if book["id"] == request.path_params["id"]]
    return JSONResponse(found[0]) if found else JSONResponse({"error": "There is no such book."}, 404)


async def _order(request: Request) -> Response:
    try:
        order = await request.json()
        is_known = any(book["id"] == order["book"] for book in BOOKS)
    except (ValueError, TypeError, KeyError):
        is_known = False
    return JSONResponse(order, 201) if is_known else JSONResponse({"error": "There is no such book."}, 422)


async def serve(listener: socket.socket, workers: int, service_seconds: float, *, until_input_ends: bool) -> None:
    """Serve the shop until SIGINT or SIGTERM, or until standard input ends, as it does when the process that holds it is gone."""
    server = uvicorn.Server(uvicorn.Config(Shop(workers, service_seconds).app(), log_config=None, lifespan="off"))
    if until_input_ends:

        def leave() -> None:
            if not os.read(sys.stdin.fileno(), 1024):
                asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
                server.should_exit = True

        asyncio.get_running_loop().add_reader(sys.stdin.fileno(), leave)
    await server.serve(sockets=[listener])
