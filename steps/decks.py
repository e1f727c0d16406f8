"""What DECK_COLLECTION leaves and DOE takes up: the kit's definition, the names of the files, how netlists are decoded."""

from collections.abc import Mapping

from domain.definition import Definition, parse_definition
from domain.errors import ValidationFailed
from domain.validation import Problems
from steps.reports import StepFailed, StepInput

ARCHIVE = "decks.zip"
LIST = "decks.json"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def read_definition(step: StepInput) -> Definition:
    """The kit's definition; StepFailed with all problems where it does not hold."""
    problems = Problems()
    definition = parse_definition(step.definition, problems)
    try:
        problems.check()
    except ValidationFailed as error:
        raise StepFailed(f"the kit's definition does not hold: {error}") from error
    return definition


def netlist_texts(files: Mapping[str, bytes]) -> dict[str, str]:
    """The files that may be a netlist or be included by one, as text.

    Read as Latin-1, which has a character for every byte: beyond ASCII only comments may go, whatever their encoding.
    """
    return {
        name: content.removeprefix(_BYTE_ORDER_MARK).decode("latin-1")
        for name, content in files.items()
        if b"\x00" not in content
    }
