"""What a caller can see, as a value that queries apply in SQL and loaders are keyed by."""

from dataclasses import dataclass

from domain.kit import ProductLine


@dataclass(frozen=True, slots=True)
class Visibility:
    """The product lines whose kits exist for the caller, and the one kit where the caller is a job's worker."""

    product_lines: frozenset[ProductLine]
    kit_id: int | None = None


EVERYTHING = Visibility(frozenset(ProductLine))
