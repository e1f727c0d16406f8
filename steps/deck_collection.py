"""The job DECK_COLLECTION: gathers simulation decks, reads them and lets on only what is safe and complete.

Leaves `decks.zip`, the accepted decks with the files they include (the same content gives the same bytes), and `decks.json`,
which tells of each deck its checksum and what was read in it, and of each refused one why.
"""

import hashlib
import json
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.deck import MAX_COLUMNS, MAX_NAME, Deck, DeckKind, fold
from domain.definition import Definition
from domain.design_space import Texts, is_missing
from domain.interval import Column
from domain.netlist import Netlist, NetlistRefused, read_netlist
from domain.training import Missing
from steps.columns import MAX_CATEGORIES, categories_of, is_categorical
from steps.deck_sources import Files, gather
from steps.decks import ARCHIVE, LIST, netlist_texts, read_definition
from steps.reports import Reports, StepFailed, StepInput, run_step
from steps.tables import TableRefused, read_columns

MAX_NAMED = 20
_EARLIEST = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class ReadDeck:
    """A deck that could be read.

    Args:
        content: the same for decks that give the same data: the checksum of the file, or of what would be simulated.
        found: what decks.json tells of it.
        usable_rows: of a table, how many of its rows can be trained on.
        includes: the files it needs beside itself.
    """

    name: str
    content: str
    found: dict[str, Any]
    usable_rows: int = 0
    includes: tuple[str, ...] = ()


def collect(step: StepInput, reports: Reports) -> None:
    """Run the three tasks fetch, parse, check."""
    definition = read_definition(step)
    deck = definition.deck
    if deck.kind is DeckKind.FUNCTION:
        return _leave_nothing(definition, step.output_folder, reports)
    with reports.task("fetch"):
        files = gather(deck.source, step.inputs_folder, step.server)
        names = [name for name in files if deck.takes(name)]
        reports.note({"files": len(files), "bytes": sum(map(len, files.values())), "decks": len(names)}, task="fetch")
        if not names:
            raise StepFailed(f"none of the {len(files)} files found is a deck by its name: {deck.files}")
    refused: dict[str, str] = {}
    with reports.task("parse"):
        decks = _read_all(definition, files, names, refused, reports)
    with reports.task("check"):
        decks = _check_all(definition, decks, refused)
        _leave(deck, files, decks, refused, step.output_folder)
        reports.artifact(LIST, "application/json", task="check")
        reports.note({"decks": len(decks), "refused": _shortened(refused)})
        if not decks:
            name, reason = next(iter(refused.items()))
            raise StepFailed(f"all {len(refused)} decks were refused; {name}: {reason}")
        _check_categories(deck, decks)
        reports.artifact(ARCHIVE, "application/zip", task="check")


def _leave_nothing(definition: Definition, folder: Path, reports: Reports) -> None:
    """A function needs no decks: say so, and leave the list of none."""
    message = f"There are no decks to gather: the function {definition.design.function!r} evaluates the design."
    for task in ("fetch", "parse"):
        with reports.task(task):
            reports.note({"decks": 0, "message": message}, task=task)
    with reports.task("check"):
        _leave(definition.deck, {}, [], {}, folder)
        reports.artifact(LIST, "application/json", task="check")
        reports.note({"decks": 0, "message": message}, task="check")
        reports.note({"decks": 0, "refused": _shortened({}), "message": message})


def _read_all(
    definition: Definition, files: Files, names: list[str], refused: dict[str, str], reports: Reports
) -> list[ReadDeck]:
    is_netlist = definition.deck.kind is DeckKind.SPICE
    texts = netlist_texts(files) if is_netlist else {}
    decks = []
    for index, name in enumerate(names):
        try:
            decks.append(_read_netlist(name, texts, definition) if is_netlist else _read_table(name, files[name], definition))
        except (NetlistRefused, TableRefused) as error:
            refused[name] = str(error)
        reports.progress("parse", (index + 1) / len(names))
    return decks


def _read_netlist(name: str, texts: Mapping[str, str], definition: Definition) -> ReadDeck:
    if name not in texts:
        raise NetlistRefused(f"{name}: is no text")
    netlist = read_netlist(name, texts)
    return ReadDeck(name, _simulated(netlist, definition), _found_in(netlist), includes=netlist.includes)


def _simulated(netlist: Netlist, definition: Definition) -> str:
    """The checksum of what ngspice gets for a point: no title, comment or capital in it, nor the default of what is varied."""
    values = {fold(name, DeckKind.SPICE): 0.0 for name in definition.design.space.names}
    lines = [line for analysis in netlist.analyses for line in netlist.text(analysis, values, seed=0).splitlines()]
    return _sha256("\n".join(re.sub(r"\s*=\s*", "=", " ".join(line.split())) for line in lines).encode())


def _found_in(netlist: Netlist) -> dict[str, Any]:
    return {
        "inputs": list(netlist.parameters),
        "responses": list(netlist.measurements),
        "defaults": dict(netlist.defaults),
        "includes": list(netlist.includes),
        "ignored": list(netlist.ignored),
    }


