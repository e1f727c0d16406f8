"""The ASGI application: GraphQL, what steps need, downloads, health."""

from datetime import timedelta

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp

from app.auth import Auth
from app.container import Container
from app.demo_issuer import DemoIssuer
from app.files import Files
from app.graphiql import GraphiQL, GraphiQLConfig
from app.kit_examples import kit_examples
from app.load_test_examples import find_known, load_test_examples
from app.permission_examples import permission_examples
from app.request_log import OperationLog, logging_requests
from app.session_cookie import SessionCookies
from app.sign_in import actor_of
from app.web_part import WebPage, assets
from domain import errors
from domain.actor import Actor, Generator
from domain.query import KitQuery
from domain.upload import UploadOffsetMismatch, UploadQuotaExceeded
from domain.visibility import Membership, Visibility
from gql.context import Context
from gql.gateway import ForgedRequest, TransportSettings
from gql.limits import Limits
from gql.origin import ANY
from gql.peer import exposing_transport
from gql.schema import build_schema
from gql.sharing import SharedResults
from gql.transport import GraphQLEndpoint, create_graphql_app
from gql.types.kit import Kit
from gql.types.load_test_run import LoadTestRun
from gql.types.lot_row import LotRow
from gql.types.set_up_model import SetUpModel
from resolvers import attempt as attempts
from resolvers import load_generator as generators
from resolvers.open_streams import OpenStream
from resolvers.rights import rights_of

STATUS_OF: dict[type[errors.UserError], int] = {
    errors.ValidationFailed: 400,
    errors.Unauthenticated: 401,
    errors.PermissionDenied: 403,
    errors.NotFound: 404,
    ForgedRequest: 403,
    UploadOffsetMismatch: 409,
    errors.AttemptSuperseded: 410,
    UploadQuotaExceeded: 413,
    errors.Unavailable: 503,
}
DEMO_TOKEN_LIFETIME = timedelta(hours=12)
DEMO_NOTICE = "Demo sign-in: whoever reaches this server can be anyone. You are Ada; other users' tokens come from `plog token`."


class WebApp:
    """The application of one server, and its open streams, which have to be ended before it can stop."""

    def __init__(self, container: Container) -> None:
        self._container = container
        self._graphiql = GraphiQL(self._graphiql_config) if container.settings.server.graphiql else None
        self._cookies = SessionCookies(container.settings, container.services)
        self.graphql = _graphql(container, self._cookies, self._graphiql)
        origins = container.settings.server.origins
        self.asgi: ASGIApp = exposing_transport(
            logging_requests(
                Starlette(
                    routes=self._routes(),
                    middleware=[
                        Middleware(
                            CORSMiddleware,
                            allow_origins=origins,
                            allow_credentials=bool(origins) and ANY not in origins,
                            allow_methods=["GET", "POST", "HEAD", "PUT"],
                            allow_headers=["authorization", "content-type", "range", "upload-offset", "x-request-id"],
                            expose_headers=["content-range", "etag", "upload-offset", "x-request-id"],
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
            Route("/apply", WebPage("apply.html")),
            assets(),
            Route("/attempt/input", self._attempt_input),
            *Files(self._container, self.graphql.gateway).routes,
            *Auth(self._container, self._cookies).routes,
            Route("/healthz", lambda _: JSONResponse({"status": "ok"})),
            Route("/readyz", self._ready),
        ]
        issuer, sign_in = self._container.issuer, self._container.doors.local_sign_in
        if issuer is not None and sign_in is not None:
            routes += DemoIssuer(issuer, sign_in).routes
        return routes

    async def _graphiql_config(self, is_here: bool) -> GraphiQLConfig:
        """What anybody may see; at this machine, where there are demo users, the first one's token and what they have."""
        issuer = self._container.issuer
        if issuer is None or not is_here:
            return GraphiQLConfig(tabs=(*kit_examples(None), *load_test_examples(None), *permission_examples()))
        shown = issuer.users[0]
        rights = (await rights_of(self._container.services, [shown.subject])).get(shown.subject, frozenset())
        async with self._container.services.database.snapshot() as work:
            kits = (await work.kits.page(KitQuery(first=1), Visibility.of(rights))).items
            known = await find_known(work, Membership(shown.subject))
        token = issuer.issue(shown.username, DEMO_TOKEN_LIFETIME)
        headers = {"Authorization": f"Bearer {token}"}
        tabs = (*kit_examples(next(iter(kits), None)), *load_test_examples(known), *permission_examples())
        return GraphiQLConfig(tabs=tabs, headers=headers, notice=DEMO_NOTICE)

    async def _attempt_input(self, request: Request) -> Response:
        services, actor = self._container.services, await actor_of(request, self._container.services, self.graphql.gateway)
        use_cases = generators if isinstance(actor, Generator) else attempts
        return JSONResponse(await use_cases.input_document(services, actor))

    async def _ready(self, _: Request) -> Response:
        try:
            async with self._container.services.database.snapshot() as work:
                await work.kits.now()
        except errors.Unavailable as error:
            return JSONResponse({"status": "unavailable", "database": error.message}, status_code=503)
        return JSONResponse({"status": "ok", "liveEvents": "ok" if self._container.services.bus.is_linked else "polling"})


def _graphql(container: Container, sessions: SessionCookies, graphiql: GraphiQL | None) -> GraphQLEndpoint:
    settings = container.settings.server
    results = SharedResults()

    async def authenticate(token: str | None) -> Actor:
        if token is None:
            raise errors.Unauthenticated("A bearer token is needed: `Authorization: Bearer …` (`plog token ada` prints one).")
        return await container.verifier.verify(token)

    def make_context(actor: Actor, stream: OpenStream | None) -> Context:
        return Context(
            actor,
            container.services,
            container.live,
            Kit.of,
            LoadTestRun.of,
            LotRow.of,
            SetUpModel.of,
            results,
            stream,
        )

    return create_graphql_app(
        build_schema(Limits(introspection=settings.introspection, cost=settings.max_cost), OperationLog),
        authenticate=authenticate,
        make_context=make_context,
        open_streams=container.open_streams,
        settings=TransportSettings(
            max_body=int(settings.max_body_mb * 1e6),
            max_batch=settings.max_batch,
            own_origin=container.settings.origin,
            origins=settings.origins,
        ),
        sessions=sessions,
        graphiql=graphiql,
    )


async def _refuse(_: Request, error: Exception) -> Response:
    if not isinstance(error, errors.UserError):
        raise error
    headers = {"Upload-Offset": str(error.expected)} if isinstance(error, UploadOffsetMismatch) else {}
    status = STATUS_OF.get(type(error), 400)
    return JSONResponse({"code": error.code, "message": error.message}, status_code=status, headers=headers)
