"""Live events: the notice that something has a new version. The version itself is always read from the database."""

from dataclasses import dataclass
from enum import StrEnum


class Topic(StrEnum):
    """What a notice is about; its key is the id of the thing."""

    KIT = "kit"
    LOG = "log"
    RUNNER = "runner"
    LOAD_TEST = "load test"
    LOAD_TEST_RUN = "load test run"
    PERMISSION = "permission"
    LOT_IMPORT = "lot import"
    MODEL_ACCESS = "model access"
    DAILY_BATCH_RUN = "daily batch run"


@dataclass(frozen=True, slots=True)
class Notice:
    """The thing `key` of `topic` has reached `version` (a kit's version, a log's end offset).

    The key of `PERMISSION` is a person's subject: an application or permission of theirs has changed. That of `MODEL_ACCESS` is
    the id of a model: an application for access to it has changed.
    A load test's notice may also say that its last run has changed; its own version is the same then.
    """

    topic: Topic
    key: str
    version: int


@dataclass(frozen=True, slots=True)
class Gap:
    """Notices may have been missed (reconnect, a full queue, a silent server): read again what you watch."""
