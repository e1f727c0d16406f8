"""One execution of a subscription's event for all who see the same thing through the same selection.

A thousand dashboards that watch a kit in the same words cost one execution a change. Shared is only what is a function of the
frame, the operation, its variables and what the viewer can see; operations that select a field marked `@volatile` are
executed for each viewer alone.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Hashable
from inspect import isawaitable
from typing import Any

import orjson
import strawberry
from graphql import (
    ExecutionResult,
    FragmentDefinitionNode,
    GraphQLField,
    GraphQLSchema,
    OperationDefinitionNode,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    print_ast,
    visit,
)
from strawberry.schema_directive import Location

KEPT_RESULTS = 256


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    description=(
        "The value depends on who asks or on when, not only on the state shown. A subscription that selects such a field is"
        " executed for each subscriber alone."
    ),
)
class Volatile:
    """Marks a field whose value must not be shared between viewers or kept."""


class SharedResults:
    """The results of the latest events of subscriptions, the oldest forgotten first; what failed is not kept."""

    def __init__(self, kept: int = KEPT_RESULTS) -> None:
        self._kept = kept
        self._running: dict[Hashable, asyncio.Task[ExecutionResult]] = {}
        self._done: OrderedDict[Hashable, ExecutionResult] = OrderedDict()

    async def once(self, key: Hashable, execute: Callable[[], Any]) -> ExecutionResult:
        """The result under `key`: a kept one, that of an execution under way, or `execute`'s. Who leaves cancels nobody else."""
        if (done := self._done.get(key)) is not None:
            return done
        task = self._running.get(key)
        if task is None:
            task = self._running[key] = asyncio.ensure_future(self._execute(key, execute))
        return await asyncio.shield(task)

    async def _execute(self, key: Hashable, execute: Callable[[], Any]) -> ExecutionResult:
        try:
            made = execute()
            result: ExecutionResult = await made if isawaitable(made) else made
        finally:
            del self._running[key]
        if not result.errors:
            self._done[key] = result
            if len(self._done) > self._kept:
                self._done.popitem(last=False)
        return result


def shape_of(
    schema: GraphQLSchema,
    operation: OperationDefinitionNode,
    fragments: dict[str, FragmentDefinitionNode],
    variables: dict[str, Any],
) -> Hashable | None:
    """What two operations have in common that select the same in the same words; None where a `@volatile` field is selected."""
    definitions: list[OperationDefinitionNode | FragmentDefinitionNode] = [
        operation,
        *(fragments[name] for name in sorted(fragments)),
    ]
    if any(_selects_volatile(schema, definition) for definition in definitions):
        return None
    words = "\n".join(print_ast(definition) for definition in definitions)
    return words, orjson.dumps(variables, default=str, option=orjson.OPT_SORT_KEYS)


def _selects_volatile(schema: GraphQLSchema, definition: OperationDefinitionNode | FragmentDefinitionNode) -> bool:
    type_info, found = TypeInfo(schema), False

    class Fields(Visitor):
        def enter_field(self, *_: Any) -> None:
            nonlocal found
            field = type_info.get_field_def()
            found = found or (field is not None and _is_volatile(field))

    visit(definition, TypeInfoVisitor(type_info, Fields()))
    return found


def _is_volatile(field: GraphQLField) -> bool:
    definition = field.extensions.get("strawberry-definition")
    return definition is not None and any(isinstance(each, Volatile) for each in definition.directives)
