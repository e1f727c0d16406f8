"""References within a document: how far they are followed, and what is said of those that are not."""

from typing import Any

import pytest

from domain.json_pointer import BUNDLE, MAX_HOPS, MAX_REASON, UNFOLLOWED, Unresolvable, resolve


def chain(length: int) -> dict[str, Any]:
    """References of which each leads to the next, `length` of them."""
    return {**{str(at): {"$ref": f"#/{at + 1}"} for at in range(length)}, str(length): {"end": True}}


def test_long_chains_of_references_are_not_followed() -> None:
    document = chain(MAX_HOPS)
    assert resolve(document, document["0"]) == {"end": True}
    longer = chain(MAX_HOPS + 1)
    with pytest.raises(Unresolvable, match=f"comes after {MAX_HOPS} others and is not followed"):
        resolve(longer, longer["0"])
    assert resolve(longer, longer["1"]) == {"end": True}


def test_a_reason_is_cut() -> None:
    document = {BUNDLE: {UNFOLLOWED: {"other.yaml": "y" * 100_000}}}
    with pytest.raises(Unresolvable) as caught:
        resolve(document, {"$ref": "other.yaml#/a"})
    assert str(caught.value).endswith(": " + "y" * MAX_REASON)
