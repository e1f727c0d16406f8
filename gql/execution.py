"""Running one operation: the same way from a POST, a websocket message and an event stream.

Every operation gets a context of its own, and every result of a subscription another one: loaders that lived as long as
a websocket would serve later events from what earlier ones had loaded, and mix the operations on it.
"""

from collections.abc import AsyncGenerator, Hashable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, Self, cast

import strawberry
from graphql import GraphQLError, get_operation_ast, parse
from graphql import OperationType as Kind
from strawberry.extensions import ParserCache, SchemaExtension, ValidationCache
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.exceptions import InvalidOperationTypeError
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.types import ExecutionContext, ExecutionResult
from strawberry.types.graphql import OperationType

from domain.errors import Unavailable
from gql.admission import AdmissionExtension
from gql.limits import Limits, limiting
from gql.masking import cause_of, formatted, unexpected
from gql.sharing import SharedResults, shape_of

QUERIES = frozenset({OperationType.QUERY})
SUBSCRIPTIONS = frozenset({OperationType.SUBSCRIPTION})
SINGLE_ANSWER = QUERIES | {OperationType.MUTATION}
ALL_OPERATIONS = SINGLE_ANSWER | SUBSCRIPTIONS


class OperationContext(Protocol):
    """What resolvers find as `info.context`: who asks, the services, and loaders that remember what they loaded."""

    @property
    def visibility(self) -> Hashable:
        """What the caller can see: results are shared only among those for whom it is the same."""

    @property
    def shared_results(self) -> SharedResults:
        """The process's results of events that several may see."""

    async def admit(self, operation: OperationType) -> None:
        """Raise `UserError` where the caller may not run operations of that kind."""

    def fresh(self) -> Self:
        """The same context with new, empty loaders; asked for once before each result of a subscription."""


class BadRequest(Exception):
    """The request is not one for GraphQL: the message says what is wrong with its shape."""


@dataclass(frozen=True, slots=True)
class OperationRequest:
    """What a client asks to run."""

    query: str
    variables: dict[str, Any] | None = None
    operation_name: str | None = None
    extensions: dict[str, Any] | None = None

    @classmethod
    def read(cls, raw: object) -> "OperationRequest":
        """The request in a decoded JSON value; raises BadRequest naming the first part that has the wrong shape."""
        if not isinstance(raw, dict):
            raise BadRequest("The request must be a JSON object.")
        query, name = raw.get("query"), raw.get("operationName")
        variables, extensions = raw.get("variables"), raw.get("extensions")
        if not isinstance(query, str) or not query.strip():
            raise BadRequest("`query` must be a GraphQL document as a string.")
        if not isinstance(name, str | None):
            raise BadRequest("`operationName` must be a string or null.")
        if not isinstance(variables, dict | None):
            raise BadRequest("`variables` must be an object or null.")
        if not isinstance(extensions, dict | None):
            raise BadRequest("`extensions` must be an object or null.")
        return cls(query, variables, name or None, extensions)


@dataclass(frozen=True, slots=True)
class Answer:
    """One result: `payload` as it goes to the client (errors masked).

    refused: nothing was executed, or the stream broke; there is no `data` then. denied: the kind of the operation where
    that kind was not among those asked to run. interrupted: it is a subscription's and lacks something because a service does
    not answer now; the stream has to end in a way that makes the client subscribe again.
    """

    payload: dict[str, Any]
    refused: bool = False
    denied: OperationType | None = None
    interrupted: bool = False


