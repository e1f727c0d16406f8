"""Who sent a plain HTTP request."""

from starlette.requests import Request

from app.logs import REQUEST
from app.request_log import subject_of
from domain.actor import Actor
from domain.errors import Unauthenticated
from gql.gateway import Gateway
from resolvers.rights import with_rights
from resolvers.services import Services


async def actor_of(request: Request, services: Services, gateway: Gateway, *, takes_cookie: bool = False) -> Actor:
    """The actor behind the request's bearer token; `Unauthenticated` where there is none or it is not valid.

    Where it `takes_cookie`, a browser's session lets in as well, as for GraphQL: `ForgedRequest` where the request writes, and
    may be sent by another site's page.
    """
    if not takes_cookie and "authorization" not in request.headers:
        raise Unauthenticated("A bearer token is needed.")
    is_trusted = request.method in ("GET", "HEAD") or gateway.trusts_request(request)
    signed_in = await gateway.sign_in(request.headers.get("authorization"), request, is_trusted=is_trusted)
    actor = await with_rights(services, signed_in)
    if (facts := REQUEST.get()) is not None:
        facts.subject = subject_of(actor)
    return actor
