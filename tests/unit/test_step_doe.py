"""The DOE step as a program: measured rows, simulations by ngspice, named functions, failures, and being stopped."""

import json
import os
import signal
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow.parquet as pq
import pytest

from domain.design import generate, parse_design
from domain.netlist import read_netlist
from domain.sampling import Sample
from domain.validation import Problems
from steps.data_set import DataSet
from steps.evaluation import PointFailed
from steps.simulation import Simulator
from steps.training_data import load_dataset
from tests.services import require_program
from tests.unit.step_runs import StepFolder, StepRun, run_step
from tests.waiting import eventually_sync

MODULE = "steps.doe"
DIVIDER = """divider
.param r=1k
v1 1 0 1
r1 1 2 {r}
r2 2 0 1k
.dc v1 0 1 1
.meas dc half find v(2) at=1
.meas dc current find i(v1) at=1
.end
"""
SLOW = DIVIDER.replace(".dc v1 0 1 1", ".dc v1 0 1 1\n.tran 1p 1\n.meas tran late find v(2) at=1")


@pytest.fixture
def ngspice() -> str:
    return require_program("ngspice")


def collected(folder: Path, decks: dict[str, str]) -> Path:
    """The output of a DECK_COLLECTION that accepted `decks`."""
    folder.mkdir()
    with zipfile.ZipFile(folder / "decks.zip", "w") as archive:
        for name, content in decks.items():
            archive.writestr(name, content)
    (folder / "decks.json").write_text(json.dumps({"decks": [{"name": name} for name in decks if not name.endswith(".inc")]}))
    return folder


def spice(responses: list[str] | None = None, **changes: Any) -> dict[str, Any]:
    deck = {"kind": "SPICE", "source": {"folder": "x"}, "responses": responses}
    design = {"method": "LATIN_HYPERCUBE", "points": 12, "variables": [{"name": "R", "low": 500, "high": 2000}]} | changes
    return {"deck": deck, "design": design, "ml": {}, "optimize": {}}


def rows_of(run: StepRun) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = pq.read_table(run.output / "data.parquet").to_pydict()
    return columns


def measured(variables: list[Any], **changes: Any) -> dict[str, Any]:
    deck = {"kind": "TABLE", "source": {"folder": "x"}, "inputs": ["w", "deck"], "responses": ["delay"]}
    design = {"method": "MEASURED", "variables": variables} | changes
    return {"deck": deck, "design": design, "ml": {}, "optimize": {}}


def test_measured_rows_are_filtered_and_the_others_listed(tmp_path: Path) -> None:
    decks = {
        "a.csv": "w,deck,delay,more\n1,1,10,x\n9,1,11,x\n2,,12,x\n,1,13,x\n3,2,nan,x\n",
        "b.csv": "delay,deck,w\n20,5,2.5\n21,6,2.75\n22,inf,2\n",
    }
    definition = measured([{"name": "w", "low": 1, "high": 3}], constraints=["w != 2.75"], maxFailedShare=0.5)
    run = run_step(tmp_path / "run", MODULE, definition, inputs=collected(tmp_path / "in", decks))
    assert run.code == 0, run.stderr
    assert run.artifacts == ["failed_points.json", "data.parquet"]
    assert rows_of(run) == {"w": [1, 2, 2.5], "deck": [1, None, 5], "delay": [10, 12, 20], "_deck": ["a.csv", "a.csv", "b.csv"]}
    lists = run.document("failed_points.json")
    assert [(row["deck"], row["row"], row["reason"]) for row in lists["rejected"]] == [
        ("a.csv", 2, "w = 9 is not from 1 to 3"),
        ("a.csv", 4, "w = nan is not from 1 to 3"),
        ("b.csv", 2, "w != 2.75 does not hold"),
    ]
    assert [(row["deck"], row["row"], row["message"]) for row in lists["failed"]] == [
        ("a.csv", 5, "delay is missing or infinite"),
        ("b.csv", 3, "deck is missing or infinite"),
    ]
    info = run.metadata["dataInfo"]
    assert (info["method"], info["rows"], info["failedPoints"], info["rejectedRows"]) == ("MEASURED", 3, 2, 3)
    assert info["columns"] == [
        {"name": "w", "role": "INPUT", "low": 1, "high": 2.5},
        {"name": "deck", "role": "INPUT", "low": 1, "high": 5},
        {"name": "delay", "role": "RESPONSE", "low": 10, "high": 20},
        {"name": "_deck", "role": "DECK", "categories": ["a.csv", "b.csv"]},
    ]
    roles = json.loads(pq.read_schema(run.output / "data.parquet").metadata[b"plog"])
    assert (roles["inputs"], roles["responses"]) == (["w", "deck"], ["delay"])


