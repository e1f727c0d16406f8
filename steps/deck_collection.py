"""The job DECK_COLLECTION: gathers simulation decks, reads them and lets on only what is safe and complete.

Leaves `decks.zip`, the accepted decks with the files they include (the same content gives the same bytes), and `decks.json`,
which tells of each deck its checksum and what was read in it, and of each refused one why.
"""

import hashlib
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from domain.deck import Deck, DeckKind, fold
from domain.design import Design
from domain.netlist import Netlist, NetlistRefused, read_netlist
from steps.deck_sources import Files, gather
from steps.decks import ARCHIVE, LIST, netlist_texts, read_definition
from steps.reports import Reports, StepFailed, StepInput, run_step
from steps.tables import TableRefused, read_columns

MAX_NAMED = 20
_EARLIEST = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class ReadDeck:
    """A deck that could be read. `found` is what decks.json tells of it, `includes` are the files it needs beside itself."""

    name: str
    found: dict[str, Any]
    includes: tuple[str, ...] = ()


def collect(step: StepInput, reports: Reports) -> None:
    """Run the three tasks fetch, parse, check."""
    definition = read_definition(step)
    deck, design = definition.deck, definition.design
    with reports.task("fetch"):
        files = gather(deck.source, step.inputs_folder, step.server)
        names = [name for name in files if deck.takes(name)]
        reports.note({"files": len(files), "bytes": sum(map(len, files.values())), "decks": len(names)}, task="fetch")
        if not names:
            raise StepFailed(f"none of the {len(files)} files found is a deck by its name: {deck.files}")
    refused: dict[str, str] = {}
    with reports.task("parse"):
        decks = _read_all(deck, files, names, refused, reports)
    with reports.task("check"):
        decks = _check_all(deck, design, decks, files, refused)
        _leave(deck, files, decks, refused, step.output_folder)
        reports.artifact(LIST, "application/json", task="check")
        reports.note({"decks": len(decks), "refused": _shortened(refused)})
        if not decks:
            name, reason = next(iter(refused.items()))
            raise StepFailed(f"all {len(refused)} decks were refused; {name}: {reason}")
        reports.artifact(ARCHIVE, "application/zip", task="check")


def _read_all(deck: Deck, files: Files, names: list[str], refused: dict[str, str], reports: Reports) -> list[ReadDeck]:
    texts = netlist_texts(files) if deck.kind is DeckKind.SPICE else {}
    decks = []
    for index, name in enumerate(names):
        try:
            decks.append(_read_netlist(name, texts) if deck.kind is DeckKind.SPICE else _read_table(name, files[name], deck))
        except (NetlistRefused, TableRefused) as error:
            refused[name] = str(error)
        reports.progress("parse", (index + 1) / len(names))
    return decks


def _read_netlist(name: str, texts: Mapping[str, str]) -> ReadDeck:
    if name not in texts:
        raise NetlistRefused(f"{name}: is no text")
    netlist = read_netlist(name, texts)
    return ReadDeck(name, _found_in(netlist), netlist.includes)


def _found_in(netlist: Netlist) -> dict[str, Any]:
    return {
        "inputs": list(netlist.parameters),
        "responses": list(netlist.measurements),
        "defaults": dict(netlist.defaults),
        "includes": list(netlist.includes),
        "ignored": list(netlist.ignored),
    }


def _read_table(name: str, content: bytes, deck: Deck) -> ReadDeck:
    columns = read_columns(content, (*deck.inputs, *deck.responses))
    complete: list[bool] = np.logical_and.reduce(np.isfinite(np.stack(list(columns.values())))).tolist()
    found = {
        "inputs": list(deck.inputs),
        "responses": list(deck.responses),
        "rows": len(complete),
        "nonFiniteRows": complete.count(False),
    }
    return ReadDeck(name, found)


def _check_all(deck: Deck, design: Design, decks: list[ReadDeck], files: Files, refused: dict[str, str]) -> list[ReadDeck]:
    kept: list[ReadDeck] = []
    seen: dict[str, str] = {}
    for candidate in decks:
        # A netlist's content is its includes too.
        content = "".join(_sha256(files[name]) for name in (candidate.name, *candidate.includes))
        if content in seen:
            refused[candidate.name] = f"has the same content as {seen[content]}"
        elif problem := _missing(deck, design, candidate) or _unlike(deck, candidate, kept[:1]):
            refused[candidate.name] = problem
        else:
            seen[content] = candidate.name
            kept.append(candidate)
    return kept


def _missing(deck: Deck, design: Design, candidate: ReadDeck) -> str | None:
    if deck.kind is DeckKind.TABLE:
        return "every row lacks a finite number" if candidate.found["nonFiniteRows"] == candidate.found["rows"] else None
    inputs = design.space.names if design.function is None else ()
    for name in inputs:
        if fold(name, deck.kind) not in candidate.found["inputs"]:
            return f"no .param sets {name!r}; there are {', '.join(candidate.found['inputs'][:MAX_NAMED])}"
    for name in deck.responses if design.function is None else ():
        if fold(name, deck.kind) not in candidate.found["responses"]:
            return f"no .meas measures {name!r}; there are {', '.join(candidate.found['responses'][:MAX_NAMED])}"
    both = {fold(name, deck.kind) for name in inputs} & set(candidate.found["responses"])
    return f"{sorted(both)[0]!r} is both a parameter and a measurement" if both else None


def _unlike(deck: Deck, candidate: ReadDeck, first: list[ReadDeck]) -> str | None:
    """Where no responses are named all are meant, so all decks must have the same."""
    if deck.responses or not first or set(candidate.found["responses"]) == set(first[0].found["responses"]):
        return None
    return f"does not measure the same as {first[0].name}; name the responses in the kit"


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
