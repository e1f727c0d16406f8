"""Values that the domain checks and GraphQL does not, so that what is wrong with one is a typed error that names the field."""

from typing import NewType

import strawberry
from strawberry.types.scalar import ScalarDefinition

AnyValue = NewType("AnyValue", object)
ANY_VALUE: ScalarDefinition = strawberry.scalar(
    name="AnyValue",
    description=(
        "A value of any kind. What it has to be is said where it is taken; what is something else is answered by "
        "`ValidationFailed`, which names the field."
    ),
)
