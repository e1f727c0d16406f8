"""What all commands share: where they print, how they read their settings, and how they wait."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar
from unicodedata import category

from rich.console import Console

from app.logs import configure_logging
from app.settings import Settings, read_settings

console = Console()
errors = Console(stderr=True)
Result = TypeVar("Result")


def settings(usual_level: str = "INFO") -> Settings:
    """The settings, with logging set up by them; `usual_level` is that of the log where no setting names one."""
    found = read_settings()
    configure_logging(found.log, usual_level)
    return found


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """Wait for `work`; Ctrl-C cancels it and ends the command with the exit code 130."""
    return asyncio.run(work)


def tell(problem: Exception) -> None:
    """One sentence on standard error."""
    errors.print(str(problem), style="red", markup=False, highlight=False, soft_wrap=True)


def printable(text: str) -> str:
    """A text of somebody else on one line, without what would steer the terminal."""
    return "".join(each if each.isprintable() or category(each) == "Zs" else "\N{REPLACEMENT CHARACTER}" for each in text)
