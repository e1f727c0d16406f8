"""What is open for a while (websockets, event streams, downloads) ends soon after the permissions and the session behind it.

Each process reads every second what the people behind its open streams may do, which of their sessions go on, which of their
access to models is still open and of which projects they are members, and ends what has lost something that it was opened with.
So does what can't be confirmed for some seconds, as nobody knows then: no bus and no other server is needed for that.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from uuid import UUID

from domain.actor import Actor, Person
from domain.errors import Unavailable
from domain.permission_kind import Right

log = logging.getLogger(__name__)
LOOK_SECONDS = 1.0
ANSWER_SECONDS = 1.0  # how long the database may take to confirm
SILENCE_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What people may do, by their subjects, the browser sessions that go on, and the applications whose access is open.

    `members` are subjects with the projects of load tests that they are members of.
    """

    rights: Mapping[str, frozenset[Right]]
    sessions: Collection[UUID] = ()
    access: Set[int] = frozenset()
    members: Set[tuple[str, int]] = frozenset()


Read = Callable[[Collection[str], Collection[UUID], Collection[int], Collection[tuple[str, int]]], Awaitable[Confirmed]]


class StreamEnd(Enum):
    """Why a stream was ended; the value is what is said of it."""

    LOST = "A permission that this was opened with has ended."
    SIGNED_OUT = "The session has ended; sign in again."
    UNCONFIRMED = "It can't be confirmed now that this is still permitted. Try again."


@dataclass(eq=False, slots=True)
class OpenStream:
    """Something that is open for a person, with their session and all the rights that were used to open parts of it.

    `access` are the applications for access to models that were used besides: access opens nothing without a right. `members` are
    the person with each project whose membership was used. `ended` is set when it has to end. It is to be ended whatever its peer
    does.
    """

    subject: str | None
    session_id: UUID | None = None
    rights: frozenset[Right] = frozenset()
    access: frozenset[int] = frozenset()
    members: frozenset[tuple[str, int]] = frozenset()
    confirmed_at: float = field(default_factory=time.monotonic)
    ended: "asyncio.Future[StreamEnd]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def hold(
        self,
        rights: frozenset[Right],
        access: frozenset[int] = frozenset(),
        members: frozenset[tuple[str, int]] = frozenset(),
    ) -> None:
        """Depend on these rights, this access and these memberships, which were read just now, too."""
        self.rights |= rights
        self.access |= access
        self.members |= members
        self.confirmed_at = time.monotonic()

    def end(self, why: StreamEnd) -> None:
        """Let it end."""
        if not self.ended.done():
            self.ended.set_result(why)


class OpenStreams:
    """All that is open in this process. `read` tells what people may do now, and which sessions and access go on."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._streams: set[OpenStream] = set()

    def __len__(self) -> int:
        """How many are open."""
        return len(self._streams)

    def __iter__(self) -> Iterator[OpenStream]:
        """Those that are open."""
        return iter(tuple(self._streams))

    @contextmanager
    def holding(self, actor: Actor) -> Iterator[OpenStream]:
        """A stream that is open for the actor until the block ends; a worker's depends on no permission."""
        stream = OpenStream(actor.subject, actor.session_id) if isinstance(actor, Person) else OpenStream(None)
        self._streams.add(stream)
        try:
            yield stream
        finally:
            self._streams.discard(stream)

    async def run(self) -> None:
        """Look every second until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self.look()
            except Exception:
                log.exception("open streams can't be looked at; the next round begins anew")

    async def look(self) -> None:
        """End what has lost something, and what could not be confirmed for too long."""
        depending = [stream for stream in self._streams if stream.rights or stream.members or stream.session_id is not None]
        asked = [stream for stream in depending if not stream.ended.done()]
        if not asked:
            return
        asked_at = time.monotonic()
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                subjects = {stream.subject for stream in asked if stream.rights and stream.subject is not None}
                sessions = {each.session_id for each in asked if each.session_id is not None}
                access = frozenset[int]().union(*(each.access for each in asked))
                members = frozenset[tuple[str, int]]().union(*(each.members for each in asked))
                found = await self._read(subjects, sessions, access, members)
        except (Unavailable, TimeoutError) as error:
            log.warning("%d open streams can't be confirmed: %s", len(asked), error or "no answer in time")
            found = None
        for stream in asked:
            if found is not None:
                self._compare(stream, found, asked_at)
            elif time.monotonic() - stream.confirmed_at > SILENCE_SECONDS:
                stream.end(StreamEnd.UNCONFIRMED)

    def _compare(self, stream: OpenStream, found: Confirmed, asked_at: float) -> None:
        rights = found.rights.get(stream.subject or "", frozenset())
        if stream.session_id is not None and stream.session_id not in found.sessions:
            stream.end(StreamEnd.SIGNED_OUT)
        elif stream.rights <= rights and stream.access <= found.access and stream.members <= found.members:
            stream.confirmed_at = asked_at
        elif stream.confirmed_at <= asked_at:  # else it holds what was granted after the answer was read
            stream.end(StreamEnd.LOST)