def _read_table(name: str, content: bytes, definition: Definition) -> ReadDeck:
    deck, space = definition.deck, definition.design.space
    declared = {categorical.name for categorical in space.categoricals}
    columns = read_columns(content, deck.inputs, deck.responses, declared)
    for variable in space.variables:
        if is_categorical(columns[variable.name]):
            raise TableRefused(f"column {variable.name!r} holds texts: the design can restrict them to categories only")
    complete = {column: _has_value(values) for column, values in columns.items()}
    required = columns if definition.ml.missing is Missing.DROP else deck.responses
    usable = np.logical_and.reduce([complete[column] for column in required])
    found = {
        "inputs": list(deck.inputs),
        "responses": list(deck.responses),
        "categories": {column: categories_of(columns[column]) for column in deck.inputs if is_categorical(columns[column])},
        "rows": len(usable),
        "nonFiniteRows": int((~np.logical_and.reduce(list(complete.values()))).sum()),
    }
    return ReadDeck(name, _sha256(content), found, usable_rows=int(usable.sum()))


def _has_value(values: Column | Texts) -> NDArray[np.bool_]:
    return ~is_missing(values) if is_categorical(values) else np.isfinite(values)


def _check_all(definition: Definition, decks: list[ReadDeck], refused: dict[str, str]) -> list[ReadDeck]:
    kept: dict[str, ReadDeck] = {}
    for candidate in decks:
        first = next(iter(kept.values()), candidate)
        if candidate.content in kept:
            refused[candidate.name] = f"has the same content as {kept[candidate.content].name}"
        elif problem := _lack(definition, candidate) or _difference(definition.deck, candidate, first):
            refused[candidate.name] = problem
        else:
            kept[candidate.content] = candidate
    return list(kept.values())


def _lack(definition: Definition, candidate: ReadDeck) -> str | None:
    """What keeps a deck from being used with this kit, if something does."""
    deck, space, found = definition.deck, definition.design.space, candidate.found
    if deck.kind is DeckKind.TABLE:
        return None if candidate.usable_rows else "every row lacks a finite number"
    for name in space.names:
        if fold(name, deck.kind) not in found["inputs"]:
            return f"no .param sets {name!r}; there are {', '.join(found['inputs'][:MAX_NAMED])}"
    for name in deck.responses:
        if fold(name, deck.kind) not in found["responses"]:
            return f"no .meas measures {name!r}; there are {', '.join(found['responses'][:MAX_NAMED])}"
    responses = deck.responses or tuple(found["responses"])
    if len(responses) > MAX_COLUMNS or any(len(name) > MAX_NAME for name in responses):
        return (
            f"has {len(responses)} measurements; {MAX_COLUMNS} are taken, with names of at most {MAX_NAME} characters: "
            "name the responses wanted in the kit"
        )
    both = {fold(name, deck.kind) for name in space.names} & set(found["responses"])
    return f"{sorted(both)[0]!r} is both a parameter and a measurement" if both else None


def _difference(deck: Deck, candidate: ReadDeck, first: ReadDeck) -> str | None:
    """What a deck has unlike the first one, where all must have the same.

    Those are the columns that hold categories, and the measurements where no responses are named, which means all.
    """
    if deck.kind is DeckKind.TABLE:
        for name in sorted(candidate.found["categories"].keys() ^ first.found["categories"].keys()):
            kinds = ("texts", "numbers") if name in candidate.found["categories"] else ("numbers", "texts")
            return f"column {name!r} holds {kinds[0]}, but {kinds[1]} in {first.name}"
    elif not deck.responses and set(candidate.found["responses"]) != set(first.found["responses"]):
        return f"does not measure the same as {first.name}; name the responses in the kit"
    return None


def _check_categories(deck: Deck, decks: list[ReadDeck]) -> None:
    """StepFailed where the decks together have more categories than a model takes; one netlist is a category of its own."""
    together: dict[str, set[str]] = {}
    for kept in decks:
        categories = {"deck": (kept.name,)} if deck.kind is DeckKind.SPICE else kept.found["categories"]
        for column, texts in categories.items():
            together.setdefault(column, set()).update(texts)
    for column, found in together.items():
        if len(found) > MAX_CATEGORIES:
            raise StepFailed(f"{column!r} has {len(found)} categories over all decks; a model takes {MAX_CATEGORIES}")


def _leave(deck: Deck, files: Files, decks: list[ReadDeck], refused: Mapping[str, str], folder: Path) -> None:
    packed = sorted({name for kept in decks for name in (kept.name, *kept.includes)})
    document = {
        "kind": str(deck.kind),
        "source": deck.source.as_json(),
        "decks": [_identity(kept.name, files) | kept.found for kept in decks],
        "companions": [_identity(name, files) for name in packed if name not in {kept.name for kept in decks}],
        "refused": [_identity(name, files) | {"reason": reason} for name, reason in sorted(refused.items())],
    }
    (folder / LIST).write_text(json.dumps(document, indent=1, ensure_ascii=False), "utf-8", "replace")
    if packed:
        with zipfile.ZipFile(folder / ARCHIVE, "w") as archive:
            for name in packed:
                _pack(archive, name, files[name])


def _pack(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    # A fixed time and mode, so that the same decks give the same bytes.
    entry = zipfile.ZipInfo(name, _EARLIEST)
    entry.external_attr = 0o644 << 16
    archive.writestr(entry, content, zipfile.ZIP_DEFLATED, 6)


def _identity(name: str, files: Files) -> dict[str, Any]:
    return {"name": name, "sha256": _sha256(files[name]), "size": len(files[name])}


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _shortened(refused: Mapping[str, str]) -> dict[str, Any]:
    first = [{"name": name, "reason": reason[:300]} for name, reason in sorted(refused.items())[:MAX_NAMED]]
    return {"count": len(refused), "first": first}


if __name__ == "__main__":
    run_step(collect)
