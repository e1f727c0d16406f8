"""Live events: the notice that something has a new version. The version itself is always read from the database."""

from dataclasses import dataclass
from enum import StrEnum


class Topic(StrEnum):
    """What a notice is about; its key is the id of the thing."""

    KIT = "kit"
    LOG = "log"
    RUNNER = "runner"
    LOAD_TEST_RUN = "load test run"


@dataclass(frozen=True, slots=True)
class Notice:
    """The thing `key` of `topic` has reached `version` (a kit's version, a log's end offset)."""

    topic: Topic
    key: str
    version: int


@dataclass(frozen=True, slots=True)
class Gap:
    """Notices may have been missed (reconnect, a full queue, a silent server): read again what you watch."""
