"""Versions of set-up models: the trained model itself, what goes in and comes out, and which one is in use since when."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from domain.artifact import AttemptArtifact
from domain.attempt import AttemptKey
from domain.errors import IllegalTransition, ValidationFailed
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
        """The same with size and attempt of the artifact that it is."""
        return replace(self, size=artifact.size, attempt=artifact.attempt)

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


def read_card(card: Any, field_name: str) -> tuple[str, str, ModelContent]:
    """The artifact's name and checksum in a model card (`steps/optimize.py`), and what the card says of the model.

    Size and attempt are those of the artifact. A step may have written anything: `ValidationFailed` of that field.
    """
    try:
        registered = card["registered"]
        said = "tuned" if registered["model"] == "tuned" else "untuned"
        figures = card["comparison"]["responses"]
        content = ModelContent(
            sha256=str(registered["sha256"]),
            size=0,
            features=tuple(_feature(str(name), extent) for name, extent in card["features"].items()),
            targets=tuple(str(name) for name in card["responses"]),
            metrics={str(name): dict(figures[name][said]) for name in card["responses"]},
            frameworks={str(name): str(version) for name, version in card["versions"].items()},
            origin=ModelOrigin.JOB,
        )
        name = str(registered["artifact"])
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValidationFailed.of(field_name, "has left a model card that can't be read") from error
    if not content.features or not content.targets:
        raise ValidationFailed.of(field_name, "has left a model card without features or responses")
    return name, content.sha256, content


def _feature(name: str, extent: Mapping[str, Any]) -> ModelFeature:
    if "categories" in extent:
        return ModelFeature(name=name, kind=FeatureKind.CATEGORY, categories=tuple(map(str, extent["categories"])))
    return ModelFeature(name=name, kind=FeatureKind.NUMBER, low=float(extent["low"]), high=float(extent["high"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSource:
    """Where the content of a new version is to come from: a job, or an upload with the names of what goes in and comes out."""

    job_id: UUID | None = None
    sha256: str | None = None
    features: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()


def read_source(given: Mapping[str, Any], job_id: UUID | None) -> ModelSource:
    """The source in an input document, whose job has that id; `ValidationFailed` unless it names exactly one."""
    problems = Problems("input.source.")
    upload = given.get("upload")
    if (given.get("jobId") is None) == (upload is None):
        problems.add("", "name either a job (`jobId`) or an upload (`upload`)")
        problems.check()
    if upload is None:
        return ModelSource(job_id=job_id)
    nested = problems.at("upload")
    sha256 = nested.text(upload, "sha256", most=64)
    if sha256 and (len(sha256) != 64 or not set(sha256) <= set("0123456789abcdef")):
        nested.add("sha256", "must be 64 lower-case hexadecimal digits")
    features, targets = nested.texts(upload, "features", most=MAX_FEATURES), nested.texts(upload, "targets", most=MAX_TARGETS)
    for name, names in (("features", features), ("targets", targets)):
        if problems.is_clean and len(set(names)) < len(names):
            nested.add(name, "names one twice")
    if not targets:
        nested.add("targets", "name at least one: what the model predicts")
    problems.check()
    return ModelSource(sha256=sha256, features=features, targets=targets)


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectedModel:
    """What was found in a file that somebody says is a model.

    `problem` says why it is none that PLOG takes, with the `types` that are not allowed; else there are its inputs: how many, and
    their names where the model knows them, how many values it predicts where it knows that, and the versions of its libraries.
    """

    problem: str | None = None
    types: Collection[str] = ()
    inputs: int = 0
    names: tuple[str, ...] = ()
    outputs: int | None = None
    frameworks: Mapping[str, str] = field(default_factory=dict)


def uploaded_content(source: ModelSource, size: int, found: InspectedModel) -> ModelContent:
    """The content of an upload that was inspected; `ValidationFailed` where it is no model, or not the one that was described."""
    problems = Problems("input.source.upload.")
    if found.problem is not None:
        types = f": {', '.join(sorted(found.types))}" if found.types else ""
        problems.add("sha256", f"{found.problem}{types}")
        problems.check()
    features = source.features or found.names
    if not features:
        problems.add("features", f"are required: the model takes {found.inputs} and does not know their names")
    elif len(features) != found.inputs:
        problems.add("features", f"are {len(features)}; the model takes {found.inputs}")
    elif found.names and features != found.names:
        problems.add("features", f"differ from the model's own: {', '.join(found.names)[:1000]}")
    if found.outputs is not None and len(source.targets) != found.outputs:
        problems.add("targets", f"are {len(source.targets)}; the model predicts {found.outputs}")
    problems.check()
    return ModelContent(
        sha256=source.sha256 or "",
        size=size,
        features=tuple(ModelFeature(name=name) for name in features),
        targets=source.targets,
        frameworks=found.frameworks,
        origin=ModelOrigin.UPLOAD,
    )
