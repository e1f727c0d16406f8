"""Who sent a plain HTTP request."""

from starlette.requests import Request

from app.container import Container
from domain.actor import Actor
from domain.errors import Unauthenticated


async def actor_of(request: Request, container: Container) -> Actor:
    """The actor behind the request's bearer token; `Unauthenticated` where there is none or it is not valid."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthenticated("A bearer token is needed.")
    return await container.verifier.verify(token.strip())
