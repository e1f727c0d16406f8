"""Versions of set-up models: the trained model itself, what goes in and comes out, and which one is in use since when."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from domain.artifact import AttemptArtifact
from domain.attempt import AttemptKey
from domain.errors import IllegalTransition
from domain.permission_request import stated_reason
from domain.validation import Problems

MAX_FEATURES = 10_000
MAX_TARGETS = 1_000
MAX_MODEL_BYTES = 256 * 2**20


class ModelVersionState(StrEnum):
    """Whether a version of a model is in use: one of each model is, the others are not yet or not any more."""

    CANDIDATE = "CANDIDATE"
    ACTIVE = "ACTIVE"
    RETIRED = "RETIRED"


TRANSITIONS: Mapping[ModelVersionState, frozenset[ModelVersionState]] = {
    ModelVersionState.CANDIDATE: frozenset({ModelVersionState.ACTIVE}),
    ModelVersionState.ACTIVE: frozenset({ModelVersionState.RETIRED}),
    ModelVersionState.RETIRED: frozenset({ModelVersionState.ACTIVE}),
}


class ModelOrigin(StrEnum):
    """Where a version came from."""

    JOB = "JOB"
    UPLOAD = "UPLOAD"
    COPY = "COPY"


class FeatureKind(StrEnum):
    """What an input of a model takes."""

    NUMBER = "NUMBER"
    CATEGORY = "CATEGORY"
    UNKNOWN = "UNKNOWN"


class VersionKey(NamedTuple):
    """The name of a version: the model's id, and the version's number in it."""

    model_id: int
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFeature:
    """An input of a model: a number, with the range that it was trained on, or one of some texts."""

    name: str
    kind: FeatureKind = FeatureKind.UNKNOWN
    low: float | None = None
    high: float | None = None
    categories: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelContent:
    """A trained model: its file by checksum and size in bytes, its inputs in order, what it predicts, and how well.

    `metrics` are figures by target, `frameworks` the versions of the libraries that made it. It came out of the attempt of a job,
    or is that of another model's version (`source`).
    """

    sha256: str
    size: int
    features: tuple[ModelFeature, ...]
    targets: tuple[str, ...]
    origin: ModelOrigin
    metrics: Mapping[str, Any] = field(default_factory=dict)
    frameworks: Mapping[str, Any] = field(default_factory=dict)
    attempt: AttemptKey | None = None
    source: VersionKey | None = None

    def found_in(self, artifact: AttemptArtifact) -> "ModelContent":
        """The same with checksum, size and attempt of the artifact that it is."""
        return replace(self, sha256=artifact.sha256, size=artifact.size, attempt=artifact.attempt)

    def copied_from(self, source: VersionKey) -> "ModelContent":
        """The same as that of a copy of that version."""
        return replace(self, origin=ModelOrigin.COPY, attempt=None, source=source)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVersion:
    """One version of a set-up model; nothing of it changes but whether it is in use."""

    key: VersionKey
    content: ModelContent
    actor: str
    actor_name: str
    created_at: datetime
    state: ModelVersionState

    def check_transition(self, wanted: ModelVersionState) -> None:
        """`IllegalTransition` where this state does not lead there."""
        if wanted not in TRANSITIONS[self.state]:
            raise IllegalTransition(f"Version {self.key.number} of set-up model {self.key.model_id}", self.state, wanted)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelActivation:
    """A version came in use: by whom, when and why. `number` counts them in each model, from 1.

    `before` is the number of the activation to which rolling back leads; None where there is none.
    """

    model_id: int
    number: int
    version: int
    actor: str
    actor_name: str
    recorded_at: datetime
    before: int | None = None
    is_roll_back: bool = False
    reason: str = ""


def reason_of(given: Mapping[str, Any]) -> str:
    """The reason in the arguments of a command; something has to be said."""
    problems = Problems()
    reason = stated_reason(problems, given)
    problems.check()
    return reason
