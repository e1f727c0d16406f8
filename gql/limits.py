"""What one operation may ask for, measured before anything runs.

Strawberry's own limiters follow every fragment spread anew, which takes exponential time on a chain of fragments (an
832-byte query: 15 s). Here one pass measures depth, fields, aliases, directives and cost together and remembers each
fragment's figures, so that its time grows with the document's length and with nothing else.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLCompositeType,
    GraphQLError,
    GraphQLField,
    GraphQLList,
    GraphQLNonNull,
    GraphQLOutputType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    Undefined,
    ValueNode,
    VariableNode,
    get_named_type,
    is_composite_type,
)
from strawberry.extensions import SchemaExtension

DEFAULT_PAGE = 50
SERIES_ENTRIES = 10  # entries of columns that cost as much as an object
INTROSPECTION_FIELDS = frozenset({"__schema", "__type"})
MULTIPLE_OPERATIONS = "The document holds several operations: operationName must say which one to run."


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The most that one operation may ask for.

    depth: nested fields, fragments followed. fields, aliases, directives: how many there are once every fragment is
    written out in place. tokens: lexical tokens of the whole document. cost: see `Measure.cost`. list_size: how many
    entries a list without `first` or `last` is taken to have. introspection: whether `__schema` and `__type` answer.
    """

    depth: int = 20
    fields: int = 1_000
    aliases: int = 100
    directives: int = 100
    tokens: int = 4_000
    cost: int = 20_000
    list_size: int = 5
    introspection: bool = True


@dataclass(frozen=True, slots=True)
class Measure:
    """The figures of a selection, every fragment written out in place.

    cost: a field that returns objects costs 1, a leaf nothing; what stands below a field with `first` or `last` costs as
    often as that argument says (default 50), below one with `ids` as often as there are ids, below any other list
    `Limits.list_size` times. A list with `first` is one of series, whose columns are that long: ten entries of each cost 1. The
    lists inside a connection (`edges`, `nodes`) are not multiplied again. Introspection costs 1 a
    field, as it touches no data.
    """

    depth: int = 0
    fields: int = 0
    aliases: int = 0
    directives: int = 0
    cost: int = 0

    def beside(self, other: "Measure") -> "Measure":
        """Both selections side by side."""
        return Measure(
            max(self.depth, other.depth),
            self.fields + other.fields,
            self.aliases + other.aliases,
            self.directives + other.directives,
            self.cost + other.cost,
        )


