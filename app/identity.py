"""Sign-in as the settings want it: an OpenID Connect issuer, or the embedded one with its demo users."""

from datetime import timedelta
from urllib.parse import urlsplit

import httpx

from adapters.identity.attempt_tokens import ATTEMPT_TYPE, SignedAttemptTokens
from adapters.identity.jwks import DiscoveredKeys, JwksCache
from adapters.identity.local_issuer import IssuerRefused, LocalIssuer, is_loopback
from adapters.identity.verifier import OidcVerifier, VerifierByType
from adapters.keys import InvalidKeys, Keys
from app.settings import Settings, WrongSetting

ISSUER = "http://plog.localhost/auth/issuer"
KEYS_FILE = "keys"


def read_keys(settings: Settings) -> Keys:
    """The server's secret keys; `WrongSetting` where they can't be used."""
    entries = [key.get_secret_value() for key in settings.secrets.keys]
    try:
        return Keys.parse(entries) if entries else Keys.from_file(settings.home / KEYS_FILE)
    except InvalidKeys as error:
        raise WrongSetting(str(error)) from None


def demo_token(settings: Settings, name: str, lifetime: timedelta) -> str:
    """A demo user's token, signed with the keys that the server has made; `WrongSetting` where there are none."""
    if settings.oidc.issuer:
        raise WrongSetting("PLOG_OIDC__ISSUER is set, so there are no demo users; give a token of your issuer with --token.")
    if not settings.secrets.keys and not (settings.home / KEYS_FILE).exists():
        home = settings.home.absolute()
        raise WrongSetting(f"There is no PLOG data in {home}: set PLOG_HOME to the server's data folder, or give --token.")
    return open_local_issuer(settings, read_keys(settings)).issue(name, lifetime)


def open_local_issuer(settings: Settings, keys: Keys) -> LocalIssuer:
    """The embedded issuer; `WrongSetting` unless the server is reached from this machine only."""
    try:
        issuer = LocalIssuer(ISSUER, settings.oidc.audience, keys.derive("local issuer"), host=settings.host)
    except IssuerRefused as error:
        raise WrongSetting(str(error)) from None
    public_host = urlsplit(settings.base_url).hostname or ""
    if not is_loopback(public_host):
        raise WrongSetting(
            f"PLOG_PUBLIC_URL leads to {public_host}, and the embedded sign-in with demo users works on loopback only: "
            "set PLOG_OIDC__ISSUER and PLOG_OIDC__AUDIENCE."
        )
    return issuer


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
