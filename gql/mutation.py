"""What each mutation is: a field that answers with a payload, or with the domain error that has refused it.

An operation may hold several mutations, and one may take away what the next would need: rights are read for each.
"""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import strawberry

from domain.errors import UserError
from gql.errors import union_member

Given = ParamSpec("Given")
Answer = TypeVar("Answer")


def mutation(*, description: str) -> Callable[[Callable[..., Awaitable[object]]], Any]:
    """A mutation's field. Its function answers with the payload; the errors that it raises become members of its union."""
    return lambda command: strawberry.mutation(description=description)(_answering(command))


def _answering(command: Callable[Given, Awaitable[Answer]]) -> Callable[Given, Awaitable[Answer]]:
    @wraps(command)
    async def answer(*given: Given.args, **named: Given.kwargs) -> Answer:
        try:
            await named["info"].context.renew_rights()  # type: ignore[attr-defined]
            return await command(*given, **named)
        except UserError as error:
            member: Answer = union_member(error)
            return member

    return answer
