"""Bodies in XML: a JSON value as its schema's `xml` says that it is written.

Source: OpenAPI 3.0.4, "XML Object".
"""

import re
from collections.abc import Mapping
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

from domain.endpoint import Schema
from domain.json_pointer import Unresolvable, name_of, resolve
from domain.request import plain
from domain.schema_rules import listed
from domain.schema_value import NoValue

NAME = re.compile(r"[^\W\d][\w.-]{0,200}")
FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
Json = Mapping[str, Any]


def write_xml(value: Any, schema: Schema, document: Json) -> str:
    """The value as one XML element; `NoValue` where the document names no element, or XML can't have what is in it."""
    rules = _rules(schema, document)
    reference = schema.get("$ref") if isinstance(schema, Mapping) else None
    name = _xml(rules).get("name") or (name_of(reference) if isinstance(reference, str) else "")
    if not name:
        raise NoValue("the document gives its root element no name")
    root = Element("root")
    _write(root, str(name), value, {**rules, "xml": {**_xml(rules), "wrapped": True}}, document)
    return tostring(root[0], encoding="unicode")


def _write(parent: Element, name: str, value: Any, rules: Json, document: Json) -> None:
    """Add what the property of that name has to its parent: an attribute, an element, or one for each item of a list."""
    xml = _xml(rules)
    name, own = str(xml.get("name") or name), name
    prefix = str(xml.get("prefix") or "")
    full = f"{_checked(prefix)}:{_checked(name)}" if prefix else _checked(name)
    if xml.get("attribute") is True:
        parent.set(full, _text(value))
        return
    if isinstance(value, list):
        items = _rules(rules.get("items", True), document)
        holder = SubElement(parent, full) if xml.get("wrapped") is True else parent
        for each in value:
            _write(holder, name if xml.get("wrapped") is True else own, each, items, document)
        return
    element = SubElement(parent, full)
    if isinstance(xml.get("namespace"), str):
        element.set(f"xmlns:{prefix}" if prefix else "xmlns", _text(xml["namespace"]))
    if isinstance(value, Mapping):
        properties = rules["properties"]
        for key, each in value.items():
            _write(element, key, each, _rules(properties.get(key, True), document), document)
    else:
        element.text = _text(value)


def _rules(schema: Any, document: Json, seen: set[str] | None = None) -> dict[str, Any]:
    """The schema with references followed, each once, and the properties of all of its parts."""
    seen = set() if seen is None else seen
    reference = schema.get("$ref") if isinstance(schema, Mapping) else None
    if isinstance(reference, str):
        if reference in seen:
            return {"properties": {}}
        seen.add(reference)
    try:
        rules = resolve(document, schema)
    except Unresolvable as problem:
        raise NoValue(str(problem)) from None
    rules = dict(rules) if isinstance(rules, Mapping) else {}
    own = rules.get("properties")
    properties = dict(own) if isinstance(own, Mapping) else {}
    for key in ("allOf", "oneOf", "anyOf"):
        for part in listed(rules.pop(key, None)):
            inner = _rules(part, document, seen)
            properties = {**inner.pop("properties"), **properties}
            rules = {**inner, **rules} if key == "allOf" else rules
    return {**rules, "properties": properties}


def _xml(rules: Json) -> Json:
    xml = rules.get("xml")
    return xml if isinstance(xml, Mapping) else {}


def _checked(name: str) -> str:
    if not NAME.fullmatch(name):
        raise NoValue(f"{name[:100]!r} is no name of XML")
    return name


def _text(value: Any) -> str:
    text = plain(value)
    if FORBIDDEN.search(text):
        raise NoValue("XML can't have control characters")
    return text
