"""Whether the viewer may do something, and if not, why not and what would help."""

import strawberry

from domain.errors import PermissionDenied, UserError
from gql import ids


@strawberry.type(description="Whether the viewer may do something now. It is asked again when it is done.")
class Capability:
    is_allowed: bool = strawberry.field(description="Whether it would be done now.")
    reason: str | None = strawberry.field(description="Why not, in a sentence for people; null where it is allowed.")
    opened_by: list[str] = strawberry.field(description="The permissions that would open it, by name; none where none would.")
    apply_at: str | None = strawberry.field(
        description=(
            "Where to apply: for access to the model if `setUpModelId` names one, else for a permission; "
            "the first is chosen there, unless they open different product lines."
        )
    )
    set_up_model_id: strawberry.ID | None = strawberry.field(
        description="The set-up model access to which would open it as well (`modelAccessRequestCreate`); null where none would."
    )

    @classmethod
    def of_the_past(cls) -> "Capability":
        """The type for what is shown as it was."""
        reason = "This is how it was at that time."
        return cls(is_allowed=False, reason=reason, opened_by=[], apply_at=None, set_up_model_id=None)

    @classmethod
    def of(cls, refusal: UserError | None) -> "Capability":
        """The type for what the use case would be refused with; None for nothing."""
        denial = refusal if isinstance(refusal, PermissionDenied) else None
        model_id = None if denial is None else denial.set_up_model_id
        return cls(
            is_allowed=refusal is None,
            reason=None if refusal is None else refusal.message,
            opened_by=list(denial.opened_by) if denial is not None else [],
            apply_at=None if denial is None else denial.apply_at,
            set_up_model_id=None if model_id is None else strawberry.ID(ids.encode("SetUpModel", model_id)),
        )
