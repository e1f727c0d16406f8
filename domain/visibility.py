"""What a caller can see, as values that queries apply in SQL and loaders are keyed by."""

from collections.abc import Iterable
from dataclasses import dataclass

from domain.kit import ProductLine
from domain.permission_kind import Right


@dataclass(frozen=True, slots=True)
class Visibility:
    """The product lines whose kits and lot rows exist for the caller."""

    product_lines: frozenset[ProductLine]

    @classmethod
    def of(cls, rights: Iterable[Right]) -> "Visibility":
        """What exists for who has these rights: what lies in a product line in which they may do anything."""
        return cls(frozenset(right.product_line for right in rights))


EVERYTHING = Visibility(frozenset(ProductLine))


@dataclass(frozen=True, slots=True)
class Membership:
    """The person whose projects of load tests exist for the caller, with all that belongs to them; None for PLOG itself: all."""

    subject: str | None


EVERY_PROJECT = Membership(None)


@dataclass(frozen=True, slots=True)
class Involvement:
    """Whose applications, permissions and audit exist for the caller: their own, and those of the kinds that they decide on."""

    subject: str
    decides_on: frozenset[str] = frozenset()
