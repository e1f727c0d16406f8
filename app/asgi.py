"""The ASGI application: GraphQL, what steps need, downloads, health."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from urllib.parse import quote
from uuid import UUID

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp

from adapters.signed_urls import UrlCheck
from app.container import Container
from app.examples import EXAMPLES
from app.graphiql import GraphiQL, GraphiQLConfig
from app.logs import naming_requests
from domain import errors
from domain.actor import Actor
from domain.upload import UploadOffsetMismatch
from gql.context import Context
from gql.gateway import TransportSettings
from gql.limits import Limits
from gql.peer import exposing_transport
from gql.schema import build_schema
from gql.transport import GraphQLEndpoint, create_graphql_app
from gql.types.kit import Kit
from resolvers import artifact as artifacts
from resolvers import attempt as attempts
from resolvers import upload as uploads

STATUS_OF: dict[type[errors.UserError], int] = {
    errors.ValidationFailed: 400,
    errors.Unauthenticated: 401,
    errors.PermissionDenied: 403,
    errors.NotFound: 404,
    UploadOffsetMismatch: 409,
    errors.AttemptSuperseded: 410,
    errors.Unavailable: 503,
}
MAX_ARTIFACT = 100 * 10**9
DEMO_TOKEN_LIFETIME = timedelta(hours=12)


class WebApp:
    """The application of one server, and its open streams, which have to be ended before it can stop."""

    def __init__(self, container: Container) -> None:
        self._container = container
        self._graphiql = GraphiQL(self._graphiql_config) if container.settings.server.graphiql else None
        self.graphql = _graphql(container, self._graphiql)
        self.asgi: ASGIApp = exposing_transport(
            naming_requests(
                Starlette(
                    routes=self._routes(),
                    middleware=[
                        Middleware(
                            CORSMiddleware,
                            allow_origins=container.settings.server.origins,
                            allow_methods=["GET", "POST", "HEAD", "PUT"],
                            allow_headers=["authorization", "content-type"],
                            allow_credentials=True,
                        )
                    ],
                    exception_handlers={errors.UserError: _refuse},
                )
            )
        )

    def _routes(self) -> list[BaseRoute]:
        routes: list[BaseRoute] = [
            Route("/", lambda _: RedirectResponse("/graphql")),
            Route("/graphql", self.graphql),
            WebSocketRoute("/graphql", self.graphql),
            *(self._graphiql.routes if self._graphiql is not None else ()),
            Route("/attempt/input", self._attempt_input),
            Route("/attempt/artifacts/{sha256}", self._upload, methods=["HEAD", "PUT"]),
            Route("/uploads/{sha256}", self._upload, methods=["HEAD", "PUT"]),
            Route("/uploads/{owner}/{sha256}", self._download_upload),
            Route("/artifacts/{id:uuid}", self._download, methods=["GET", "HEAD"]),
            Route("/healthz", lambda _: JSONResponse({"status": "ok"})),
            Route("/readyz", self._ready),
        ]
        issuer = self._container.issuer
        if issuer is not None:
            discovery, jwks = issuer.discovery, issuer.jwks
            routes += [
                Route("/auth/issuer/.well-known/openid-configuration", lambda _: JSONResponse(dict(discovery()))),
                Route("/auth/issuer/jwks.json", lambda _: JSONResponse(dict(jwks()))),
            ]
        return routes

    def _graphiql_config(self) -> GraphiQLConfig:
        issuer = self._container.issuer
        token = None if issuer is None else issuer.issue(issuer.users[0].username, DEMO_TOKEN_LIFETIME)
        return GraphiQLConfig(tabs=EXAMPLES, headers={} if token is None else {"Authorization": f"Bearer {token}"})

    async def _actor(self, request: Request) -> Actor:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise errors.Unauthenticated("A bearer token is needed.")
        return await self._container.verifier.verify(token.strip())

    async def _attempt_input(self, request: Request) -> Response:
        document = await attempts.input_document(self._container.services, await self._actor(request))
        return JSONResponse(document)

    async def _upload(self, request: Request) -> Response:
        services, actor, sha256 = self._container.services, await self._actor(request), request.path_params["sha256"]
        if len(sha256) != 64 or not set(sha256) <= set("0123456789abcdef"):
            raise errors.ValidationFailed.of("sha256", "must be 64 lower-case hexadecimal digits")
        size = _whole(request.query_params.get("size", ""), "size")
        use_cases = attempts if request.url.path.startswith("/attempt/") else uploads
        if request.method == "HEAD":
            offset = await use_cases.upload_offset(services, actor, sha256)
            return Response(headers={"Upload-Offset": str(offset)})
        offset = _whole(request.headers.get("upload-offset", "0"), "Upload-Offset")
        await use_cases.upload(services, actor, sha256, size, offset, request.stream())
        return Response(status_code=204)

    async def _download(self, request: Request) -> Response:
        artifact_id: UUID = request.path_params["id"]
        if (refusal := self._check_link(request)) is not None:
            return refusal
        artifact = await artifacts.artifact_behind_link(self._container.services, artifact_id)
        headers = {
            "Content-Type": artifact.media_type,
            "Content-Disposition": _disposition(artifact.name),
            "ETag": f'"{artifact.sha256}"',
        }
        return self._content(request, artifact.location, artifact.size, headers)

    async def _download_upload(self, request: Request) -> Response:
        if (refusal := self._check_link(request)) is not None:
            return refusal
        location = request.url.path.removeprefix("/")
        size = await self._container.services.artifacts.size(location)
        if size is None:
            raise errors.NotFound("upload", request.path_params["sha256"])
        return self._content(request, location, size, {"Content-Type": "application/zip"})

    def _check_link(self, request: Request) -> Response | None:
        check = self._container.signed_urls.verify("GET", request.url.path, request.url.query, datetime.now(UTC))
        if check is UrlCheck.VALID:
            return None
        message = "This link has expired; ask for a new one." if check is UrlCheck.EXPIRED else "This link is not valid."
        return JSONResponse({"code": f"LINK_{check}", "message": message}, status_code=403)

    def _content(self, request: Request, location: str, size: int, headers: dict[str, str]) -> Response:
        start, end = _range(request.headers.get("range"), size)
        headers |= {
            "Content-Length": str(end - start),
            "Accept-Ranges": "bytes",
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "sandbox; default-src 'none'",
        }
        is_part = (start, end) != (0, size)
        if is_part:
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        status = 206 if is_part else 200
        if request.method == "HEAD":
            return Response(status_code=status, headers=headers)
        body: AsyncIterator[bytes] = self._container.services.artifacts.read(location, start, end)
        return StreamingResponse(body, status_code=status, headers=headers)

    async def _ready(self, _: Request) -> Response:
        try:
            async with self._container.services.database.snapshot() as work:
                await work.kits.now()
        except errors.Unavailable as error:
            return JSONResponse({"status": "unavailable", "database": error.message}, status_code=503)
        return JSONResponse({"status": "ok", "liveEvents": "ok" if self._container.services.bus.is_linked else "polling"})


def _graphql(container: Container, graphiql: GraphiQL | None) -> GraphQLEndpoint:
    settings = container.settings.server

    async def authenticate(token: str | None) -> Actor:
        if token is None:
            raise errors.Unauthenticated("A bearer token is needed: `Authorization: Bearer …` (`plog token ada` prints one).")
        return await container.verifier.verify(token)

    def make_context(actor: Actor, _: HTTPConnection) -> Context:
        return Context(actor, container.services, container.live, Kit.of)

    return create_graphql_app(
        build_schema(Limits(introspection=settings.introspection, cost=settings.max_cost)),
        authenticate=authenticate,
        make_context=make_context,
        settings=TransportSettings(
            max_body=int(settings.max_body_mb * 1e6), max_batch=settings.max_batch, origins=settings.origins
        ),
        graphiql=graphiql,
    )


async def _refuse(_: Request, error: Exception) -> Response:
    if not isinstance(error, errors.UserError):
        raise error
    headers = {"Upload-Offset": str(error.expected)} if isinstance(error, UploadOffsetMismatch) else {}
    status = STATUS_OF.get(type(error), 400)
    return JSONResponse({"code": error.code, "message": error.message}, status_code=status, headers=headers)


def _whole(text: str, field: str) -> int:
    if not text.isdecimal() or len(text) > 15 or int(text) > MAX_ARTIFACT:
        raise errors.ValidationFailed.of(field, f"must be a whole number from 0 to {MAX_ARTIFACT}")
    return int(text)


def _range(header: str | None, size: int) -> tuple[int, int]:
    """The part asked for by `bytes=START-[END]`; everything for any other header (RFC 9110 lets a server ignore it)."""
    unit, _, span = (header or "").partition("=")
    first, _, last = span.partition("-")
    if unit != "bytes" or not first.isdecimal() or (last and not last.isdecimal()):
        return 0, size
    start, end = int(first), min(int(last) + 1, size) if last else size
    return (start, end) if start < end else (0, size)


def _disposition(name: str) -> str:
    quoted = json.dumps(name)[1:-1] if name.isascii() else "artifact"
    return f"attachment; filename=\"{quoted}\"; filename*=UTF-8''{quote(name, safe='')}"
