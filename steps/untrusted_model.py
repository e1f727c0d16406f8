"""Models that anybody may have made: read within limits, and only when they hold nothing but what PLOG's own models do."""

import resource
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from steps.stored_model import ForbiddenTypes, read_allowed

MEMORY_LIMITS = {resource.RLIMIT_AS: 4_000_000_000, resource.RLIMIT_CORE: 0}
"""What the process of a model may take, in bytes; it leaves nothing of itself on disk when it breaks."""

MOST_TYPES = 20


class ModelRefused(Exception):
    """The file is no model to be loaded; the message says what about it, and `types` which are not allowed."""

    def __init__(self, problem: str, types: Collection[str] = ()) -> None:
        self.problem = problem
        self.types = tuple(sorted(types))[:MOST_TYPES]
        super().__init__(problem)


def limit_process(limits: Mapping[int, int]) -> None:
    """Set limits of this process (`resource.RLIMIT_…`), as far as the system has them."""
    for kind, most in limits.items():
        with suppress(ValueError, OSError):
            resource.setrlimit(kind, (most, most))


def read_untrusted(path: Path) -> Any:
    """What the file holds; types are looked at before anything is loaded. `ModelRefused` whatever is wrong with it."""
    try:
        return read_allowed(path)
    except ForbiddenTypes as error:
        raise ModelRefused("holds types that are not allowed in a model", error.types) from None
    except MemoryError:
        raise ModelRefused("takes more memory than a model may") from None
    except Exception:  # what skops raises for a file that was made to break it has no common type
        raise ModelRefused("can't be read as a model in the format of skops") from None