def test_it_tells_how_the_points_were_chosen() -> None:
    """What of a sampled design is not as it should be is said, not silently accepted."""
    problems = Problems()
    variables = [{"name": "a", "low": 0, "high": 1}]
    design = parse_design(
        {"method": "LATIN_HYPERCUBE", "points": 20, "variables": variables, "constraints": ["a < 0.5"]}, problems
    )
    data = DataSet(design, ["a"], ["y"])
    assert "sampling" not in data.info()
    data.plan(generate(design))
    assert data.info()["sampling"]["leftOut"] == 0 and 39 <= data.info()["sampling"]["candidates"] <= 41
    data.plan(Sample(np.empty((20, 1)), 50, left_out=3))
    assert "cut down" in data.info()["sampling"]["note"]


CORNERS = "w,deck,delay\n1,tt,10\n2,ff,11\n,tt,12\n3,,13\n9,ss,14\n4,ss,15\n5,tt,nan\n"


def test_categories_are_restricted_and_described(tmp_path: Path) -> None:
    variables = [{"name": "w", "low": 1, "high": 5}, {"name": "deck", "categories": ["tt", "ff"]}]
    run = run_step(
        tmp_path / "run",
        MODULE,
        measured(variables, maxFailedShare=0.5),
        inputs=collected(tmp_path / "in", {"a.csv": CORNERS}),
    )
    assert run.code == 0, run.stderr
    assert rows_of(run) == {"w": [1, 2], "deck": ["tt", "ff"], "delay": [10, 11]}
    assert [row["reason"] for row in run.document("failed_points.json")["rejected"]] == [
        "w = nan is not from 1 to 5",
        "deck is missing",
        "w = 9 is not from 1 to 5",
        "deck = 'ss' is not one of its categories",
    ]
    assert run.metadata["dataInfo"]["columns"][1] == {"name": "deck", "role": "INPUT", "categories": ["ff", "tt"]}


def test_a_missing_value_that_the_training_fills_in_is_kept(tmp_path: Path) -> None:
    definition = measured([{"name": "w", "low": 1, "high": 5}], constraints=["w < 3"], maxFailedShare=0.5)
    definition["ml"] = {"missing": "MEDIAN"}
    run = run_step(tmp_path / "run", MODULE, definition, inputs=collected(tmp_path / "in", {"a.csv": CORNERS}))
    assert run.code == 0, run.stderr
    assert rows_of(run) == {"w": [1, 2, None], "deck": ["tt", "ff", "tt"], "delay": [10, 11, 12]}


def test_when_no_row_is_left_the_job_fails(tmp_path: Path) -> None:
    inputs = collected(tmp_path / "in", {"a.csv": "w,deck,delay\n1,1,1\n"})
    run = run_step(tmp_path / "run", MODULE, measured([{"name": "w", "low": 5, "high": 6}]), inputs=inputs)
    assert (run.code, run.artifacts) == (1, ["failed_points.json"])
    assert "no row is left" in run.reason


