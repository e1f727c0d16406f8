"""Targets: the APIs that projects test, and what their documents say."""

from datetime import datetime
from typing import Any
from uuid import UUID

import strawberry

from domain import api_document
from domain import target as domain
from domain.login import login_proposals
from domain.query import NamedOrder, Page, TargetQuery
from domain.version import Version
from gql import ids
from gql.context import Info
from gql.sharing import Volatile
from gql.types import version as versions
from gql.types.artifact import Artifact
from gql.types.connection import (
    After,
    Connection,
    First,
    checked_first,
    checked_text,
    encode_cursor,
    history_query,
    page_parts,
)
from gql.types.enums import OAuthGrant, SecurityKind
from gql.types.login import LoginProposal
from gql.types.node import Node
from gql.types.project import Project, named_cursor, named_place
from resolvers import target as targets


@strawberry.type(description="A flow of OAuth 2.")
class OAuthFlow:
    grant: OAuthGrant = strawberry.field(description="Which one.")
    token_url: str = strawberry.field(description="Where tokens come from; empty where the document does not say.")
    scopes: list[str] = strawberry.field(description="The scopes that can be asked for.")


@strawberry.type(description="A way to identify oneself to an API.")
class SecurityScheme:
    name: str = strawberry.field(description="Its name in the document, as endpoints' `security` quotes it.")
    kind: SecurityKind = strawberry.field(description="What it is.")
    scheme: str = strawberry.field(description="The HTTP authentication scheme or the type, as the document has it.")
    description: str = strawberry.field(description="What the document says of it.")
    location: str = strawberry.field(description="Of an API key: `header`, `query` or `cookie`.")
    parameter: str = strawberry.field(description="Of an API key: the name of the header, parameter or cookie.")
    flows: list[OAuthFlow] = strawberry.field(description="Of OAuth 2: the ways to a token.")
    discovery_url: str = strawberry.field(description="Of OpenID Connect: where its configuration is.")


@strawberry.type(description="A group of endpoints.")
class Tag:
    name: str = strawberry.field(description="Its name.")
    description: str = strawberry.field(description="What the document says of it.")


@strawberry.type(description="An address at which a document was looked for.")
class TriedAddress:
    url: str = strawberry.field(description="The address.")
    outcome: str = strawberry.field(description="What came of it, as in `answers 404 Not Found`.")


@strawberry.type(description="One of several documents that a page offers.")
class NamedAddress:
    name: str = strawberry.field(description="Its name on the page.")
    url: str = strawberry.field(description="Its address: make it the target's to analyse this one.")


@strawberry.type(
    description="What of an endpoint is not what it was: `query limit` (or any parameter, by place and name), "
    "`body application/json`, `response 200`, `security`, `servers`."
)
class EndpointChange:
    endpoint: str = strawberry.field(description="The endpoint, as in `GET /pets`.")
    added: list[str] = strawberry.field(description="What it did not have.")
    removed: list[str] = strawberry.field(description="What it has no more.")
    changed: list[str] = strawberry.field(description="What it still has, but otherwise; other words are no change.")

    @classmethod
    def of(cls, change: api_document.EndpointChange) -> "EndpointChange":
        """The type for a change of the domain."""
        return cls(endpoint=change.endpoint, added=list(change.added), removed=list(change.removed), changed=list(change.changed))


@strawberry.type(description="How a document differs from that of the analysis before. Endpoints are named as in `GET /pets`.")
class Drift:
    added: list[str] = strawberry.field(description="Endpoints that are new.")
    removed: list[str] = strawberry.field(description="Endpoints that are gone.")
    changed: list[str] = strawberry.field(
        description="Endpoints that want other requests or another login, or are at another server; other words are no change."
    )
    servers_added: list[str] = strawberry.field(description="Base addresses that are new.")
    servers_removed: list[str] = strawberry.field(description="Base addresses that are gone.")
    details: list[EndpointChange] = strawberry.field(
        description="What of these has changed, and of those that only answer otherwise; empty for analyses before it was noted."
    )


