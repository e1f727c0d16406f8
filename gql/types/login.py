"""Logins: how load tests identify themselves, and what the schemes of a document offer."""

import strawberry

from domain import login as domain
from gql.types.enums import LoginKind, ParameterLocation


@strawberry.type(description="How the requests of a load test identify themselves. What its kind does not need is empty or null.")
class Login:
    kind: LoginKind = strawberry.field(description="What it is.")
    scheme: str = strawberry.field(description="The security scheme of the document that it follows; empty for none.")
    username: str = strawberry.field(description="Who logs in.")
    secret: str = strawberry.field(
        description="The name of the target's secret that is the password, the token, the key or the client's secret."
    )
    client_id: str = strawberry.field(description="Of OAuth 2: the client.")
    client_secret: str = strawberry.field(
        description="Of OAuth 2 with a password: the name of the secret that is the client's; empty for a client without."
    )
    client_in_body: bool = strawberry.field(
        description="Of OAuth 2: whether the client is named in the body of the token's request, not in its header."
    )
    token_url: str = strawberry.field(description="Of OAuth 2: where the token is fetched.")
    scopes: list[str] = strawberry.field(description="Of OAuth 2: what is asked for.")
    location: ParameterLocation | None = strawberry.field(description="Of an API key: where it goes.")
    parameter: str = strawberry.field(description="Of an API key: the name of the header, parameter or cookie.")

    @classmethod
    def of(cls, login: domain.Login) -> "Login":
        """The type for a login of the domain."""
        return cls(
            kind=login.kind,
            scheme=login.scheme,
            username=login.username,
            secret=login.secret,
            client_id=login.client_id,
            client_secret=login.client_secret,
            client_in_body=login.client_in_body,
            token_url=login.token_url,
            scopes=list(login.scopes),
            location=login.location,
            parameter=login.parameter,
        )


@strawberry.type(description="A login that a target's document offers, to be completed and put into a load test.")
class LoginProposal:
    login: Login = strawberry.field(description="As far as the document tells.")
    wants: list[str] = strawberry.field(description="The fields of `LoginInput` that a person has to add or to confirm.")
    is_elsewhere: bool = strawberry.field(
        description="Whether the document fetches tokens on another server than the target's: `tokenUrl` then has to be said."
    )

    @classmethod
    def of(cls, proposal: domain.LoginProposal) -> "LoginProposal":
        """The type for a proposal of the domain."""
        return cls(login=Login.of(proposal.login), wants=list(proposal.wants), is_elsewhere=proposal.is_elsewhere)


@strawberry.input(
    description=(
        "How the requests of a load test identify themselves: each sends the credential, unless it has a header or parameter of "
        "that name of its own. Passwords, tokens and keys are named as secrets of the target. Which fields there are depends on "
        "the kind; what a scheme of the document says may be left out."
    )
)
class LoginInput:
    kind: LoginKind | None = strawberry.field(default=None, description="What it is. Required.")
    scheme: str | None = strawberry.field(
        default=None, description="The name of a security scheme of the target's document, which tells the rest."
    )
    username: str | None = strawberry.field(default=None, description="Who logs in. Required where there is a password.")
    secret: str | None = strawberry.field(
        default=None,
        description=(
            "The name of the target's secret that is the password, the token, the key or, of client credentials, the client's "
            "secret. Required."
        ),
    )
    client_id: str | None = strawberry.field(default=None, description="Of OAuth 2: the client. Required for its credentials.")
    client_secret: str | None = strawberry.field(
        default=None, description="Of OAuth 2 with a password: the name of the secret that is the client's, if it has one."
    )
    client_in_body: bool | None = strawberry.field(
        default=None, description="Of OAuth 2: name the client in the body of the token's request; by default in its header."
    )
    token_url: str | None = strawberry.field(
        default=None,
        description=(
            "Of OAuth 2: where the token is fetched; by default where the scheme says, if that is where the target is. The "
            "secrets have to be set for that server."
        ),
    )
    scopes: list[str] | None = strawberry.field(default=None, description="Of OAuth 2: what is asked for; nothing by default.")
    location: ParameterLocation | None = strawberry.field(
        default=None, description="Of an API key: `HEADER`, `QUERY` or `COOKIE`; by default as the scheme says."
    )
    parameter: str | None = strawberry.field(
        default=None, description="Of an API key: the name of the header, parameter or cookie; by default as the scheme says."
    )