def test_simulated_points(tmp_path: Path, ngspice: str) -> None:
    inputs = collected(
        tmp_path / "in", {"one.cir": DIVIDER, "two.cir": DIVIDER.replace("r2 2 0 1k", ".include m.inc"), "m.inc": "r2 2 0 2k\n"}
    )
    runs = [run_step(tmp_path / name, MODULE, spice(), inputs=inputs) for name in ("first", "second")]
    run = runs[0]
    assert run.code == 0, run.stderr
    rows = rows_of(run)
    assert list(rows) == ["R", "half", "current", "deck"]
    assert rows["deck"] == ["one.cir"] * 12 + ["two.cir"] * 12
    for r, half, deck in zip(rows["R"], rows["half"], rows["deck"], strict=True):
        below = 1000 if deck == "one.cir" else 2000
        assert half == pytest.approx(below / (below + r), rel=1e-5)
    points = run.entries("point")
    assert sorted(point["index"] for point in points) == list(range(24))
    assert all(point["responses"].keys() == {"half", "current"} for point in points)
    assert run.metadata["dataInfo"]["rows"] == 24
    deck = {"name": "deck", "role": "INPUT", "categories": ["one.cir", "two.cir"]}
    assert run.metadata["dataInfo"]["columns"][-1] == deck
    data = load_dataset(run.output, {})
    assert (data.inputs.names, data.inputs.width, data.deck) == (("R", "deck"), 3, "deck")
    assert [run.statuses(task) for task in ("design", "evaluate", "assemble")] == [["RUNNING", "SUCCEEDED"]] * 3
    assert (run.output / "data.parquet").read_bytes() == (runs[1].output / "data.parquet").read_bytes()
    assert list((tmp_path / "first" / "work").iterdir()) == []


def test_failed_points_are_listed_with_the_message_of_the_simulator(tmp_path: Path, ngspice: str) -> None:
    late = DIVIDER.replace(".dc v1 0 1 1", ".dc v1 0 1 0.25").replace("current find i(v1) at=1", "cross when v(2)=0.5")
    design: dict[str, Any] = {
        "method": "FULL_FACTORIAL",
        "variables": [{"name": "r", "levels": [500, 800, 900, 2000]}],
        "maxFailedShare": 0.25,
    }
    run = run_step(tmp_path / "run", MODULE, spice(**design), inputs=collected(tmp_path / "in", {"a.cir": late}))
    assert run.code == 0, run.stderr
    assert rows_of(run)["r"] == [500, 800, 900]
    (failed,) = run.document("failed_points.json")["failed"]
    assert failed["inputs"] == {"r": 2000}
    assert failed["responses"] == {"half": pytest.approx(1 / 3, rel=1e-5)}
    assert "cross" in failed["message"] and "out of interval" in failed["message"]
    assert [point["error"] for point in run.entries("point") if "error" in point] == [failed["message"]]
    assert run.metadata["dataInfo"]["failedPoints"] == 1

    strict = spice(**design | {"maxFailedShare": 0.2})
    run = run_step(tmp_path / "strict", MODULE, strict, inputs=tmp_path / "in")
    assert run.code == 1
    assert run.statuses("evaluate") == ["RUNNING", "FAILED"]
    assert "1 of 4 points failed" in run.reason
    assert "failed_points.json" in run.artifacts


def test_a_point_that_takes_too_long_is_ended(tmp_path: Path, ngspice: str) -> None:
    netlist = read_netlist("a", {"a": SLOW})
    simulator = Simulator({"a": netlist}, ["half"], 0.3, 0, tmp_path)
    with pytest.raises(PointFailed, match=r"after 0\.3 s"):
        simulator.evaluate("a", {"r": 1000})
    assert list(tmp_path.iterdir()) == []
    simulator.stop()
    with pytest.raises(PointFailed, match="stopped"):
        simulator.evaluate("a", {"r": 1000})


