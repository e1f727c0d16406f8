"""The one who asks."""

from datetime import datetime

import strawberry

from domain.actor import Actor, Person


@strawberry.type(description="The one who asks.")
class Viewer:
    subject: str = strawberry.field(description="The issuer's name for the person; of a worker, its attempt.")
    name: str = strawberry.field(description="A name to show.")
    is_worker: bool = strawberry.field(description="Whether it is the worker of an attempt and not a person.")
    groups: list[str] = strawberry.field(description="The groups that the issuer tells of.")
    expires_at: datetime = strawberry.field(description="When the sign-in ends.")

    @classmethod
    def of(cls, actor: Actor) -> "Viewer":
        """The type for an actor of the domain."""
        if isinstance(actor, Person):
            return cls(
                subject=actor.subject,
                name=actor.name,
                is_worker=False,
                groups=sorted(actor.groups),
                expires_at=actor.expires_at,
            )
        name = str(actor.attempt)
        return cls(subject=name, name=f"worker of {name}", is_worker=True, groups=[], expires_at=actor.expires_at)