class EventExecutor(StrawberryGraphQLCoreExecutionContext):
    """Executes each event of a subscription with fresh loaders, and once for all who see it alike (`gql.sharing`)."""

    shared_key: Hashable | None = None

    @cached_property
    def shape(self) -> Hashable | None:
        """What the operation has in common with others that may share its results; None where it shares none."""
        return shape_of(self.schema, self.operation, self.fragment_definitions, self.variable_values.coerced)

    def build_per_event_executor(self, payload: Any) -> "EventExecutor":
        """The executor of one event, with a context of its own. What the event shows is in its `shared_as`, if it is shared."""
        shown = getattr(payload, "shared_as", None)
        shape = None if shown is None else self.shape  # known before the copy is made, so found out once
        executor = cast(EventExecutor, super().build_per_event_executor(payload))
        executor.context_value = self.context_value.fresh()
        executor.shared_key = None if shape is None else (shown, self.context_value.visibility, shape)
        return executor

    def execute_operation(self, serially: bool | None = None) -> Any:
        """The result, or an awaitable of it."""
        if self.shared_key is None:
            return super().execute_operation(serially)
        return self.context_value.shared_results.once(
            self.shared_key, lambda: super(EventExecutor, self).execute_operation(serially)
        )


class Schema(strawberry.Schema):
    """A Strawberry schema that parses and validates each document once, holds to limits and runs with `OperationContext`."""

    def __init__(
        self,
        query: type,
        mutation: type | None = None,
        subscription: type | None = None,
        *,
        limits: Limits,
        types: Iterable[type] = (),
        extensions: Iterable[type[SchemaExtension]] = (),
        config: StrawberryConfig | None = None,
    ) -> None:
        config = config or StrawberryConfig()
        # "Did you mean …" would give away, name by name, what introspection hides.
        config.disable_field_suggestions = config.disable_field_suggestions or not limits.introspection
        super().__init__(
            query,
            mutation,
            subscription,
            types=types,
            config=config,
            # ValidationCache overwrites the errors found before it, so whatever may refuse a document stands behind it.
            extensions=[*extensions, ParserCache, ValidationCache, limiting(limits), AdmissionExtension],
            execution_context_class=EventExecutor,
        )

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        """Log nothing here: `gql.masking` logs what is unexpected, once and under the id that the caller sees."""


async def answers(
    schema: Schema, request: OperationRequest, context: OperationContext, operations: Iterable[OperationType]
) -> AsyncGenerator[Answer, None]:
    """Run the request; a query or mutation gives one answer, a subscription one for each event, pulled as they are taken.

    `operations` are the kinds that may run. Every failure is an answer, none is raised. Close the generator (`aclosing`)
    to end a subscription.
    """
    try:
        results = await schema.stream(
            request.query,
            variable_values=request.variables,
            context_value=context,
            operation_name=request.operation_name,
            operation_extensions=request.extensions,
            allowed_operation_types=operations,
        )
        async with aclosing(results):
            async for result in results:
                if not isinstance(result, ExecutionResult):
                    raise TypeError(f"unexpected {type(result).__name__}: incremental delivery is off")
                yield _answer(result, request)
    except GraphQLError as error:
        # An extension that refuses while parsing (a syntax error in ParserCache, a limit) leaves Strawberry's stream this way.
        yield _answer(ExecutionResult(data=None, errors=[error]), request)
    except Exception as error:
        yield Answer({"errors": [unexpected(error, request.operation_name)]}, refused=True)


def _answer(result: ExecutionResult, request: OperationRequest) -> Answer:
    errors: Sequence[GraphQLError] = result.errors or ()
    refused = result.data is None and bool(errors) and all(error.path is None for error in errors)
    payload: dict[str, Any] = {} if refused else {"data": result.data}
    if errors:
        payload["errors"] = formatted(errors, request.operation_name)
    if result.extensions:
        payload["extensions"] = result.extensions
    causes = [error.original_error for error in errors]
    denied = next((cause.operation_type for cause in causes if isinstance(cause, InvalidOperationTypeError)), None)
    lacks_a_service = any(isinstance(cause_of(error), Unavailable) for error in errors)
    return Answer(payload, refused, denied, interrupted=lacks_a_service and _is_subscription(request))


def _is_subscription(request: OperationRequest) -> bool:
    operation = get_operation_ast(parse(request.query, no_location=True), request.operation_name)
    return operation is not None and operation.operation is Kind.SUBSCRIPTION
