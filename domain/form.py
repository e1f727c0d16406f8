"""Bodies of forms: each field as the endpoint's document says that it is written.

Sources: OpenAPI 3.0.4 and 3.1.1, "Encoding Object"; RFC 7578 (multipart/form-data); the names in it are escaped as browsers do.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from domain.endpoint import FormField
from domain.request import pairs, plain, quoted, text_levels
from domain.schema_value import NoValue

URLENCODED, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"
FILE = "application/octet-stream"
ESCAPES = str.maketrans({'"': "%22", "\r": "%0D", "\n": "%0A"})


def essence(media_type: str) -> str:
    """A media type without its parameters."""
    return media_type.partition(";")[0].strip().lower()


def is_json(media_type: str) -> bool:
    """Whether what has that media type is JSON."""
    return essence(media_type) == "application/json" or essence(media_type).endswith("+json")


def is_xml(media_type: str) -> bool:
    """Whether what has that media type is XML."""
    return essence(media_type) in ("application/xml", "text/xml") or essence(media_type).endswith("+xml")


def write_form(values: Mapping[str, Any], fields: Iterable[FormField], media_type: str) -> tuple[str, str]:
    """Media type and text of a form with these values, as JSON, by name; `NoValue` where a field can't be written.

    A field without a style is written by its media type: texts stand as they are, the rest as JSON, and a list is one field for
    each of its elements.
    """
    known = {field.name: field for field in fields}
    chosen = [(known.get(name) or FormField(name=name), value) for name, value in values.items()]
    if essence(media_type) == URLENCODED:
        return media_type, "&".join(f"{name}={text}" for field, value in chosen for name, text in _pairs(field, value))
    parts = [part for field, value in chosen for part in _parts(field, value)]
    text = "".join(parts)
    boundary = f"form-{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"
    ends = "".join(f"--{boundary}\r\n{part}\r\n" for part in parts)
    return f"{MULTIPART}; boundary={boundary}", f"{ends}--{boundary}--\r\n"


def _pairs(field: FormField, value: Any) -> Iterator[tuple[str, str]]:
    if field.style is not None:
        yield from pairs(field, value)
    else:
        yield from ((quoted(field.name), quoted(_written(field, each))) for each in _elements(value))


def _parts(field: FormField, value: Any) -> Iterator[str]:
    if field.style is not None:
        yield from (_part(unquote(name), unquote(text)) for name, text in pairs(field, value))
        return
    for each in _elements(value):
        media_type = field.media_type or (FILE if field.is_file else "application/json" if isinstance(each, dict | list) else "")
        yield _part(field.name, _written(field, each), media_type, field.name if field.is_file else None)


def _part(name: str, text: str, media_type: str = "", file: str | None = None) -> str:
    named = f'; filename="{file.translate(ESCAPES)}"' if file is not None else ""
    typed = f"Content-Type: {media_type}\r\n" if media_type else ""
    return f'Content-Disposition: form-data; name="{name.translate(ESCAPES)}"{named}\r\n{typed}\r\n{text}'


def _elements(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _written(field: FormField, value: Any) -> str:
    if isinstance(value, dict | list) and field.media_type and not is_json(field.media_type):
        raise NoValue(f"{field.name[:100]} is of {field.media_type[:100]}, which is not made from schemas")
    return plain(value)


def level_of_texts(field: FormField | None, value: Any) -> int:
    """How deep in the value of a field texts stand as they are; below that they are in JSON (`domain.template.Marks.value`)."""
    if field is not None and field.style is not None:
        return text_levels(field.style)
    return 2 if isinstance(value, list) else 1
