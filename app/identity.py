"""Sign-in as the settings want it: an OpenID Connect issuer, or the embedded one with its demo users."""

from datetime import timedelta

import httpx

from adapters.identity.attempt_tokens import ATTEMPT_TYPE, SignedAttemptTokens
from adapters.identity.jwks import DiscoveredKeys, JwksCache
from adapters.identity.local_issuer import IssuerRefused, LocalIssuer
from adapters.identity.verifier import OidcVerifier, VerifierByType
from adapters.keys import InvalidKeys, Keys
from app.settings import Settings, WrongSetting


def read_keys(settings: Settings) -> Keys:
    """The server's secret keys; `WrongSetting` where they can't be used."""
    entries = [key.get_secret_value() for key in settings.secrets.keys]
    try:
        return Keys.parse(entries) if entries else Keys.from_file(settings.home / "keys")
    except InvalidKeys as error:
        raise WrongSetting(str(error)) from None


def open_local_issuer(settings: Settings, keys: Keys) -> LocalIssuer | None:
    """The embedded issuer where no other is set; `WrongSetting` unless it stays on loopback."""
    if settings.oidc.issuer:
        return None
    issuer = "http://plog.localhost/auth/issuer"
    try:
        return LocalIssuer(issuer, settings.oidc.audience, keys.derive("local issuer"), host=settings.host)
    except IssuerRefused as error:
        raise WrongSetting(str(error)) from None


def open_verifier(
    settings: Settings, issuer: LocalIssuer | None, tokens: SignedAttemptTokens, client: httpx.AsyncClient
) -> VerifierByType:
    """What checks every bearer token: of attempts by PLOG's own keys, of people by their issuer's."""
    if issuer is not None:
        name = str(issuer.discovery()["issuer"])
        people = OidcVerifier(name, settings.oidc.audience, JwksCache(issuer.fetch_jwks), leeway=timedelta())
    else:
        name = settings.oidc.issuer
        keys = JwksCache(DiscoveredKeys(client, name))
        people = OidcVerifier(name, settings.oidc.audience, keys, groups_claim=settings.oidc.groups_claim)
    return VerifierByType({ATTEMPT_TYPE: tokens}, people)
