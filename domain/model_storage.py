"""What the use cases of set-up models expect of the database."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from domain.kit import ProductLine
from domain.model_access_request import ModelAccessRequest
from domain.model_version import ModelActivation, ModelContent, ModelVersion, VersionKey
from domain.query import HistoryQuery, ModelAccessQuery, Page, SetUpModelQuery
from domain.set_up_model import ModelDefinition, ModelFile, SetUpModel
from domain.version import Version
from domain.visibility import ModelReach


class SetUpModelStore(Protocol):
    """The set-up models of one unit of work."""

    async def get_many(self, ids: Sequence[int], reach: ModelReach) -> dict[int, SetUpModel]:
        """The models of these ids that exist for the caller, by id."""
        ...

    async def files_among(self, artifact_ids: Sequence[UUID], reach: ModelReach) -> dict[UUID, ModelFile]:
        """Which of these outputs of attempts are the file of a version of a set-up model of their kit's product line."""
        ...

    async def lock(self, number: int) -> None:
        """Keep others from changing the model until the unit of work ends."""
        ...

    async def page(self, query: SetUpModelQuery, reach: ModelReach) -> Page[SetUpModel]:
        """A page of models."""
        ...

    async def copies(self, queries: Sequence[SetUpModelQuery], reach: ModelReach) -> list[Page[SetUpModel]]:
        """For each query, which names a source, a page of what was copied from it, by number."""
        ...

    async def count(self, query: SetUpModelQuery, reach: ModelReach) -> int:
        """How many models the query has, wherever its page begins."""
        ...

    async def add(
        self,
        definition: ModelDefinition,
        product_line: ProductLine,
        owner: str,
        owner_name: str,
        source_id: int | None = None,
    ) -> SetUpModel:
        """Store a new model, whose first version is the active one; ValidationFailed where its name is taken."""
        ...

    async def change(
        self,
        model: SetUpModel,
        actor: str,
        *,
        definition: ModelDefinition | None = None,
        active_version: int | None = None,
        is_archived: bool = False,
    ) -> SetUpModel | None:
        """Store its next revision, with what is given; None where it has changed since it was read."""
        ...

    async def revisions(self, queries: Sequence[HistoryQuery]) -> list[Page[Version[ModelDefinition]]]:
        """For each query a page of what a model was, oldest first."""
        ...


class ModelVersionStore(Protocol):
    """The versions of set-up models, and which was in use when; both only grow."""

    async def get_many(self, keys: Sequence[VersionKey]) -> dict[VersionKey, ModelVersion]:
        """The versions of these keys, by key."""
        ...

    async def pages(self, queries: Sequence[HistoryQuery]) -> list[Page[ModelVersion]]:
        """For each query a page of a model's versions, oldest first."""
        ...

    async def add(self, model_id: int, content: ModelContent, actor: str, actor_name: str, at: datetime) -> VersionKey:
        """Store a model's next version; the model was changed in this unit of work, so that nobody else adds one."""
        ...

    async def activate(self, activation: ModelActivation) -> None:
        """Put on record that a version came in use."""
        ...

    async def activations(self, queries: Sequence[HistoryQuery]) -> list[Page[ModelActivation]]:
        """For each query a page of what was in use when, oldest first."""
        ...

    async def activation(self, model_id: int, number: int) -> ModelActivation | None:
        """That activation of the model."""
        ...

    async def active_at(self, places: Sequence[tuple[int, datetime]]) -> dict[tuple[int, datetime], ModelActivation]:
        """For each model and time the activation that was the last then; nothing of who had none yet."""
        ...


class ModelAccessStore(Protocol):
    """The applications for access to models. Access that has expired opens nothing, whether that was put on record or not."""

    async def get_many(self, ids: Sequence[int], reach: ModelReach) -> dict[int, ModelAccessRequest]:
        """The applications of these ids that exist for the caller, by id."""
        ...

    async def page(self, query: ModelAccessQuery, reach: ModelReach) -> Page[ModelAccessRequest]:
        """A page of applications."""
        ...

    async def versions_on_page(self, query: ModelAccessQuery, reach: ModelReach) -> dict[int, int]:
        """The ids of the applications on that page, in its order, with the version of each."""
        ...

    async def count(self, query: ModelAccessQuery, reach: ModelReach) -> int:
        """How many applications the query has, wherever its page begins."""
        ...

    async def open_of(self, subject: str, model_ids: Sequence[int]) -> dict[int, list[ModelAccessRequest]]:
        """The person's applications for these models that are pending or approved on record, by model."""
        ...

    async def open_to(self, model_ids: Sequence[int]) -> dict[int, set[str]]:
        """The people to whom access to these models is open now by their applications, by model."""
        ...

    async def still_open(self, ids: Sequence[int]) -> frozenset[int]:
        """Those of these applications whose access is open now."""
        ...

    async def expired(self, limit: int) -> list[ModelAccessRequest]:
        """Access that has expired without that being on record, the oldest first."""
        ...

    async def add(self, request: ModelAccessRequest) -> ModelAccessRequest | None:
        """Store a new one; the database gives it its number. None where the person has one for that model pending."""
        ...

    async def change(self, before: ModelAccessRequest, changed: ModelAccessRequest) -> bool:
        """Store what `before` became; False where it has changed since it was read."""
        ...
