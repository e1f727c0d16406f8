"""What stands in a folder."""

import os
from contextlib import suppress
from pathlib import Path


def contents_of(folder: Path) -> list[bytes]:
    """Of all files in it and below; those that a program removes meanwhile are left out."""
    found = []
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                path = Path(place) / name
                if path.is_file():
                    found.append(path.read_bytes())
    return found
