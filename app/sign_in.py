"""Who sent a plain HTTP request."""

from starlette.requests import Request

from app.container import Container
from app.logs import REQUEST
from app.request_log import subject_of
from domain.actor import Actor
from domain.errors import Unauthenticated
from resolvers.rights import with_rights


async def actor_of(request: Request, container: Container) -> Actor:
    """The actor behind the request's bearer token; `Unauthenticated` where there is none or it is not valid."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthenticated("A bearer token is needed.")
    actor = await with_rights(container.services, await container.verifier.verify(token.strip()))
    if (facts := REQUEST.get()) is not None:
        facts.subject = subject_of(actor)
    return actor
