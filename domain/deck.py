"""Where a kit's simulation decks come from and what they hold: the section `deck` of its definition."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from domain.design import Design, Method
from domain.validation import Problems

MAX_NAME = 100
MAX_COLUMNS = 100
MAX_ADDRESS = 2000
MAX_PATTERN = 200
SHA256 = re.compile(r"[0-9a-f]{64}")


class DeckKind(StrEnum):
    """What a deck is: a table of rows, or a netlist to simulate; there is none where a function computes the responses."""

    TABLE = "TABLE"
    SPICE = "SPICE"
    FUNCTION = "FUNCTION"


DEFAULT_FILES = {DeckKind.TABLE: "*.csv, *.parquet", DeckKind.SPICE: "*.cir, *.sp, *.spice, *.net, *.ckt", DeckKind.FUNCTION: ""}


_SOURCES_OF_RESPONSES = {DeckKind.TABLE: "its rows hold the responses", DeckKind.SPICE: "it is simulated"}


@dataclass(frozen=True, slots=True)
class DeckSource:
    """Where decks are fetched: exactly one of a folder that the server allows, an uploaded zip, an http(s) or s3 address.

    None of them where a function takes the place of decks.
    """

    folder: str | None = None
    upload: str | None = None
    url: str | None = None

    def as_json(self) -> dict[str, str]:
        """The document with the one source."""
        sources = {"folder": self.folder, "upload": self.upload, "url": self.url}
        return {key: value for key, value in sources.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Deck:
    """The decks of a kit.

    `files` says which files are decks: patterns with `*`, `?` and `[…]`, joined by commas, in any case; one without a slash is
    compared with the name of a file in any folder. `inputs` and `responses` are columns of a table. Of a netlist they are
    parameters and measurements, in any case; none named means all. A function has no source, files or inputs, which are the
    variables of the design; it returns the responses.
    """

    kind: DeckKind
    source: DeckSource
    files: str
    inputs: tuple[str, ...] = ()
    responses: tuple[str, ...] = ()

    def takes(self, path: str) -> bool:
        """Whether the file at `path` (relative, with slashes) is a deck by its name."""
        patterns = [pattern.strip() for pattern in self.files.split(",")]
        path = path.lower()
        name = PurePosixPath(path).name
        return any(fnmatchcase(path if "/" in pattern else name, pattern.lower()) for pattern in patterns if pattern)

    def as_json(self) -> dict[str, Any]:
        """The document from which `parse_deck` reads the same decks."""
        return {
            "kind": str(self.kind),
            "source": self.source.as_json(),
            "files": self.files,
            "inputs": list(self.inputs),
            "responses": list(self.responses),
        }


def parse_deck(raw: Mapping[str, Any], problems: Problems) -> Deck:
    """Read and check the section `deck` of a kit's definition; what is wrong is recorded in `problems`."""
    problems.no_others(raw, ["kind", "source", "files", "inputs", "responses"])
    kind = problems.choice(raw, "kind", DeckKind)
    if kind is DeckKind.FUNCTION:
        return _parse_function(raw, problems)
    files = problems.text(raw, "files", DEFAULT_FILES[kind], most=MAX_PATTERN)
    if not files.replace(",", "").strip():
        problems.add("files", "names no files")
    inputs, responses = (_parse_names(raw, field, kind, problems) for field in ("inputs", "responses"))
    for name in sorted(_folded(inputs, kind) & _folded(responses, kind)):
        problems.add("responses", f"{name!r} is also an input")
    if kind is DeckKind.TABLE:
        for field, names in (("inputs", inputs), ("responses", responses)):
            if not names:
                problems.add(field, "is required for a table: which of its columns they are")
    return Deck(kind, _parse_source(problems.mapping(raw, "source"), problems.at("source")), files, inputs, responses)


def _parse_function(raw: Mapping[str, Any], problems: Problems) -> Deck:
    for field, why in (("source", "there are no decks"), ("files", "there are no decks"), ("inputs", "they are the variables")):
        if raw.get(field):
            problems.add(field, f"can't be given where a function evaluates the design: {why}")
    responses = _parse_names(raw, "responses", DeckKind.FUNCTION, problems)
    if not responses:
        problems.add("responses", "is required where a function evaluates the design: what it returns")
    return Deck(DeckKind.FUNCTION, DeckSource(), DEFAULT_FILES[DeckKind.FUNCTION], responses=responses)


