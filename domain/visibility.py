"""What a caller can see, as a value that queries apply in SQL and loaders are keyed by."""

from dataclasses import dataclass

from domain.kit import ProductLine


@dataclass(frozen=True, slots=True)
class Visibility:
    """The product lines whose kits exist for the caller."""

    product_lines: frozenset[ProductLine]


EVERYTHING = Visibility(frozenset(ProductLine))
