"""Kinds of permissions, and what each opens: a product line and what may be done in it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from domain.kit import ProductLine


class PermissionAction(StrEnum):
    """What may be done in a product line.

    GENERAL: see it, run kits, track lots, ask for models. SET_UP: copy, set up and promote models.
    """

    GENERAL = "GENERAL"
    SET_UP = "SET_UP"


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """One thing that may be done in one product line."""

    product_line: ProductLine
    action: PermissionAction


@dataclass(frozen=True, slots=True, kw_only=True)
class PermissionKind:
    """What people apply for; `opens` says all that it gives, nothing goes without saying."""

    name: str
    title: str
    description: str
    opens: frozenset[Right]


def _kind(name: str, title: str, description: str, *opens: Right) -> PermissionKind:
    return PermissionKind(name=name, title=title, description=description, opens=frozenset(opens))


LOGIC_GENERAL = Right(ProductLine.LOGIC, PermissionAction.GENERAL)
LOGIC_SET_UP = Right(ProductLine.LOGIC, PermissionAction.SET_UP)
DRAM_GENERAL = Right(ProductLine.DRAM, PermissionAction.GENERAL)

PERMISSION_KINDS: Mapping[str, PermissionKind] = {
    kind.name: kind
    for kind in (
        _kind("LOGIC_GENERAL", "Logic general", "See logic kits, models and lots, run kits and track lots.", LOGIC_GENERAL),
        _kind(
            "LOGIC_MODEL_SET_UP",
            "Logic model set-up",
            "All of logic general; copy, set up and promote logic models.",
            LOGIC_GENERAL,
            LOGIC_SET_UP,
        ),
        _kind("DRAM_GENERAL", "DRAM general", "See DRAM kits, models and lots, run kits and track lots.", DRAM_GENERAL),
    )
}


def opened_by(kinds: Iterable[str]) -> frozenset[Right]:
    """All that these kinds open; a name that is no kind (any more) opens nothing."""
    return frozenset(right for name in kinds if name in PERMISSION_KINDS for right in PERMISSION_KINDS[name].opens)


def kinds_that_open(*rights: Right) -> list[str]:
    """The names of the kinds that give one of these rights, those first that give the least besides."""
    found = [kind for kind in PERMISSION_KINDS.values() if not kind.opens.isdisjoint(rights)]
    return [kind.name for kind in sorted(found, key=lambda kind: len(kind.opens))]
