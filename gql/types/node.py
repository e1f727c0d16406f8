"""The Relay interface that everything with an id has."""

import strawberry


@strawberry.interface(description="A thing that can be found again by its id.")
class Node:
    id: strawberry.ID = strawberry.field(description="Opaque and lasting; `node(id:)` finds the thing again.")
