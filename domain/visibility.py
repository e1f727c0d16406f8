"""What a caller can see, as values that queries apply in SQL and loaders are keyed by."""

from dataclasses import dataclass

from domain.kit import ProductLine


@dataclass(frozen=True, slots=True)
class Visibility:
    """The product lines whose kits and lot rows exist for the caller."""

    product_lines: frozenset[ProductLine]


EVERYTHING = Visibility(frozenset(ProductLine))


@dataclass(frozen=True, slots=True)
class Involvement:
    """Whose applications, permissions and audit exist for the caller: their own, and those of the kinds that they decide on."""

    subject: str
    decides_on: frozenset[str] = frozenset()
