"""Endpoints: what can be called."""

from dataclasses import asdict

import strawberry
from strawberry.scalars import JSON

from domain import endpoint as domain
from domain.query import EndpointQuery, Page
from gql import ids
from gql.types.connection import Connection, checked_first, checked_text, decode_cursor, encode_cursor, page_parts
from gql.types.enums import Method, ParameterLocation
from gql.types.node import Node

SCHEMA = "Its JSON Schema as the document writes it; true where there is none."
EXAMPLES = "Values that the document gives, the best first."


@strawberry.type(description="A parameter of an endpoint.")
class Parameter:
    name: str = strawberry.field(description="Its name.")
    location: ParameterLocation = strawberry.field(description="Where a request carries it.")
    is_required: bool = strawberry.field(description="Whether it must be sent.")
    description: str = strawberry.field(description="What the document says of it.")
    schema: JSON = strawberry.field(description=SCHEMA)
    examples: list[JSON] = strawberry.field(description=EXAMPLES)
    style: str = strawberry.field(description="How lists and objects are written, by OpenAPI 3: `form`, `simple`, `deepObject` …")
    explode: bool = strawberry.field(description="Whether each value of a list or object is written as a parameter of its own.")
    media_type: str | None = strawberry.field(description="Set where the value is itself a document, as in `application/json`.")
    allows_reserved: bool = strawberry.field(
        description="Whether the reserved characters that a query's value may have are sent as they are."
    )


@strawberry.type(description="How a field of a form is written, and whether it is a file.")
class FormField:
    name: str = strawberry.field(description="Its name.")
    style: str | None = strawberry.field(
        description="As of a query parameter; null where it is written by its media type, each element of a list as a field."
    )
    explode: bool = strawberry.field(description="As of a parameter.")
    allows_reserved: bool = strawberry.field(description="As of a parameter.")
    media_type: str | None = strawberry.field(description="The media type of its value, where the document names one.")
    is_file: bool = strawberry.field(description="Whether it is sent as a file.")


@strawberry.type(description="A form in which an endpoint takes its body.")
class RequestBody:
    media_type: str = strawberry.field(description="The media type of that form.")
    is_required: bool = strawberry.field(description="Whether a body must be sent.")
    schema: JSON = strawberry.field(description=SCHEMA)
    examples: list[JSON] = strawberry.field(description=EXAMPLES)
    fields: list[FormField] = strawberry.field(
        description="Of an HTML form: the fields of which the document says how they are written, or which are files."
    )


@strawberry.type(description="What an endpoint may answer.")
class EndpointResponse:
    status: str = strawberry.field(description="Three digits, a class as in `2XX`, or `default`.")
    description: str = strawberry.field(description="What the document says of it.")
    media_types: list[str] = strawberry.field(description="The forms in which the answer may come.")


@strawberry.type(description="One operation of an API: a method on a path.")
class Endpoint(Node):
    method: Method = strawberry.field(description="The HTTP method.")
    path: str = strawberry.field(description="The path, with its parameters in braces.")
    operation_id: str = strawberry.field(description="The name that the document gives it for programs; empty for none.")
    summary: str = strawberry.field(description="What it does, in a line.")
    description: str = strawberry.field(description="What it does, at length.")
    tags: list[str] = strawberry.field(description="The groups that it belongs to.")
    is_safe: bool = strawberry.field(description="Whether calling it changes nothing on the server, by its method.")
    is_deprecated: bool = strawberry.field(description="Whether the document advises against it.")
    parameters: list[Parameter] = strawberry.field(description="Its parameters.")
    bodies: list[RequestBody] = strawberry.field(description="The forms in which it takes a body; none where it takes no body.")
    responses: list[EndpointResponse] = strawberry.field(description="What it may answer.")
    security: list[list[str]] = strawberry.field(
        description="The alternatives to identify oneself, each the names of the security schemes that go together; empty: none."
    )
    servers: list[str] = strawberry.field(description="Where it is served, if elsewhere than the rest of the API.")

    @classmethod
    def of(cls, target_id: int, analysis: int, place: int, endpoint: domain.Endpoint) -> "Endpoint":
        """The type for an endpoint of the domain at its place in an analysis."""
        return cls(
            id=strawberry.ID(ids.encode("Endpoint", target_id, analysis, place)),
            method=endpoint.method,
            path=endpoint.path,
            operation_id=endpoint.operation_id,
            summary=endpoint.summary,
            description=endpoint.description,
            tags=list(endpoint.tags),
            is_safe=endpoint.is_safe,
            is_deprecated=endpoint.is_deprecated,
            parameters=[_parameter(each) for each in endpoint.parameters],
            bodies=[_body(each) for each in endpoint.bodies],
            responses=[_response(each) for each in endpoint.responses],
            security=[list(each) for each in endpoint.security],
            servers=list(endpoint.servers),
        )


def _parameter(parameter: domain.Parameter) -> Parameter:
    return Parameter(
        name=parameter.name,
        location=parameter.location,
        is_required=parameter.is_required,
        description=parameter.description,
        schema=JSON(parameter.schema),
        examples=[JSON(each) for each in parameter.examples],
        style=parameter.style,
        explode=parameter.explode,
        media_type=parameter.media_type,
        allows_reserved=parameter.allows_reserved,
    )


def _body(body: domain.RequestBody) -> RequestBody:
    return RequestBody(
        media_type=body.media_type,
        is_required=body.is_required,
        schema=JSON(body.schema),
        examples=[JSON(each) for each in body.examples],
        fields=[FormField(**asdict(each)) for each in body.fields],
    )


def _response(response: domain.Response) -> EndpointResponse:
    return EndpointResponse(status=response.status, description=response.description, media_types=list(response.media_types))


@strawberry.input(description="Which endpoints. What is left out does not restrict.")
class EndpointFilter:
    methods: list[Method] | None = strawberry.field(default=None, description="With one of these methods.")
    tag: str | None = strawberry.field(default=None, description="With this tag.")
    search: str | None = strawberry.field(
        default=None,
        description="With this text, in any case, in method and path (as in `GET /pets`), summary, operation id or a tag.",
    )
    is_deprecated: bool | None = strawberry.field(default=None, description="Deprecated or not.")


@strawberry.type(description="A page of endpoints, in the document's order.")
class EndpointConnection(Connection[Endpoint]):
    @classmethod
    def of(cls, page: Page[tuple[int, domain.Endpoint]], query: EndpointQuery, after: str | None) -> "EndpointConnection":
        """The connection for a page of endpoints."""
        nodes = [Endpoint.of(query.target_id, query.analysis, place, each) for place, each in page.items]
        cursors = [encode_cursor("endpoint", query.analysis, place) for place, _ in page.items]
        return cls(**page_parts(nodes, cursors, has_more=page.has_more, after=after))


def endpoint_query(target_id: int, analysis: int, chosen: EndpointFilter | None, first: int, after: str | None) -> EndpointQuery:
    """The domain's query for a filter as sent; a page after another is of the same analysis, whatever came since."""
    chosen = chosen or EndpointFilter()
    latest, place = decode_cursor("endpoint", after, int, int) or (analysis, 0)
    return EndpointQuery(
        target_id=target_id,
        analysis=latest,
        methods=frozenset(chosen.methods or ()),
        tag=checked_text("filter.tag", chosen.tag),
        search=checked_text("filter.search", chosen.search),
        is_deprecated=chosen.is_deprecated,
        after=place,
        first=checked_first(first),
    )
