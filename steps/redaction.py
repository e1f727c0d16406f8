"""Keeping secrets out of what is copied into logs: as they are, and in every form in which they are sent or quoted."""

import base64
import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

SHOWN = "***"
MIN_PART = 4  # characters: shorter parts of a secret are found in innocent words and tell nothing
UNRESERVED = "!'()*"  # what JavaScript's encodeURIComponent leaves as it is, beyond Python's own

QUOTED = {"\a": r"\a", "\b": r"\b", "\f": r"\f", "\n": r"\n", "\r": r"\r", "\t": r"\t", "\v": r"\v", "\\": r"\\", '"': r"\""}


class Redaction:
    """Replaces the secrets in texts."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form for secret in secrets for form in _forms(secret) if len(form) >= MIN_PART}
        longest_first = sorted(forms, key=lambda form: (-len(form), form))
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if forms else None

    def __call__(self, text: str) -> str:
        """The text without the secrets."""
        return text if self._pattern is None else self._pattern.sub(SHOWN, text)


def _forms(secret: str) -> Iterator[str]:
    """How a secret may stand in a line of a log: each also quoted once and twice, as k6 quotes errors within its fields."""
    for plain in (secret, *secret.splitlines()):
        for form in (plain, quote(plain, safe=""), quote(plain, safe=UNRESERVED), quote_plus(plain), *_base64(plain)):
            in_json = json.dumps(form, ensure_ascii=False)[1:-1]
            yield from (form, _quoted(form), _quoted(_quoted(form)), in_json, _quoted(in_json))


def _quoted(text: str) -> str:
    """The text as Go quotes it (`strconv.Quote`), without the marks around it."""
    return "".join(QUOTED.get(each) or (each if each.isprintable() else _escaped(ord(each))) for each in text)


def _escaped(code: int) -> str:
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _base64(secret: str) -> Iterator[str]:
    """The part of the Base64 of a longer text (`user:secret`) that the secret alone decides, wherever it begins there."""
    content = secret.encode()
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + content).decode()
        whole = encoded[-(-offset * 8 // 6) : (offset + len(content)) * 8 // 6]
        yield whole
        yield whole.replace("+", "-").replace("/", "_")