def test_measurements_of_several_analyses(tmp_path: Path, ngspice: str) -> None:
    text = """low pass
.param c=1n
v1 1 0 dc 1 ac 1 pulse(0 1 0 1n 1n 1 2)
r1 1 2 1k
c2 2 0 {c}
.op
.tran 10n 5u
.ac dec 20 1k 10meg
.dc v1 0 1 0.1
.meas dc final find v(2) at=0.5
.meas tran delay when v(2)=0.5 rise=1
.meas ac corner when vdb(2)=-3
"""
    simulator = Simulator({"a": read_netlist("a", {"a": text})}, ["delay", "corner", "final"], 10, 0, tmp_path)
    found = simulator.evaluate("a", {"c": 2e-9})
    assert found["delay"] == pytest.approx(0.6931 * 2e-6, rel=0.01)
    assert found["corner"] == pytest.approx(1 / (2 * 3.1416 * 1e3 * 2e-9), rel=0.01)
    assert found["final"] == pytest.approx(0.5)


FAKE_NGSPICE = """#!/bin/sh
echo "half = $(ls -A "$HOME" | wc -l)"
echo "current = $(env | grep -c -e SECRET -e PLOG_)"
[ "$1 $2 $3" = "-b -n netlist.cir" ] || exit 5
"""


def test_a_simulation_sees_an_empty_home_and_no_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("bin", "home", "work"):
        (tmp_path / folder).mkdir()
    (tmp_path / "bin" / "ngspice").write_text(FAKE_NGSPICE)
    (tmp_path / "bin" / "ngspice").chmod(0o755)
    (tmp_path / "home" / ".spiceinit").write_text("shell ls\n")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.setenv("PLOG_TOKEN", "x")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    simulator = Simulator({"a": read_netlist("a", {"a": DIVIDER})}, ["half", "current"], 10, 0, tmp_path / "work")
    assert simulator.evaluate("a", {}) == {"half": 0, "current": 0}
    assert list((tmp_path / "work").iterdir()) == []


def test_names_are_found_in_any_case(tmp_path: Path, ngspice: str) -> None:
    simulator = Simulator({"a": read_netlist("a", {"a": DIVIDER})}, ["Half"], 10, 0, tmp_path)
    assert simulator.evaluate("a", {"R": 1000}) == {"Half": pytest.approx(0.5)}


def test_random_functions_follow_the_seed(tmp_path: Path, ngspice: str) -> None:
    netlist = read_netlist("a", {"a": DIVIDER.replace("r2 2 0 1k", "r2 2 0 {agauss(1k,100,1)}")})
    first, again, other = (Simulator({"a": netlist}, ["half"], 10, seed, tmp_path).evaluate("a", {}) for seed in (1, 1, 2))
    assert first == again != other


def test_sigterm_ends_the_simulations_and_leaves_what_is_known(tmp_path: Path, ngspice: str) -> None:
    mixed = spice(["half"], parallel=2, timeoutSeconds=60)
    folder = StepFolder(tmp_path / "run")
    folder.prepare(mixed, {}, collected(tmp_path / "in", {"a.cir": DIVIDER, "b.cir": SLOW}))
    process = folder.start(MODULE)
    try:
        eventually_sync(lambda: sum("point" in report for report in folder.reports()) == 12, deadline=30)
        children = eventually_sync(
            lambda: [child for child in psutil.Process(process.pid).children() if child.name() == "ngspice"]
        )
        process.send_signal(signal.SIGTERM)
        run = folder.finish(process, 10)
    finally:
        process.send_signal(signal.SIGKILL)
    assert run.code == 128 + signal.SIGTERM
    assert not any(child.is_running() for child in children)
    assert len(rows_of(run)["half"]) == 12
    assert len(run.document("failed_points.json")["open"]) == 12
    assert run.metadata["dataInfo"]["openPoints"] == 12
    assert run.statuses("evaluate") == ["RUNNING"]


FUNCTIONS = """
import os, time
CALLS = 0
def area(values):
    global CALLS
    CALLS += 1
    print("chatter on standard output")
    return {"area": values["a"] * values["b"], "more": "ignored", "calls": CALLS}
def picky(values):
    if values["a"] > 3.5:
        raise ValueError(f"a is {values['a']:g}")
    return {"area": float("nan") if values["a"] > 2.5 else 10**400 if values["a"] > 1.5 else values["a"]}
def hangs(values):
    if values["a"] > 3.5:
        time.sleep(60)
    if values["a"] > 2.5:
        os._exit(3)
    return {"area": 1.0}
"""


