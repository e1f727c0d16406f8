"""Where the trained model of a version comes from: reading what was sent, what a job has left, and what was found in a file."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from domain.errors import ValidationFailed
from domain.model_version import MAX_FEATURES, MAX_TARGETS, FeatureKind, ModelContent, ModelFeature, ModelOrigin
from domain.validation import Problems


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSource:
    """Where the content of a new version is to come from: a job, or an upload with the names of what goes in and comes out."""

    job_id: UUID | None = None
    sha256: str | None = None
    features: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()


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

    @property
    def refusal(self) -> str | None:
        """Why it is no model that PLOG takes, with the types that are in the way."""
        return f"{self.problem}: {', '.join(sorted(self.types))}" if self.types else self.problem


def read_card(card: Any, field_name: str) -> tuple[str, str, ModelContent]:
    """The artifact's name and checksum in a model card (`steps/optimize.py`), and what the card says of the model.

    Size and attempt are those of the artifact (`ModelContent.found_in`). A step may have written anything: `ValidationFailed` of
    that field.
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


def checked_content(content: ModelContent, found: InspectedModel, field_name: str) -> ModelContent:
    """What a card says of a model that was inspected; `ValidationFailed` where it is none, or not the one of the card."""
    names = [feature.name for feature in content.features]
    problem = found.refusal
    if problem is None and (len(names) != found.inputs or (found.names and set(names) != set(found.names))):
        problem = "has other inputs than its card says"
    if problem is None and found.outputs not in (None, len(content.targets)):
        problem = f"predicts {found.outputs} values; its card says {len(content.targets)}"
    if problem is not None:
        raise ValidationFailed.of(field_name, f"has left a model that {problem}")
    return content


def read_metrics(document: Any, field_name: str) -> Mapping[str, Mapping[str, Any]]:
    """The figures by target in the `metrics.json` of an ML job (`steps/ml.py`); `ValidationFailed` of that field."""
    try:
        figures = {str(name): dict(each) for name, each in document["responses"].items()}
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValidationFailed.of(field_name, "has left figures that can't be read") from error
    if not figures:
        raise ValidationFailed.of(field_name, "has left figures of nothing")
    return figures


def trained_content(found: InspectedModel, figures: Mapping[str, Mapping[str, Any]], field_name: str) -> ModelContent:
    """The content of an ML job's model that was inspected; `ValidationFailed` where it is none with named inputs."""
    if found.refusal is not None or not found.names:
        raise ValidationFailed.of(field_name, f"has left a model that {found.refusal or 'does not know its inputs'}")
    return ModelContent(
        sha256="",
        size=0,
        features=tuple(ModelFeature(name=name) for name in found.names),
        targets=tuple(figures),
        metrics=figures,
        frameworks=found.frameworks,
        origin=ModelOrigin.JOB,
    )


def _feature(name: str, extent: Mapping[str, Any]) -> ModelFeature:
    if "categories" in extent:
        return ModelFeature(name=name, kind=FeatureKind.CATEGORY, categories=tuple(map(str, extent["categories"])))
    return ModelFeature(name=name, kind=FeatureKind.NUMBER, low=float(extent["low"]), high=float(extent["high"]))


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


def uploaded_content(source: ModelSource, size: int, found: InspectedModel) -> ModelContent:
    """The content of an upload that was inspected; `ValidationFailed` where it is no model, or not the one that was described."""
    problems = Problems("input.source.upload.")
    if found.refusal is not None:
        problems.add("sha256", found.refusal)
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