@strawberry.type(description="What a target's OpenAPI document said when it was analysed.")
class TargetAnalysis:
    number: int = strawberry.field(description="Counts the target's analyses from 1.")
    analyzed_at: datetime = strawberry.field(description="When it was made.")
    actor: str = strawberry.field(description="The subject of the person who asked for it.")
    url: str = strawberry.field(description="The address that was asked.")
    document_url: str = strawberry.field(description="Where the document was.")
    strategy: str = strawberry.field(description="How it was found: `direct`, `Swagger UI` or `well-known paths`.")
    tried: list[TriedAddress] = strawberry.field(description="All addresses that were tried, in order, the document's last.")
    choices: list[NamedAddress] = strawberry.field(description="The documents that the page offers, where it offers several.")
    dialect: str = strawberry.field(description="The format, as in `OpenAPI 3.1.0`.")
    title: str = strawberry.field(description="The API's title.")
    api_version: str = strawberry.field(description="The API's own version.")
    description: str = strawberry.field(description="What the API is for.")
    servers: list[str] = strawberry.field(description="Where the API is served, the document's first choice first.")
    tags: list[Tag] = strawberry.field(description="The groups that the document describes.")
    security_schemes: list[SecurityScheme] = strawberry.field(description="The ways to identify oneself.")
    problems: list[str] = strawberry.field(description="What of the document could not be read, in a sentence each.")
    endpoint_count: int = strawberry.field(description="How many endpoints it has.")
    sha256: str = strawberry.field(description="The SHA-256 checksum of the document's text in UTF-8.")
    size: float = strawberry.field(description="The size of that text in bytes; a whole number.")
    drift: Drift = strawberry.field(description="Against the analysis before; nothing for the first.")
    document_id: strawberry.Private[UUID]

    @strawberry.field(
        description=(
            "The document's text in UTF-8, with the other documents in it that were fetched for its references: the same one "
            "for all analyses of the target that found it."
        )
    )
    async def document(self, info: Info) -> Artifact | None:
        artifact = await info.context.loaders.artifact_by_id.load(self.document_id)
        return None if artifact is None else Artifact.of(artifact)

    @classmethod
    def of(cls, analysis: domain.TargetAnalysis) -> "TargetAnalysis":
        """The type for an analysis of the domain."""
        api = analysis.api
        return cls(
            number=analysis.number,
            analyzed_at=analysis.recorded_at,
            actor=analysis.actor,
            url=analysis.url,
            document_url=analysis.document_url,
            strategy=analysis.strategy,
            tried=[TriedAddress(url=each.url, outcome=each.outcome) for each in analysis.tried],
            choices=[NamedAddress(name=each.name, url=each.url) for each in analysis.choices],
            dialect=api.dialect,
            title=api.title,
            api_version=api.version,
            description=api.description,
            servers=list(api.servers),
            tags=[Tag(name=each.name, description=each.description) for each in api.tags],
            security_schemes=[_security_scheme(each) for each in api.security_schemes],
            problems=list(api.problems),
            endpoint_count=analysis.endpoint_count,
            sha256=analysis.sha256,
            size=analysis.size,
            document_id=analysis.document.id,
            drift=Drift(
                added=list(analysis.drift.added),
                removed=list(analysis.drift.removed),
                changed=list(analysis.drift.changed),
                servers_added=list(analysis.drift.servers_added),
                servers_removed=list(analysis.drift.servers_removed),
                details=[EndpointChange.of(each) for each in analysis.drift.details],
            ),
        )


def _security_scheme(scheme: api_document.SecurityScheme) -> SecurityScheme:
    return SecurityScheme(
        name=scheme.name,
        kind=scheme.kind,
        scheme=scheme.scheme,
        description=scheme.description,
        location=scheme.location,
        parameter=scheme.parameter,
        flows=[OAuthFlow(grant=each.grant, token_url=each.token_url, scopes=list(each.scopes)) for each in scheme.flows],
        discovery_url=scheme.discovery_url,
    )