def check_design_fits(deck: Deck, design: Design, problems: Problems) -> None:
    """Record what does not fit between the decks and the design of one kit, under `design`."""
    at_design = problems.at("design")
    if deck.kind is DeckKind.TABLE and design.method is not Method.MEASURED:
        at_design.add("method", f"must be {Method.MEASURED}: the rows of a table are given")
    if deck.kind is not DeckKind.TABLE and design.method is Method.MEASURED:
        at_design.add("method", f"can't be {Method.MEASURED}: only a table holds rows")
    if deck.kind is DeckKind.FUNCTION and design.function is None:
        at_design.add("evaluator", f"is required for decks of kind {DeckKind.FUNCTION}: the function to call")
    if deck.kind is not DeckKind.FUNCTION and design.function is not None:
        at_design.add("evaluator", f"can't be given for decks of kind {deck.kind}: {_SOURCES_OF_RESPONSES[deck.kind]}")
    for name in sorted(set(deck.responses) & set(design.space.names) if deck.kind is DeckKind.FUNCTION else ()):
        problems.at("deck").add("responses", f"{name!r} is also a variable of the design")
    known = _folded(deck.inputs, deck.kind)
    names = [fold(name, deck.kind) for name in design.space.names]
    for index, name in enumerate(names):
        at_name = at_design.at("variables").at(index)
        if known and name not in known:
            at_name.add("name", f"{design.space.names[index]!r} is not among the inputs of the deck")
        if name in names[:index] and design.space.names.count(design.space.names[index]) == 1:
            at_name.add("name", f"{design.space.names[index]!r} is named twice: netlists don't tell capitals from small letters")
    for categorical in design.space.categoricals:
        if categorical.name not in known:
            at_design.add("variables", f"{categorical.name!r} is not among the inputs of the deck")
    if deck.kind is DeckKind.SPICE:
        for name in sorted(known - set(names)):
            at_design.add("variables", f"must include {name!r}, which is an input of the deck")


def fold(name: str, kind: DeckKind) -> str:
    """The form in which names of that kind are compared: netlists don't tell capitals from small letters."""
    return name.lower() if kind is DeckKind.SPICE else name


def resolve_folder(allowed: Sequence[str], text: str) -> str | None:
    """The absolute folder that `text` means, if it lies in one of the `allowed` absolute folders, else None.

    An absolute path stands for itself. A relative one may begin with the last parts of an allowed folder ("demo/decks/table"
    with /srv/demo allowed is /srv/demo/decks/table; the longest such beginning counts); otherwise it is below the first allowed
    folder. `..` is refused. This is about names only: who opens the folder has to resolve symbolic links and check again.
    """
    path = PurePosixPath(text)
    roots = [PurePosixPath(folder) for folder in allowed]
    if not text or "\x00" in text or "\\" in text or ".." in path.parts or not roots:
        return None
    if path.is_absolute():
        return str(path) if any(path.is_relative_to(root) for root in roots) else None
    overlaps = [(length, -index) for index, root in enumerate(roots) for length in _overlaps(root.parts[1:], path.parts)]
    if not overlaps:
        return str(roots[0] / path)
    length, index = max(overlaps)
    return str(roots[-index].joinpath(*path.parts[length:]))


def _overlaps(root: Sequence[str], path: Sequence[str]) -> Iterable[int]:
    return (length for length in range(1, min(len(root), len(path)) + 1) if list(root[-length:]) == list(path[:length]))


def _folded(names: Iterable[str], kind: DeckKind) -> set[str]:
    return {fold(name, kind) for name in names}


def _parse_names(raw: Mapping[str, Any], field: str, kind: DeckKind, problems: Problems) -> tuple[str, ...]:
    names = problems.texts(raw, field, most=MAX_COLUMNS)
    nested = problems.at(field)
    for index, name in enumerate(names):
        if len(name) > MAX_NAME or not name.isprintable():
            nested.add(index, f"must be at most {MAX_NAME} printable characters")
        elif kind is DeckKind.SPICE and name and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            nested.add(index, "must be a name of a netlist: letters, digits and _")
        elif fold(name, kind) in _folded(names[:index], kind):
            nested.add(index, f"{name!r} is named twice")
    return names


def _parse_source(raw: Mapping[str, Any], problems: Problems) -> DeckSource:
    problems.no_others(raw, ["folder", "upload", "url"])
    given = [key for key in ("folder", "upload", "url") if raw.get(key) is not None]
    if len(given) != 1:
        problems.add("", "must be exactly one of folder, upload and url")
        return DeckSource()
    value = problems.text(raw, given[0], most=MAX_ADDRESS)
    if given[0] == "folder":
        if ".." in PurePosixPath(value).parts:
            problems.add("folder", "must not contain '..'")
        return DeckSource(folder=value)
    if given[0] == "upload":
        if value and not SHA256.fullmatch(value):
            problems.add("upload", "must be the SHA-256 checksum of an uploaded zip, in 64 lower-case hexadecimal digits")
        return DeckSource(upload=value)
    if value:
        _check_url(value, problems)
    return DeckSource(url=value)


def bucket_of(url: str | None) -> str | None:
    """The bucket of an s3 address; None for any other and for none."""
    parts = urlsplit(url or "")
    return parts.netloc if parts.scheme == "s3" else None


def _check_url(url: str, problems: Problems) -> None:
    try:
        parts = urlsplit(url)
        is_complete = bool(parts.hostname) and parts.port != 0
    except ValueError:
        problems.add("url", "is not a valid address")
        return
    if parts.scheme not in ("http", "https", "s3"):
        problems.add("url", "must begin with https://, http:// or s3://")
    elif not is_complete or not url.isprintable() or " " in url:
        problems.add("url", "is not a valid address")
    elif parts.username is not None or parts.password is not None:
        problems.add("url", "must not hold a user or password: everyone who sees the kit would see them")
    elif parts.scheme == "s3" and not parts.path.strip("/"):
        problems.add("url", "must name an object: s3://bucket/key")
