"""Versions of set-up models, and which was in use when."""

from datetime import datetime

import strawberry
from strawberry.scalars import JSON

from domain import model_version as domain
from domain.artifact import model_artifact_id
from domain.query import Page
from gql import ids
from gql.context import Info
from gql.sharing import Volatile
from gql.types.artifact import Artifact
from gql.types.connection import Connection, encode_cursor, page_parts
from gql.types.enums import FeatureKind, ModelOrigin, ModelVersionState
from gql.types.node import Node


@strawberry.type(description="An input of a model.")
class ModelFeature:
    name: str = strawberry.field(description="Its name.")
    kind: FeatureKind = strawberry.field(description="What it takes.")
    low: float | None = strawberry.field(description="The least value that the model was trained on, where that is known.")
    high: float | None = strawberry.field(description="The greatest.")
    categories: list[str] = strawberry.field(description="The texts that it was trained on, where it takes texts.")

    @classmethod
    def of(cls, feature: domain.ModelFeature) -> "ModelFeature":
        """The type for a feature of the domain."""
        return cls(name=feature.name, kind=feature.kind, low=feature.low, high=feature.high, categories=list(feature.categories))


@strawberry.type(description="One version of a set-up model: a trained model. Nothing of it changes but its state.")
class ModelVersion(Node):
    number: int = strawberry.field(description="Its number within the model, from 1.")
    model_id: strawberry.ID = strawberry.field(description="The id of the set-up model.")
    state: ModelVersionState = strawberry.field(description="Whether it is in use.")
    features: list[ModelFeature] = strawberry.field(description="Its inputs, in the order in which it takes them.")
    targets: list[str] = strawberry.field(description="What it predicts, in order.")
    metrics: JSON = strawberry.field(
        description="How well it predicts each target, as in `{delay: {r2, rmse, mae}}`; may be empty."
    )
    frameworks: JSON = strawberry.field(description="The versions of the libraries that it was made with, by name.")
    origin: ModelOrigin = strawberry.field(description="Where it came from.")
    job_id: strawberry.ID | None = strawberry.field(description="The id of the job whose attempt has trained it; null of others.")
    attempt_number: int | None = strawberry.field(description="The number of that attempt.")
    source_version_id: strawberry.ID | None = strawberry.field(
        description="The id of the version that it is a copy of; null of others."
    )
    actor: str = strawberry.field(description="The subject of the person who brought it.")
    actor_name: str = strawberry.field(description="That person's name, as it was then.")
    created_at: datetime = strawberry.field(description="When.")
    version: strawberry.Private[domain.ModelVersion]

    @strawberry.field(
        description="Its file, in the format of skops; null for viewers who may not use the model.", directives=[Volatile()]
    )
    async def artifact(self, info: Info) -> Artifact | None:
        artifact_id = model_artifact_id(self.version.key.model_id, self.version.content.sha256)
        artifact = await info.context.loaders.artifact_by_id.load(artifact_id)
        return None if artifact is None else Artifact.of(artifact)

    @classmethod
    def of(cls, version: domain.ModelVersion) -> "ModelVersion":
        """The type for a version of the domain."""
        content, attempt = version.content, version.content.attempt
        return cls(
            id=strawberry.ID(ids.encode("ModelVersion", *version.key)),
            number=version.key.number,
            model_id=strawberry.ID(ids.encode("SetUpModel", version.key.model_id)),
            state=version.state,
            features=[ModelFeature.of(each) for each in content.features],
            targets=list(content.targets),
            metrics=JSON(content.metrics),
            frameworks=JSON(content.frameworks),
            origin=content.origin,
            job_id=None if attempt is None else strawberry.ID(ids.encode("Job", attempt.job_id)),
            attempt_number=None if attempt is None else attempt.number,
            source_version_id=None if content.source is None else strawberry.ID(ids.encode("ModelVersion", *content.source)),
            actor=version.actor,
            actor_name=version.actor_name,
            created_at=version.created_at,
            version=version,
        )


@strawberry.type(description="A page of a model's versions, oldest first.")
class ModelVersionConnection(Connection[ModelVersion]):
    @classmethod
    def of(cls, page: Page[domain.ModelVersion], after: str | None) -> "ModelVersionConnection":
        """The connection for a page of versions."""
        cursors = [encode_cursor("model version", each.key.number) for each in page.items]
        return cls(**page_parts([ModelVersion.of(each) for each in page.items], cursors, has_more=page.has_more, after=after))


@strawberry.type(description="A version came in use, and was until the next one did.")
class ModelActivation:
    number: int = strawberry.field(description="Counts them in each model, from 1.")
    version: int = strawberry.field(description="The number of the version that came in use.")
    version_id: strawberry.ID = strawberry.field(description="Its id.")
    is_roll_back: bool = strawberry.field(description="Whether it was a return to the version that had been in use before.")
    actor: str = strawberry.field(description="The subject of the person who did it.")
    actor_name: str = strawberry.field(description="That person's name, as it was then.")
    reason: str = strawberry.field(description="Why; empty for a model's first version.")
    recorded_at: datetime = strawberry.field(description="When, by the database's clock.")

    @classmethod
    def of(cls, activation: domain.ModelActivation) -> "ModelActivation":
        """The type for an activation of the domain."""
        return cls(
            number=activation.number,
            version=activation.version,
            version_id=strawberry.ID(ids.encode("ModelVersion", activation.model_id, activation.version)),
            is_roll_back=activation.is_roll_back,
            actor=activation.actor,
            actor_name=activation.actor_name,
            reason=activation.reason,
            recorded_at=activation.recorded_at,
        )


@strawberry.type(description="A page of what was in use when, oldest first.")
class ModelActivationConnection(Connection[ModelActivation]):
    @classmethod
    def of(cls, page: Page[domain.ModelActivation], after: str | None) -> "ModelActivationConnection":
        """The connection for a page of activations."""
        cursors = [encode_cursor("model activation", each.number) for each in page.items]
        return cls(**page_parts([ModelActivation.of(each) for each in page.items], cursors, has_more=page.has_more, after=after))
