"""Progress on a terminal, as a picture that is drawn anew, and elsewhere (logs of CI) as a line for each change."""

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live

from app.client import Client, NoAnswer, ServerRefused
from app.terminal import printable

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 15.0
PATIENCE_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class View:
    """How something looks: as a picture, and as lines, each under a key by which a changed one is known."""

    picture: RenderableType
    lines: Mapping[str, str]


class Progress(Protocol):
    """Where progress is shown."""

    def show(self, name: str, view: View) -> None:
        """How the thing of that name now looks; several things stand below one another."""

    def say(self, sentence: str) -> None:
        """Something to know beside it."""


@contextmanager
def shown_on(console: Console) -> Iterator[Progress]:
    """Progress in the form that suits the console, until the block ends."""
    if not console.is_terminal:
        yield Lines(console)
        return
    with Live(console=console, refresh_per_second=8) as live:
        yield Picture(live)


class Picture:
    """All things at once, drawn anew whenever one changes."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._pictures: dict[str, RenderableType] = {}

    def show(self, name: str, view: View) -> None:
        """Draw it."""
        self._pictures[name] = view.picture
        self._live.update(Group(*self._pictures.values()))

    def say(self, sentence: str) -> None:
        """Print it above the picture."""
        self._live.console.print(printable(sentence), style="yellow", markup=False, highlight=False, soft_wrap=True)


class Lines:
    """The lines that are new or have changed."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown: dict[str, Mapping[str, str]] = {}

    def show(self, name: str, view: View) -> None:
        """Print what is new since the last time."""
        before = self._shown.get(name, {})
        for key, line in view.lines.items():
            if before.get(key) != line:
                self.say(line)
        self._shown[name] = view.lines

    def say(self, sentence: str) -> None:
        """Print it."""
        self._console.print(printable(sentence), markup=False, highlight=False, soft_wrap=True)


async def followed(client: Client, progress: Progress, query: str, **variables: Any) -> AsyncGenerator[dict[str, Any], None]:
    """The frames of a subscription, without end: where the server goes away it is asked again, at growing intervals.

    `ServerRefused` when it was away for five minutes.
    """
    pause, heard_at = FIRST_PAUSE_SECONDS, time.monotonic()
    while True:
        try:
            async with aclosing(client.stream(query, **variables)) as frames:
                async for frame in frames:
                    pause, heard_at = FIRST_PAUSE_SECONDS, time.monotonic()
                    yield frame
            reason = "The server ended the stream."
        except NoAnswer as error:
            reason = str(error)
        if time.monotonic() - heard_at > PATIENCE_SECONDS:
            raise ServerRefused(f"{reason} It was tried for {PATIENCE_SECONDS / 60:.0f} minutes.")
        progress.say(f"{reason} Trying again in {pause:g} s …")
        await asyncio.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
