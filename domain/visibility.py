"""What a caller can see, as values that queries apply in SQL and loaders are keyed by."""

from collections.abc import Iterable
from dataclasses import dataclass

from domain.kit import ProductLine
from domain.permission_kind import PermissionAction, Right


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
class ModelReach:
    """What of set-up models is open to the caller, by subject: those in their product lines exist.

    In those where they may set up they use each and decide on access to it; elsewhere they do so to their own, and use others as
    long as they were given access. None is PLOG itself, which uses all.
    """

    subject: str | None
    product_lines: frozenset[ProductLine]
    set_up_lines: frozenset[ProductLine] = frozenset()

    @classmethod
    def of(cls, subject: str, rights: Iterable[Right]) -> "ModelReach":
        """What is open to the person who has these rights."""
        held = frozenset(rights)
        set_up = frozenset(right.product_line for right in held if right.action is PermissionAction.SET_UP)
        return cls(subject, Visibility.of(held).product_lines, set_up)


EVERY_MODEL = ModelReach(None, frozenset(ProductLine), frozenset(ProductLine))


@dataclass(frozen=True, slots=True)
class Involvement:
    """Whose applications, permissions and audit exist for the caller: their own, and those of the kinds that they decide on."""

    subject: str
    decides_on: frozenset[str] = frozenset()
