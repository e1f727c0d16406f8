"""The server's secret keys, from which the keys for attempt tokens, signed URLs, secrets and the embedded issuer are derived.

Several servers share them by setting; a single one makes its own on its first start. Rotation: put a new key in front
of the list, and remove the old one when nothing it signed or encrypted is still in use: secrets stay under the key that they were
set with.
"""

import base64
import binascii
import os
import re
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

MIN_SECRET_BYTES = 32
DERIVED_BYTES = 64
_KEY_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class InvalidKeys(ValueError):
    """The configured keys can't be used; the message is one sentence and holds no secret."""


class Keys:
    """An ordered set of named secrets: the first signs, all verify."""

    def __init__(self, secrets_by_id: Mapping[str, bytes]) -> None:
        self._secrets = dict(secrets_by_id)

    @classmethod
    def parse(cls, entries: Sequence[str], source: str = "PLOG_SECRETS__KEYS") -> "Keys":
        """Read `id:base64secret` entries (standard or URL-safe alphabet, padding optional, at least 32 bytes each).

        Raises `InvalidKeys`, which names `source` and the place of the entry in it.
        """
        found: dict[str, bytes] = {}
        for place, entry in enumerate(entries, start=1):
            key_id, _, encoded = entry.strip().partition(":")
            if not _KEY_ID.fullmatch(key_id):
                raise InvalidKeys(
                    f"{source}: entry {place} must begin with an id of letters, digits, '.', '_' or '-' and a colon."
                )
            if key_id in found:
                raise InvalidKeys(f"{source}: the id of entry {place} is used twice.")
            secret = _decode(encoded)
            if secret is None:
                raise InvalidKeys(f"{source}: the secret of entry {place} is not base64.")
            if len(secret) < MIN_SECRET_BYTES:
                raise InvalidKeys(f"{source}: the secret of entry {place} is shorter than {MIN_SECRET_BYTES} bytes.")
            found[key_id] = secret
        if not found:
            raise InvalidKeys(f"{source}: at least one key is needed.")
        return cls(found)

    @classmethod
    def from_file(cls, path: Path) -> "Keys":
        """The keys in `path`, one entry a line; the file is made with one random key (mode 0600) where there is none.

        Of several processes that start at once, one makes the file and all read the same. Raises `InvalidKeys`.
        """
        try:
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                entry = f"{secrets.token_hex(4)}:{base64.b64encode(secrets.token_bytes(DERIVED_BYTES)).decode()}\n"
                _create_once(path, entry.encode())
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError as error:
            raise InvalidKeys(f"{path}: the file of keys can't be read or made: {error.strerror}.") from error
        return cls.parse([line for line in lines if line.strip()], source=str(path))

    def derive(self, purpose: str) -> Mapping[str, bytes]:
        """64-byte secrets for one purpose by key id, in the same order (HKDF-SHA256, RFC 5869).

        Secrets of different purposes tell nothing about each other, so that what is signed for one is worthless for another.
        """
        return {key_id: _expand(secret, purpose) for key_id, secret in self._secrets.items()}


def _expand(secret: bytes, purpose: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=DERIVED_BYTES, salt=None, info=f"plog {purpose}".encode()).derive(secret)


def _decode(text: str) -> bytes | None:
    standard = text.strip().rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def _create_once(path: Path, content: bytes) -> None:
    """Make the file whole or not at all; a file that is there already stays as it is.

    `link` fails where the name is taken, unlike `rename`, and the name never shows a file that is not yet complete.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        try:
            path.hardlink_to(draft)
        except FileExistsError:
            return
    finally:
        draft.unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
