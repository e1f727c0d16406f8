"""What people send to set up a model, copy one or change what is said of it."""

from typing import Any
from uuid import UUID

import strawberry
from strawberry.scalars import JSON

from gql import ids
from gql.types.enums import ProductLine

ATTRIBUTES = (
    "Its settings by name: text, numbers, true or false; of a date its text. Names begin with a letter and have at most 64 "
    "letters, digits, `_`, `.` and `-`; at most 100."
)

CHANGES = "Settings by name that take the place of those there are; null removes one, and what is not named stays."


@strawberry.input(
    description=(
        "A fitted scikit-learn estimator or pipeline in the format of skops, which was uploaded to `/uploads/SHA256`. It is "
        "looked into before anything is stored, and may hold nothing but what PLOG's own models hold."
    )
)
class ModelUploadInput:
    sha256: str = strawberry.field(description="The SHA-256 checksum of the file, in lower-case hexadecimal digits.")
    targets: list[str] = strawberry.field(description="What the model predicts, by name, in order.")
    features: list[str] | None = strawberry.field(
        default=None, description="Its inputs by name, in order; may be left out where the model knows their names."
    )

    def document(self) -> dict[str, Any]:
        """The upload as the domain reads it."""
        return {"sha256": self.sha256, "targets": self.targets, "features": self.features}


@strawberry.input(description="Where a trained model comes from: either a job or an upload.")
class ModelSourceInput:
    job_id: strawberry.ID | None = strawberry.field(
        default=None, description="The id of a job that has succeeded: OPTIMIZE, whose registered model it is, or ML."
    )

    upload: ModelUploadInput | None = strawberry.field(default=None, description="A file of one's own.")

    def document(self) -> dict[str, Any]:
        """The source as the domain reads it."""
        return {"jobId": self.job_id, "upload": None if self.upload is None else self.upload.document()}

    def job_uuid(self) -> UUID | None:
        """The UUID of the job; `NotFound` where the id is no job's."""
        return None if self.job_id is None else ids.job_uuid(self.job_id)


@strawberry.input(description="What a copy of a model is to be called, and what of it is to be different.")
class SetUpModelCopyInput:
    name: str = strawberry.field(
        description="Its name, at most 200 characters; no other model of its product line, not archived, may have it."
    )
    attributes: JSON | None = strawberry.field(default=None, description=f"{CHANGES} The source keeps its own.")
    description: str | None = strawberry.field(default=None, description="What it is for; as of the source where it is left out.")

    def document(self) -> dict[str, Any]:
        """The input as the domain reads it."""
        return {"name": self.name, "attributes": self.attributes, "description": self.description}


@strawberry.input(description="What is to be said of a model from now on. What is left out stays.")
class SetUpModelUpdateInput:
    attributes: JSON | None = strawberry.field(default=None, description=CHANGES)
    description: str | None = strawberry.field(default=None, description="What it is for.")

    def document(self) -> dict[str, Any]:
        """The input as the domain reads it."""
        return {"attributes": self.attributes, "description": self.description}


@strawberry.input(description="A new set-up model.")
class SetUpModelInput:
    name: str = strawberry.field(
        description="Its name, at most 200 characters; no other model of its product line, not archived, may have it."
    )
    product_line: ProductLine = strawberry.field(description="The product line it belongs to.")
    source: ModelSourceInput = strawberry.field(description="Where its first version comes from.")
    attributes: JSON | None = strawberry.field(default=None, description=ATTRIBUTES)
    description: str | None = strawberry.field(default=None, description="What it is for.")

    def document(self) -> dict[str, Any]:
        """The input as the domain reads it."""
        return {
            "name": self.name,
            "productLine": self.product_line,
            "source": self.source.document(),
            "attributes": self.attributes,
            "description": self.description,
        }
