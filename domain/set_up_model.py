"""Set-up models: a trained model with what people say of it, made ready for use in a product line and copied from there."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from domain.kit import ProductLine
from domain.validation import Problems, check_document

MAX_NAME = 200
MAX_ATTRIBUTES = 100
MAX_ATTRIBUTE_TEXT = 2_000
MAX_ATTRIBUTES_BYTES = 65_536
ATTRIBUTE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")

Attribute = str | int | float | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelDefinition:
    """What people say of a set-up model; `attributes` are its settings by name. Each change of it makes a new revision."""

    name: str
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetUpModel:
    """The current state of one set-up model. `version` grows by one with each change; the earlier revisions stay on record.

    `owner` is the subject of who made it. `source_id` is the model that it was copied from. `active_version` is the number of
    that one of its versions which is in use.
    """

    id: int
    definition: ModelDefinition
    product_line: ProductLine
    owner: str
    owner_name: str
    active_version: int
    version: int
    created_at: datetime
    updated_at: datetime
    source_id: int | None = None
    archived_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ModelFile:
    """What makes the output of an attempt the file of set-up models of that product line.

    `usable_id` is one of them that the caller may use, `unarchived_id` one that access can be applied for; None for none.
    """

    product_line: ProductLine
    usable_id: int | None
    unarchived_id: int | None


def new_definition(given: Mapping[str, Any], source: ModelDefinition | None = None) -> ModelDefinition:
    """The definition of a new model in an input document; of a copy with what it does not say as its source has it.

    `ValidationFailed` with everything that is wrong.
    """
    problems = Problems("input.")
    name = problems.text(given, "name", most=MAX_NAME).strip()
    base = ModelDefinition(name=name) if source is None else source
    return _changed(problems, given, ModelDefinition(name=name, attributes=base.attributes, description=base.description))


def changed_definition(given: Mapping[str, Any], before: ModelDefinition) -> ModelDefinition:
    """The definition with the attributes and the description that an input document says; the rest stays.

    `ValidationFailed` with everything that is wrong.
    """
    return _changed(Problems("input."), given, before)


def product_line_of(given: Mapping[str, Any]) -> ProductLine:
    """The product line in an input document; `ValidationFailed` where there is none."""
    problems = Problems("input.")
    product_line = problems.choice(given, "productLine", ProductLine)
    problems.check()
    return product_line


def _changed(problems: Problems, given: Mapping[str, Any], before: ModelDefinition) -> ModelDefinition:
    description = problems.text(given, "description", before.description if given.get("description") is None else "")
    attributes = _merged(problems, problems.mapping(given, "attributes"), before.attributes)
    problems.check()
    check_document("input.attributes", attributes, most=MAX_ATTRIBUTES_BYTES)
    return ModelDefinition(name=before.name, attributes=attributes, description=description)


def _merged(problems: Problems, given: Mapping[str, Any], before: Mapping[str, Attribute]) -> dict[str, Attribute]:
    """The attributes of before with those given in their places; null removes one."""
    nested, merged = problems.at("attributes"), dict(before)
    for name, value in given.items():
        if not ATTRIBUTE_NAME.fullmatch(name):
            nested.add(name[:80], "must begin with a letter and have at most 64 letters, digits, `_`, `.` and `-`")
        elif value is None:
            merged.pop(name, None)
        elif not isinstance(value, Attribute):
            nested.add(name, "must be text, a number, true or false; null removes it")
        elif isinstance(value, str) and len(value) > MAX_ATTRIBUTE_TEXT:
            nested.add(name, f"is {len(value)} characters long; {MAX_ATTRIBUTE_TEXT} are allowed")
        else:
            merged[name] = value
    if len(merged) > MAX_ATTRIBUTES:
        problems.add("attributes", f"are {len(merged)}; {MAX_ATTRIBUTES} are allowed")
    return merged
