"""A Python function that a server's settings name."""

from collections.abc import Mapping


def ring(values: Mapping[str, float]) -> dict[str, float]:
    """Delay and power of a ring of `stages` under `load`, in no unit."""
    return {"delay": values["stages"] * (0.7 + values["load"] ** 1.5), "power": 1 / (1 + values["load"])}
