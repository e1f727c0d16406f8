"""The definition of a kit: one document, checked as a whole when the kit is created and read again by each step."""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from domain.deck import Deck, check_design_fits, parse_deck, resolve_folder
from domain.design import Design, parse_design
from domain.errors import ValidationFailed
from domain.kit import ProductLine
from domain.step_template import StepTemplate
from domain.training import MlOptions, OptimizeOptions, parse_ml, parse_optimize
from domain.validation import Problems, check_document

MAX_NAME = 200
MAX_METADATA = 65_536
MAX_DOCUMENT = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """What the jobs of a kit are to do, a section for each, and the step template whose programs do it."""

    template: str
    deck: Deck
    design: Design
    ml: MlOptions
    optimize: OptimizeOptions

    def as_json(self) -> dict[str, Any]:
        """The document from which `parse_definition` reads the same definition."""
        return {
            "template": self.template,
            "deck": self.deck.as_json(),
            "design": self.design.as_json(),
            "ml": self.ml.as_json(),
            "optimize": self.optimize.as_json(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKit:
    """A kit as sent, checked."""

    name: str
    product_line: ProductLine
    definition: Definition
    metadata: Mapping[str, Any]


def parse_definition(raw: Mapping[str, Any], problems: Problems) -> Definition:
    """Read and check a definition; what is wrong is recorded in `problems`."""
    problems.no_others(raw, ["template", "deck", "design", "ml", "optimize"])
    definition = Definition(
        template=problems.text(raw, "template", "builtin", most=MAX_NAME),
        deck=parse_deck(problems.mapping(raw, "deck"), problems.at("deck")),
        design=parse_design(problems.mapping(raw, "design"), problems.at("design")),
        ml=parse_ml(problems.mapping(raw, "ml"), problems.at("ml")),
        optimize=parse_optimize(problems.mapping(raw, "optimize"), problems.at("optimize")),
    )
    if problems.is_clean:
        check_design_fits(definition.deck, definition.design, problems)
    return definition


def parse_kit(
    raw: Mapping[str, Any], templates: Mapping[str, StepTemplate], folders: Sequence[str], functions: Mapping[str, str]
) -> NewKit:
    """Read and check a kit as sent, also against what this server allows.

    Args:
        raw: the document, with `name`, `productLine`, `definition` and optionally `metadata`.
        templates: the step templates that the server knows, by name.
        folders: the folders from which the server lets decks be collected.
        functions: the Python functions that may evaluate a design, by name.

    Raises:
        ValidationFailed: lists every field that is wrong.
    """
    problems = Problems()
    problems.no_others(raw, ["name", "productLine", "definition", "metadata"])
    name = problems.text(raw, "name", most=MAX_NAME)
    if not _is_one_line(name):
        problems.add("name", "contains a control character, as a line break is one")
    line = problems.choice(raw, "productLine", ProductLine)
    metadata = problems.mapping(raw, "metadata")
    _check_fits(problems, "metadata", metadata, MAX_METADATA)
    if not _check_fits(problems, "definition", raw.get("definition") or {}, MAX_DOCUMENT):
        problems.check()
    at_definition = problems.at("definition")
    definition = parse_definition(problems.mapping(raw, "definition"), at_definition)
    if definition.template not in templates:
        at_definition.add("template", f"must be one of {', '.join(sorted(templates))}")
    folder = definition.deck.source.folder
    if folder is not None and resolve_folder(folders, folder) is None:
        at_definition.add("deck.source.folder", "is not in a folder that this server allows")
    function = definition.design.function
    if function is not None and function not in functions:
        at_definition.add(
            "design.evaluator.function", f"must be one of {', '.join(sorted(functions)) or 'none: no function is set'}"
        )
    problems.check()
    return NewKit(name=name, product_line=line, definition=definition, metadata=metadata)


def _is_one_line(text: str) -> bool:
    return not any(unicodedata.category(character) == "Cc" for character in text)


def _check_fits(problems: Problems, field: str, document: Mapping[str, Any], most: int) -> bool:
    """Whether every database can hold the document; what keeps it from that is recorded in `problems`."""
    try:
        check_document(field, document, most=most)
    except ValidationFailed as error:
        problems.add(error.problems[0].field, error.problems[0].message)
        return False
    return True
