"""The two demo kits that ship: their documents hold, their data is what the generator says, and their DOE does real work."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from demo import make_table
from domain.definition import parse_kit
from domain.netlist import read_netlist
from domain.step_template import builtin_template
from tests.services import require_program
from tests.unit.step_runs import StepRun, run_step

DEMO = Path(make_table.__file__).parent


def document(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DEMO / name).read_text("utf-8"))
    return found


def explored(tmp_path: Path, name: str) -> StepRun:
    definition = document(name)["definition"]
    decks = run_step(tmp_path / "decks", "steps.deck_collection", definition, folders=[DEMO])
    assert decks.code == 0, decks.stderr
    run = run_step(tmp_path / "doe", "steps.doe", definition, folders=[DEMO], inputs=decks.output)
    assert run.code == 0, run.stderr
    return run


@pytest.mark.parametrize("name", ["table.json", "spice.json"])
def test_the_documents_are_accepted(name: str) -> None:
    kit = parse_kit(document(name), {"builtin": builtin_template("python")}, [str(DEMO)], {})
    assert (
        parse_kit(
            document(name) | {"definition": kit.definition.as_json()}, {"builtin": builtin_template("python")}, [str(DEMO)], {}
        )
        == kit
    )


def test_the_example_of_the_documentation_fits_its_deck() -> None:
    text = (DEMO.parent / "docs" / "kits.md").read_text("utf-8")
    example = json.loads(text.split("```json\n")[1].split("```")[0])
    definition = parse_kit(example, {"builtin": builtin_template("python")}, [str(DEMO)], {}).definition
    folder = DEMO.parent / str(definition.deck.source.folder)
    files = {path.name: path.read_text("utf-8") for path in folder.iterdir()}
    (netlist,) = (read_netlist(name, files) for name in files if definition.deck.takes(name))
    assert set(definition.design.space.names) <= set(netlist.parameters)


def test_the_table_is_what_its_generator_writes(tmp_path: Path) -> None:
    make_table.write(tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_bytes() == (DEMO / "decks" / "table" / "mosfet.csv").read_bytes()


def test_the_table_kit(tmp_path: Path) -> None:
    info = explored(tmp_path, "table.json").metadata["dataInfo"]
    assert (info["rows"], info["rejectedRows"], info["failedPoints"]) == (395, 5, 0)


def test_the_spice_kit(tmp_path: Path) -> None:
    require_program("ngspice")
    run = explored(tmp_path, "spice.json")
    rows = pq.read_table(run.output / "data.parquet").to_pandas()
    assert len(rows) == len(run.entries("point")) == 96
    # Physics: more load is slower, and the energy is at least that of the load, C V^2.
    assert rows["delay_ps"].corr(rows["load_ff"], method="spearman") > 0.5
    assert (rows["energy_fj"] > rows["load_ff"] * 1.8**2).all()
