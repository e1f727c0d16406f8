"""The one who asks."""

from datetime import datetime

import strawberry

from domain.actor import Person


@strawberry.type(description="The one who asks.")
class Viewer:
    subject: str = strawberry.field(description="The issuer's name for the person.")
    name: str = strawberry.field(description="A name to show.")
    groups: list[str] = strawberry.field(description="The groups that the issuer tells of.")
    expires_at: datetime = strawberry.field(description="When the sign-in ends.")

    @classmethod
    def of(cls, person: Person) -> "Viewer":
        """The type for a person of the domain."""
        return cls(subject=person.subject, name=person.name, groups=sorted(person.groups), expires_at=person.expires_at)
