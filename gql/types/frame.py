"""What the frames of states and of lists have in common, whatever they show."""

from collections.abc import Hashable
from typing import Any

import strawberry

from gql import ids
from resolvers import live_list as live


@strawberry.type
class StateFrame:
    """A state and which of its versions are new; what shows it is the subclass's."""

    from_version: int = strawberry.field(
        description="The first version that is new in it; `toVersion` in a snapshot, and where only what is shown with it is new."
    )
    to_version: int = strawberry.field(description="The version shown.")
    is_snapshot: bool = strawberry.field(
        description="Whether it is the first frame of it: after (re)connecting, or when it is new on a list's page."
    )
    is_merged: bool = strawberry.field(description="Whether more than one version is new in it.")
    shared_as: strawberry.Private[Hashable]


@strawberry.type
class ListFrame:
    """The first page of a list, as it now is; what is new on it is the subclass's."""

    order: list[strawberry.ID] = strawberry.field(description="The ids of all that is on the page, in their order.")
    is_snapshot: bool = strawberry.field(description="Whether it is the first frame after (re)connecting.")
    shared_as: strawberry.Private[Hashable]


def state_parts(frame: live.StateFrame[Any]) -> dict[str, Any]:
    """The fields of `StateFrame` for a frame of the use case."""
    return {
        "from_version": frame.from_version,
        "to_version": frame.body.version,
        "is_snapshot": frame.is_snapshot,
        "is_merged": frame.body.version > frame.from_version,
        "shared_as": (frame.body.id, frame.from_version, frame.versions, frame.is_snapshot),
    }


def list_parts(kind: str, frame: live.ListFrame[Any], changed: list[Any]) -> dict[str, Any]:
    """The fields of a subclass of `ListFrame` for a frame of the use case; `changed` are its `StateFrame`s."""
    return {
        "order": [strawberry.ID(ids.encode(kind, number)) for number in frame.order],
        "changed": changed,
        "is_snapshot": frame.is_snapshot,
        "shared_as": (frame.order, tuple(each.shared_as for each in changed), frame.is_snapshot),
    }