@strawberry.type(description="A page of a target's analyses, oldest first.")
class TargetAnalysisConnection(Connection[TargetAnalysis]):
    @classmethod
    def of(cls, page: Page[domain.TargetAnalysis], after: str | None) -> "TargetAnalysisConnection":
        """The connection for a page of analyses."""
        cursors = [encode_cursor("analysis", each.number) for each in page.items]
        nodes = [TargetAnalysis.of(each) for each in page.items]
        return cls(**page_parts(nodes, cursors, has_more=page.has_more, after=after))


@strawberry.type(description="What a target was.")
class TargetVersion(versions.Version):
    name: str = strawberry.field(description="Its name then.")
    url: str = strawberry.field(description="Its address then.")
    analysis_number: int | None = strawberry.field(description="The number of its last analysis then; null before the first.")

    @classmethod
    def of(cls, version: Version[domain.TargetDefinition]) -> "TargetVersion":
        """The type for a version of the domain."""
        said = version.definition
        parts = versions.version_parts(version)
        return cls(**parts, name=said.name, url=said.url, analysis_number=version.analysis or None)


@strawberry.type(description="A page of a target's versions, oldest first.")
class TargetVersionConnection(Connection[TargetVersion]):
    @classmethod
    def of(cls, page: Page[Version[domain.TargetDefinition]], after: str | None) -> "TargetVersionConnection":
        """The connection for a page of versions."""
        return cls(**versions.version_page(page, TargetVersion.of, after))


@strawberry.type(description="A secret of a target, by name: its value is never shown.")
class Secret:
    name: str = strawberry.field(description="What load tests call it, as in `${secret:name}`.")
    server: str = strawberry.field(description="The only server that it is sent to: scheme, host and port.")
    actor: str = strawberry.field(description="The subject of the person who set it.")
    updated_at: datetime = strawberry.field(description="When it was set.")
    is_readable: bool = strawberry.field(
        description="Whether the server still has the key that it was encrypted with; where not, it has to be set again."
    )


@strawberry.type(description="An API that a project tests.")
class Target(Node):
    number: int = strawberry.field(description="The short number that people quote.")
    name: str = strawberry.field(description="Its name; no other target of the project that is not archived has it.")
    url: str = strawberry.field(description="The address from which its OpenAPI document is found.")
    version: int = strawberry.field(description="Grows by one with each change and each analysis.")
    created_at: datetime = strawberry.field(description="When it was added.")
    updated_at: datetime = strawberry.field(description="When it was last changed or analysed.")
    archived_at: datetime | None = strawberry.field(description="When it was taken out of the lists.")
    analysis: TargetAnalysis | None = strawberry.field(
        description="What its document said last, but its endpoints, which `endpoints` lists; null before `targetAnalyze`."
    )
    login_proposals: list[LoginProposal] = strawberry.field(
        description="The logins that the document's security schemes make possible for load tests; empty before `targetAnalyze`."
    )
    project_id: strawberry.Private[int]

    @strawberry.field(description="The project that it belongs to.")
    async def project(self, info: Info) -> Project | None:
        project = await info.context.loaders.project_by_id.load(self.project_id)
        return None if project is None else Project.of(project)

    @strawberry.field(description="The secrets that its load tests can use, by name; at most 100.", directives=[Volatile()])
    async def secrets(self, info: Info) -> list[Secret]:
        cipher = info.context.services.secrets
        return [
            Secret(
                name=each.name,
                server=each.origin,
                actor=each.actor,
                updated_at=each.updated_at,
                is_readable=cipher.has_key(each.key_id),
            )
            for each in await info.context.loaders.secrets_by_target.load(self.number)
        ]

    @strawberry.field(description="What it was and is: its versions, oldest first.")
    async def versions(self, info: Info, first: First = 50, after: After = None) -> TargetVersionConnection:
        query = history_query("version", self.number, first, after)
        return TargetVersionConnection.of(await info.context.loaders.histories.targets.load(query), after)

    @strawberry.field(description="All that its documents said, one look after another, oldest first.")
    async def analyses(self, info: Info, first: First = 50, after: After = None) -> TargetAnalysisConnection:
        query = history_query("analysis", self.number, first, after)
        return TargetAnalysisConnection.of(await info.context.loaders.histories.target_analyses.load(query), after)

    @classmethod
    def of(cls, target: domain.Target) -> "Target":
        """The type for a target of the domain."""
        return cls(
            id=strawberry.ID(ids.encode("Target", target.id)),
            number=target.id,
            name=target.definition.name,
            url=target.definition.url,
            version=target.version,
            created_at=target.created_at,
            updated_at=target.updated_at,
            archived_at=target.archived_at,
            analysis=None if target.analysis is None else TargetAnalysis.of(target.analysis),
            login_proposals=[] if target.analysis is None else _login_proposals(target, target.analysis),
            project_id=target.project_id,
        )