class Measuring:
    """One pass over a document; each fragment is measured once."""

    def __init__(self, schema: GraphQLSchema, document: DocumentNode, variables: Mapping[str, Any], list_size: int) -> None:
        self._schema = schema
        self._variables = variables
        self._list_size = list_size
        self._definitions = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
        self._fragments: dict[str, Measure] = {}

    def operation(self, node: OperationDefinitionNode) -> Measure:
        """The figures of an operation."""
        declared = sum(len(variable.directives or ()) for variable in node.variable_definitions or ())
        own = Measure(directives=len(node.directives or ()) + declared)
        return own.beside(self._selections(node.selection_set, self._schema.get_root_type(node.operation)))

    def fragment(self, name: str) -> Measure:
        """The figures of a fragment; nothing where it is unknown or inside itself, which validation then refuses."""
        known = self._fragments.get(name)
        definition = self._definitions.get(name)
        if known is not None or definition is None:
            return known or Measure()
        self._fragments[name] = Measure()
        parent = self._composite(definition.type_condition.name.value)
        measured = Measure(directives=len(definition.directives or ())).beside(self._selections(definition.selection_set, parent))
        self._fragments[name] = measured
        return measured

    def fragments(self) -> Iterator[Measure]:
        """The figures of every fragment, used or not: validation walks them all."""
        return (self.fragment(name) for name in self._definitions)

    def _selections(self, selection_set: SelectionSetNode, parent: GraphQLCompositeType | None) -> Measure:
        total = Measure()
        for selection in selection_set.selections:
            total = total.beside(self._selection(selection, parent))
        return total

    def _selection(self, node: SelectionNode, parent: GraphQLCompositeType | None) -> Measure:
        own = Measure(directives=len(node.directives or ()))
        if isinstance(node, FragmentSpreadNode):
            return own.beside(self.fragment(node.name.value))
        if isinstance(node, InlineFragmentNode):
            condition = node.type_condition
            return own.beside(
                self._selections(node.selection_set, self._composite(condition.name.value) if condition else parent)
            )
        if isinstance(node, FieldNode):
            return self._field(node, own.directives, parent)
        return own

    def _field(self, node: FieldNode, directives: int, parent: GraphQLCompositeType | None) -> Measure:
        name = node.name.value
        definition = self._schema.get_field(parent, name) if parent is not None else None
        returned = get_named_type(definition.type) if definition is not None else None
        child = returned if is_composite_type(returned) else None
        below = self._selections(node.selection_set, child) if node.selection_set else Measure()
        if name in INTROSPECTION_FIELDS:
            cost = below.fields
        else:
            cost = self._cost(node, definition, parent, below.cost) if definition is not None else below.cost
        return Measure(
            depth=below.depth + 1,
            fields=below.fields + 1,
            aliases=below.aliases + (node.alias is not None),
            directives=below.directives + directives,
            cost=cost + (node.selection_set is not None),
        )

    def _cost(self, node: FieldNode, definition: GraphQLField, parent: GraphQLCompositeType | None, below: int) -> int:
        """What a field's selection costs whose one object costs `below`."""
        if "ids" in definition.args:
            ids = self._argument(node, "ids", ())
            return below * (max(1, len(ids)) if isinstance(ids, list | tuple) else 1)
        pages = [name for name in ("first", "last") if name in definition.args]
        in_connection = parent is not None and parent.name.endswith("Connection")
        count = self._list_size if _is_list(definition.type) and not in_connection else 1
        if not pages:
            return below * count
        asked = [self._argument(node, name, definition.args[name].default_value) for name in pages]
        sizes = [size for size in asked if isinstance(size, int)]
        size = max(1, *sizes) if sizes else DEFAULT_PAGE
        return (below + -(-size // SERIES_ENTRIES)) * count if _is_list(definition.type) else below * size

    def _argument(self, node: FieldNode, name: str, default: Any) -> Any:
        """What is asked for: a whole number or a list; anything else is refused later."""
        value: Any = None if default is Undefined else default
        for argument in node.arguments or ():
            if argument.name.value != name:
                continue
            if isinstance(argument.value, VariableNode):
                value = self._variables.get(argument.value.name.value, value)
            else:
                value = _literal(argument.value)
        return value

    def _composite(self, name: str) -> GraphQLCompositeType | None:
        found = self._schema.get_type(name)
        return found if is_composite_type(found) else None


def _is_list(returned: GraphQLOutputType) -> bool:
    if isinstance(returned, GraphQLNonNull):
        returned = returned.of_type
    return isinstance(returned, GraphQLList)


def measure(
    schema: GraphQLSchema, document: DocumentNode, operation_name: str | None, variables: Mapping[str, Any], limits: Limits
) -> Measure:
    """The figures of the operation named (or of the only one), after checking every definition against the limits.

    Raises GraphQLError with `extensions.code` LIMIT_EXCEEDED, naming the limit; or where the document holds several
    operations and none is named. An unknown name gives an empty measure, as execution refuses it.
    """
    operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    if operation_name is None and len(operations) > 1:
        raise GraphQLError(MULTIPLE_OPERATIONS, extensions={"code": "OPERATION_NAME_REQUIRED"})
    chosen = next((node for node in operations if operation_name in (None, node.name and node.name.value)), None)
    measuring = Measuring(schema, document, {**_defaults(chosen), **variables}, limits.list_size)
    for measured in (*map(measuring.operation, operations), *measuring.fragments()):
        _check(measured, limits, "depth", "fields", "aliases", "directives")
    if chosen is None:
        return Measure()
    measured = measuring.operation(chosen)
    _check(measured, limits, "cost")
    return measured


def _defaults(operation: OperationDefinitionNode | None) -> dict[str, Any]:
    """What the operation's variables default to, as far as it counts."""
    declared = operation.variable_definitions or () if operation is not None else ()
    return {node.variable.name.value: _literal(node.default_value) for node in declared if node.default_value is not None}


def _literal(node: ValueNode) -> Any:
    """A whole number as it is, a list as one of that length, anything else as None."""
    if isinstance(node, ListValueNode):
        return list(node.values)
    return int(node.value) if isinstance(node, IntValueNode) else None


def _check(measured: Measure, limits: Limits, *names: str) -> None:
    for name in names:
        actual, allowed = getattr(measured, name), getattr(limits, name)
        if actual > allowed:
            # A chain of fragments can make the figure thousands of digits long.
            shown: int | str = actual if actual < 10**12 else "more than 10^12"
            raise GraphQLError(
                f"The operation's {name} is {shown}; {allowed} is allowed.",
                extensions={"code": "LIMIT_EXCEEDED", "limit": name, "allowed": allowed, "actual": shown},
            )


class LimitsExtension(SchemaExtension):
    """Refuses an operation beyond its limits and shows its cost as `extensions.cost`.

    It stands last, `[ParserCache, ValidationCache, LimitsExtension]`, and acts as soon as the document is parsed, before
    validation, whose own time grows with the square of some documents.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._cost: int | None = None

    def on_operation(self) -> Iterator[None]:
        """Bound the parser, and close introspection where the setting says so."""
        self.execution_context.parse_options["max_tokens"] = self._limits.tokens
        if not self._limits.introspection:
            self.execution_context.validation_rules += (NoSchemaIntrospectionCustomRule,)
        yield

    def on_parse(self) -> Iterator[None]:
        """Measure the parsed document; a GraphQLError ends the operation."""
        yield
        context = self.execution_context
        if context.graphql_document is None:
            return
        # The public property falls back to the first operation's name, which hides that none was given.
        named = context._provided_operation_name
        self._cost = measure(context.schema._schema, context.graphql_document, named, context.variables or {}, self._limits).cost

    def get_results(self) -> dict[str, Any]:
        """The cost and its limit, once known."""
        if self._cost is None:
            return {}
        return {"cost": {"requested": self._cost, "maximum": self._limits.cost}}


def limiting(limits: Limits) -> Callable[[], SchemaExtension]:
    """A factory of the extension for `Schema(extensions=…)`; an instance would leak one request's figures into another."""
    for setting in fields(limits):
        if isinstance(value := getattr(limits, setting.name), int) and not isinstance(value, bool) and value < 1:
            raise ValueError(f"the limit {setting.name} must be at least 1")
    return lambda: LimitsExtension(limits)
