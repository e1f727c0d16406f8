"""Sign-in as the settings want it: an OpenID Connect issuer, or the embedded one with its demo users."""

from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

import httpx

from adapters.identity.attempt_tokens import ATTEMPT_TYPE, SignedAttemptTokens
from adapters.identity.http_issuer import HttpIssuer
from adapters.identity.jwks import DiscoveredKeys, JwksCache
from adapters.identity.local_issuer import IssuerRefused, LocalIssuer, is_loopback
from adapters.identity.local_sign_in import CLIENT_ID, LocalSignIn
from adapters.identity.relying_party import ID_TOKEN_TYPES, OidcRelyingParty
from adapters.identity.verifier import LEEWAY, OidcVerifier, VerifierByType
from adapters.keys import InvalidKeys, Keys
from app.settings import Settings, WrongSetting

ISSUER = "http://plog.localhost/auth/issuer"
ISSUER_PATH = "/auth/issuer"
KEYS_FILE = "keys"
NO_LEEWAY = timedelta()


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInDoors:
    """Who lets people in: by the tokens that they bring, and by their browsers, where those can sign in.

    `issuer` and `local_sign_in` are the embedded issuer, where no other is set.
    """

    verifier: VerifierByType
    relying_party: OidcRelyingParty | None
    issuer: LocalIssuer | None = None
    local_sign_in: LocalSignIn | None = None


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
    address = settings.base_url + ISSUER_PATH
    try:
        secrets = keys.derive("local issuer")
        issuer = LocalIssuer(ISSUER, settings.oidc.audience, secrets, host=settings.host, address=address)
    except IssuerRefused as error:
        raise WrongSetting(str(error)) from None
    public_host = _public_host(settings)
    if not is_loopback(public_host):
        raise WrongSetting(
            f"PLOG_PUBLIC_URL leads to {public_host}, and the embedded sign-in with demo users works on loopback only: "
            "set PLOG_OIDC__ISSUER and PLOG_OIDC__AUDIENCE."
        )
    return issuer


def open_sign_in(settings: Settings, keys: Keys, tokens: SignedAttemptTokens, client: httpx.AsyncClient) -> SignInDoors:
    """All ways in, as the settings want them; `WrongSetting` where that can't be."""
    return _embedded(settings, keys, tokens) if not settings.oidc.issuer else _elsewhere(settings, tokens, client)


def _embedded(settings: Settings, keys: Keys, tokens: SignedAttemptTokens) -> SignInDoors:
    issuer = open_local_issuer(settings, keys)
    sign_in = LocalSignIn(issuer, settings.base_url)
    cache = JwksCache(issuer.fetch_jwks)
    people = OidcVerifier(ISSUER, settings.oidc.audience, cache, leeway=NO_LEEWAY)
    address = settings.base_url + ISSUER_PATH
    id_tokens = OidcVerifier(address, CLIENT_ID, cache, types=ID_TOKEN_TYPES, leeway=NO_LEEWAY)
    return SignInDoors(
        verifier=VerifierByType({ATTEMPT_TYPE: tokens}, people),
        relying_party=OidcRelyingParty(sign_in, id_tokens, CLIENT_ID, base_url=settings.base_url, scopes="openid profile"),
        issuer=issuer,
        local_sign_in=sign_in,
    )


def _elsewhere(settings: Settings, tokens: SignedAttemptTokens, client: httpx.AsyncClient) -> SignInDoors:
    given = settings.oidc
    cache = JwksCache(DiscoveredKeys(client, given.issuer))
    people = OidcVerifier(given.issuer, given.audience, cache, groups_claim=given.groups_claim, client_id=given.client_id)
    verifier = VerifierByType({ATTEMPT_TYPE: tokens}, people)
    if not given.client_id:
        return SignInDoors(verifier=verifier, relying_party=None)
    if not settings.is_https and not is_loopback(_public_host(settings)):
        raise WrongSetting(
            "PLOG_PUBLIC_URL must begin with https:// where PLOG_OIDC__CLIENT_ID is set: browsers keep sessions on https alone."
        )
    party = OidcRelyingParty(
        HttpIssuer(client, given.issuer, given.client_id, given.client_secret.get_secret_value()),
        OidcVerifier(given.issuer, given.client_id, cache, types=ID_TOKEN_TYPES, leeway=LEEWAY),
        given.client_id,
        base_url=settings.base_url,
        scopes=given.scopes,
        groups_claim=given.groups_claim,
    )
    return SignInDoors(verifier=verifier, relying_party=party)


def _public_host(settings: Settings) -> str:
    return urlsplit(settings.base_url).hostname or ""