def _login_proposals(target: domain.Target, analysis: domain.TargetAnalysis) -> list[LoginProposal]:
    return [LoginProposal.of(each) for each in login_proposals(analysis.api, target.definition.url)]


@strawberry.input(description="A target as people define it.")
class TargetInput:
    url: str = strawberry.field(
        description="Any http(s) address of the API: its OpenAPI document's, its documentation page's, or just its base."
    )
    name: str | None = strawberry.field(default=None, description="Its name, at most 200 characters; else the address's host.")

    def document(self) -> dict[str, Any]:
        """The input as the domain reads it."""
        return {"url": self.url, "name": self.name}


@strawberry.input(description="A secret as people set it. It can be replaced and deleted, and is never shown again.")
class SecretInput:
    name: str | None = strawberry.field(
        default=None, description="What load tests call it: letters, digits and `_`, not a digit first. Required."
    )
    value: str | None = strawberry.field(default=None, description="Its value, of 4 characters to 8,000 bytes. Required.")
    server: str | None = strawberry.field(
        default=None,
        description=(
            "An address of the only server that it may be sent to; by default where the target is. What an identity provider "
            "elsewhere has to get is named here."
        ),
    )


@strawberry.input(description="Which targets. What is left out does not restrict; archived ones are left out unless asked for.")
class TargetFilter:
    project_id: strawberry.ID | None = strawberry.field(default=None, description="Of the project with this id.")
    name_prefix: str | None = strawberry.field(default=None, description="Whose name begins so, letter by letter.")
    is_archived: bool | None = strawberry.field(default=False, description="Archived or not; null for both.")


@strawberry.type(description="A page of targets.")
class TargetConnection(Connection[Target]):
    query: strawberry.Private[TargetQuery]

    @strawberry.field(description="How many targets the filter has in all; costs a count.")
    async def total_count(self, info: Info) -> int:
        return await targets.count_targets(info.context.services, info.context.actor, self.query)

    @classmethod
    def of(cls, page: Page[domain.Target], query: TargetQuery, after: str | None) -> "TargetConnection":
        """The connection for a page of targets."""
        cursors = [named_cursor("target", query.order, each.definition.name, each.id) for each in page.items]
        nodes = [Target.of(each) for each in page.items]
        return cls(query=query, **page_parts(nodes, cursors, has_more=page.has_more, after=after))


def target_query(
    chosen: TargetFilter | None, order: NamedOrder, is_descending: bool, first: int, after: str | None
) -> TargetQuery:
    """The domain's query for a filter as sent; a project that does not exist has no targets."""
    chosen = chosen or TargetFilter()
    project = None if chosen.project_id is None else ids.found(ids.project_number, chosen.project_id) or 0
    return TargetQuery(
        project_id=project,
        name_prefix=checked_text("filter.namePrefix", chosen.name_prefix),
        is_archived=chosen.is_archived,
        order=order,
        is_descending=is_descending,
        after=named_place("target", order, after),
        first=checked_first(first),
    )
