"""What browsers do to sign in and out, and who is behind the cookie of one that is signed in."""

import hmac
import logging
from datetime import UTC, datetime
from uuid import UUID, uuid4

from domain.actor import Person
from domain.errors import Unauthenticated, Unavailable
from domain.ports import RelyingParty
from domain.session import SIGN_IN_LIFETIME, AuthorizationAnswer, Session, SignIn, digest, new_token
from resolvers.services import Services

log = logging.getLogger(__name__)
NOT_BEGUN_HERE = (
    "This answer does not belong to a sign-in that this browser has begun, or it was used already, or it took longer than "
    f"{SIGN_IN_LIFETIME.total_seconds() / 60:.0f} minutes."
)


async def begin_sign_in(services: Services, next_path: str) -> tuple[SignIn, str]:
    """A new sign-in, and the issuer's address for it; `ValidationFailed` where it would go on elsewhere than at PLOG."""
    sign_in = SignIn.begin(next_path)
    address = await _relying_party(services).authorization_url(sign_in)
    async with services.database.transaction() as work:
        await work.sessions.begin(digest(sign_in.state), services.issuer, sign_in.next_path, await work.kits.now())
    return sign_in, address


async def claim_sign_in(services: Services, state: str, secret: str | None) -> SignIn:
    """The sign-in of that state, which then is used up on all servers; `Unauthenticated` where it is not this browser's."""
    sign_in = SignIn(secret or "", "/")
    if not (secret and hmac.compare_digest(sign_in.state.encode(), state.encode())):
        raise Unauthenticated(NOT_BEGUN_HERE)
    async with services.database.transaction() as work:
        begun_after = await work.kits.now() - SIGN_IN_LIFETIME
        next_path = await work.sessions.claim(digest(state), services.issuer, begun_after)
    if next_path is None:
        raise Unauthenticated(NOT_BEGUN_HERE)
    return SignIn(sign_in.secret, next_path)


async def complete_sign_in(
    services: Services, sign_in: SignIn, answer: AuthorizationAnswer, previous: str | None
) -> tuple[Session, str]:
    """The session that a claimed sign-in ends in, and its token; the session of the token `previous` ends with that.

    `Unauthenticated` where the issuer does not vouch for anybody, `Unavailable` where it does not answer.
    """
    identity = await _relying_party(services).redeem(sign_in, answer)
    token = new_token()
    async with services.database.transaction() as work:
        now = await work.kits.now()
        session = Session(
            id=uuid4(),
            issuer=services.issuer,
            subject=identity.subject,
            name=identity.name,
            groups=identity.groups,
            created_at=now,
            expires_at=now + services.session_lifetime,
        )
        await work.sessions.add(session, digest(token))
        if previous is not None:
            await work.sessions.end(digest(previous), now)
    log.info("signed in", extra={"subject": session.subject, "session": str(session.id)})
    return session, token


async def end_session(services: Services, token: str) -> UUID | None:
    """End the session of that token, on all servers at once; its id, None where there is none or it had ended."""
    async with services.database.transaction() as work:
        ended = await work.sessions.end(digest(token), await work.kits.now())
    if ended is not None:
        log.info("signed out", extra={"session": str(ended)})
    return ended


async def sign_out_url(services: Services) -> str | None:
    """Where the browser goes to end what the issuer remembers of it; None where there is nothing, or the issuer is away."""
    if services.relying_party is None:
        return None
    try:
        return await services.relying_party.sign_out_url()
    except Unavailable as error:
        log.warning("signed out of PLOG alone: %s", error)
        return None


async def resume_session(services: Services, token: str) -> Person:
    """Who is signed in with that token; `Unauthenticated` once the session is over, or where it is of another issuer."""
    async with services.database.snapshot() as work:
        session = await work.sessions.find(digest(token), services.issuer)
    if session is None or not session.is_alive(datetime.now(UTC)):
        raise Unauthenticated("The session has ended; sign in again.")
    return session.person


def _relying_party(services: Services) -> RelyingParty:
    if services.relying_party is None:
        raise Unauthenticated("Browsers can't sign in here.")
    return services.relying_party