def function_run(tmp_path: Path, target: str, **changes: Any) -> StepRun:
    (tmp_path / "my_functions.py").write_text(FUNCTIONS)
    variables = [{"name": "a", "levels": [1, 2, 3, 4]}, {"name": "b", "levels": [1, 10]}]
    design: dict[str, Any] = {
        "method": "FULL_FACTORIAL",
        "variables": variables,
        "evaluator": {"function": "mine"},
        "parallel": 2,
    }
    definition = spice(**design | changes) | {"deck": {"kind": "FUNCTION", "responses": ["area"]}}
    gathered = run_step(tmp_path / "decks", "steps.deck_collection", definition)
    assert (gathered.code, gathered.artifacts) == (0, ["decks.json"]), gathered.stderr
    assert "no decks to gather" in gathered.metadata["message"]
    assert [gathered.statuses(task) for task in ("fetch", "parse", "check")] == [["RUNNING", "SUCCEEDED"]] * 3
    return run_step(
        tmp_path / "run",
        MODULE,
        definition,
        functions={"mine": f"my_functions:{target}"},
        inputs=gathered.output,
        environment={"PYTHONPATH": str(tmp_path)},
    )


def test_a_named_function(tmp_path: Path) -> None:
    run = function_run(tmp_path, "area")
    assert run.code == 0, run.stderr
    rows = rows_of(run)
    assert rows.keys() == {"a", "b", "area"}
    assert rows["area"] == [a * b for a, b in zip(rows["a"], rows["b"], strict=True)]
    assert len(rows["a"]) == 8
    assert "chatter" in run.stderr
    made_from = [report["artifact"]["inputs"] for report in run.reports if "artifact" in report]
    assert made_from == [["decks.json"], ["decks.json"]]


def test_points_that_a_function_fails_are_listed(tmp_path: Path) -> None:
    run = function_run(tmp_path, "picky", maxFailedShare=0.8)
    assert run.code == 0, run.stderr
    messages = {point["inputs"]["a"]: point["message"] for point in run.document("failed_points.json")["failed"]}
    not_finite = "the function returned no finite number for area"
    assert messages == {2: not_finite, 3: not_finite, 4: "ValueError: a is 4"}


def test_a_function_that_hangs_or_dies_costs_its_point_only(tmp_path: Path) -> None:
    run = function_run(tmp_path, "hangs", maxFailedShare=0.5, timeoutSeconds=1)
    assert run.code == 0, run.stderr
    assert rows_of(run)["a"] == [1, 2, 1, 2]
    assert len(run.document("failed_points.json")["failed"]) == 4


@pytest.mark.parametrize(("target", "reason"), [("missing", "can't be loaded"), ("CALLS", "not a function")])
def test_a_function_that_is_not_there(tmp_path: Path, target: str, reason: str) -> None:
    run = function_run(tmp_path, target)
    assert run.code == 1
    assert reason in run.reason


def test_only_functions_of_the_settings_are_run(tmp_path: Path) -> None:
    run = function_run(tmp_path, "area", evaluator={"function": "os:system"})
    assert run.code == 1
    assert "os:system" in run.reason


def test_without_decks_it_says_what_is_missing(tmp_path: Path) -> None:
    run = run_step(tmp_path / "run", MODULE, measured([]))
    assert run.code == 1
    assert "DECK_COLLECTION" in run.reason


def test_without_ngspice_it_says_what_to_install(tmp_path: Path) -> None:
    environment = {"PATH": str(tmp_path)}
    run = run_step(
        tmp_path / "run", MODULE, spice(), inputs=collected(tmp_path / "in", {"a.cir": DIVIDER}), environment=environment
    )
    assert run.code == 1
    assert "ngspice is not installed" in run.reason
    assert os.environ["PATH"] != str(tmp_path)
