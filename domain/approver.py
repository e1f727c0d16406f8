"""Who decides on which permissions: people by their subjects, or by what the issuer says of their groups."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from domain.actor import Person
from domain.permission_kind import PERMISSION_KINDS

EVERY_KIND = "*"


@dataclass(frozen=True, slots=True)
class Approvers:
    """The subjects and the groups that decide on each kind; those of `EVERY_KIND` decide on all."""

    subjects: Mapping[str, Collection[str]] = field(default_factory=dict)
    groups: Mapping[str, Collection[str]] = field(default_factory=dict)

    def kinds_of(self, person: Person) -> frozenset[str]:
        """The kinds that this person decides on, for others."""
        return frozenset(kind for kind in PERMISSION_KINDS if self._decides(person, kind))

    def _decides(self, person: Person, kind: str) -> bool:
        named = {*self.subjects.get(kind, ()), *self.subjects.get(EVERY_KIND, ())}
        groups = {*self.groups.get(kind, ()), *self.groups.get(EVERY_KIND, ())}
        return person.subject in named or bool(groups & person.groups)
