"""A small schema that stands for PLOG's own in the tests of the transport: everything that a transport can get wrong, once."""

import asyncio
from collections.abc import AsyncGenerator, Collection, Hashable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Self
from uuid import UUID

import strawberry
from strawberry import Info
from strawberry.types.graphql import OperationType

from domain.actor import Actor, Person
from domain.errors import NotFound, Unauthenticated, Unavailable, ValidationFailed
from domain.permission_kind import LOGIC_GENERAL, Right
from gql.execution import Schema
from gql.limits import Limits
from gql.sharing import SharedResults
from resolvers.open_streams import Confirmed, OpenStream, OpenStreams

TOKEN = "ann"


@dataclass
class World:
    """What the resolvers read and write, shared by all operations of one server."""

    number: int = 0
    produced: int = 0
    open_streams: int = 0
    contexts: int = 0
    outages: int = 0
    lifetime: timedelta = timedelta(hours=1)
    shared_results: SharedResults = field(default_factory=SharedResults)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    rights: frozenset[Right] = frozenset({LOGIC_GENERAL})
    streams: OpenStreams = field(init=False)

    def __post_init__(self) -> None:
        self.streams = OpenStreams(self.read_rights)

    async def read_rights(self, subjects: Collection[str], sessions: Collection[UUID], *_: object) -> Confirmed:
        return Confirmed(dict.fromkeys(subjects, self.rights), sessions)

    def change(self) -> None:
        self.number += 1
        self.changed.set()
        self.changed = asyncio.Event()

    async def authenticate(self, token: str | None) -> Actor:
        if token == "nobody-home":
            raise Unavailable("The issuer does not answer.")
        if token == "broken":
            raise RuntimeError("secret detail of the verifier")
        if not token or not token.startswith(TOKEN):
            raise Unauthenticated("No valid token came with the request.")
        return Person(subject=token, name=token.title(), expires_at=datetime.now(UTC) + self.lifetime)

    def context(self, actor: Actor, stream: OpenStream | None) -> "ToyContext":
        self.contexts += 1
        return ToyContext(actor, self, stream)


@dataclass
class ToyContext:
    """A context whose only loader remembers the first number that it read."""

    actor: Actor
    world: World
    stream: OpenStream | None = None
    loaded: list[int] = field(default_factory=list)
    fault: Exception = field(default_factory=lambda: RuntimeError("secret detail of a loader"))

    @property
    def visibility(self) -> Hashable:
        return self.actor

    @property
    def shared_results(self) -> SharedResults:
        return self.world.shared_results

    async def admit(self, operation: OperationType) -> None:
        if self.stream is not None:
            self.stream.hold(self.world.rights)

    def fresh(self) -> Self:
        return type(self)(self.actor, self.world, self.stream)

    def number(self) -> int:
        if not self.loaded:
            self.loaded.append(self.world.number)
        return self.loaded[0]


ToyInfo = Info[ToyContext, None]


@strawberry.type
class Node:
    id: strawberry.ID

    @strawberry.field
    def node(self) -> "Node":
        return Node(id=strawberry.ID("1"))

    @strawberry.field
    def nodes(self) -> list["Node"]:
        return [Node(id=strawberry.ID("2"))]

    @strawberry.field
    def series(self, first: int = 100) -> list["Node"]:
        return []

    @strawberry.field
    def things(self, first: int = 50) -> "NodeConnection":
        return NodeConnection(edges=[])


@strawberry.type
class NodeEdge:
    cursor: str
    node: Node


@strawberry.type
class NodeConnection:
    edges: list[NodeEdge]


@strawberry.type
class Query:
    @strawberry.field
    def viewer(self, info: ToyInfo) -> str:
        assert isinstance(info.context.actor, Person)
        return info.context.actor.name

    @strawberry.field
    def number(self, info: ToyInfo) -> int:
        return info.context.number()

    @strawberry.field
    def echo(self, text: str) -> str:
        return text

    @strawberry.field
    def surrogate(self) -> str:
        return "\ud800"

    @strawberry.field
    def node(self) -> Node:
        return Node(id=strawberry.ID("1"))

    @strawberry.field
    def things(self, first: int = 50) -> NodeConnection:
        return NodeConnection(edges=[])

    @strawberry.field
    def nodes(self, ids: list[strawberry.ID]) -> list[Node]:
        return [Node(id=each) for each in ids]

    @strawberry.field
    def crash(self) -> str | None:
        raise RuntimeError("secret detail")

    @strawberry.field
    def crash_together(self, info: ToyInfo) -> str | None:
        raise info.context.fault

    @strawberry.field
    def missing(self) -> str | None:
        raise NotFound("kit", 7)

    @strawberry.field
    def away(self) -> str | None:
        raise Unavailable("The database does not answer.")

    @strawberry.field
    def invalid(self) -> str:
        raise ValidationFailed.of("design.low", "must be a number")


@strawberry.type
class Mutation:
    @strawberry.mutation
    def change(self, info: ToyInfo) -> int:
        info.context.world.change()
        return info.context.number()


@strawberry.type
class Numbers:
    """An event: the number as the source saw it, and as a loader of the event's own context reads it."""

    sent: int

    @strawberry.field
    def loaded(self, info: ToyInfo) -> int:
        return info.context.number()


@strawberry.type
class Half:
    """An event of which a service makes one part alone."""

    whole: int = 1

    @strawberry.field
    def rest(self) -> int | None:
        raise Unavailable("The database does not answer.")


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def count(self, info: ToyInfo, to: int) -> AsyncGenerator[int, None]:
        for value in range(to):
            info.context.world.produced += 1
            yield value

    @strawberry.subscription
    async def numbers(self, info: ToyInfo) -> AsyncGenerator[Numbers, None]:
        """The number now, then after every change; the source itself loads it, as a careless one would."""
        world = info.context.world
        world.open_streams += 1
        try:
            while True:
                changed = world.changed
                info.context.number()
                yield Numbers(sent=world.number)
                await changed.wait()
        finally:
            world.open_streams -= 1

    @strawberry.subscription
    async def large(self, info: ToyInfo) -> AsyncGenerator[str, None]:
        """Without an end, 100 kB a frame: for a client that does not read."""
        world = info.context.world
        world.open_streams += 1
        try:
            while True:
                world.produced += 1
                yield "x" * 100_000
        finally:
            world.open_streams -= 1

    @strawberry.subscription
    async def breaks(self, known: bool) -> AsyncGenerator[int, None]:
        yield 1
        if known:
            raise NotFound("kit", 7)
        raise RuntimeError("secret detail")

    @strawberry.subscription
    async def interrupted(self, info: ToyInfo) -> AsyncGenerator[int, None]:
        """1, then as often as there are `outages` a service that does not answer, then 2."""
        yield 1
        if info.context.world.outages:
            info.context.world.outages -= 1
            raise Unavailable("The database does not answer.")
        yield 2

    @strawberry.subscription
    async def halves(self, info: ToyInfo) -> AsyncGenerator[Half, None]:
        """Events of which a part can't be had."""
        yield Half()


def toy_schema(limits: Limits | None = None) -> Schema:
    return Schema(Query, Mutation, Subscription, limits=limits or Limits())
