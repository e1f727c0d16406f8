"""Opaque ids: the kind and key of a thing, encoded so that nobody is tempted to build one by hand."""

import base64


def encode(kind: str, *key: object) -> str:
    """The id of a thing of that kind."""
    text = ":".join([kind, *map(str, key)])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
