"""Models predict in processes of their own: exactly what they predict anywhere, each row by itself; and the processes end."""

import asyncio
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pytest
from joblib import parallel_config
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from skops.io import dumps, get_untrusted_types, loads

from adapters.models.model_predictor import ENDED, GARBLED, ProcessModelPredictor
from adapters.models.model_process import ModelCommand
from domain.errors import Unavailable
from domain.model_version import ModelContent, ModelFeature, ModelOrigin
from domain.ports import LoadedModel, ModelPredictor
from domain.prediction import ModelUnusable, Prediction
from domain.training import Algorithm, complete_parameters, parse_ml, search_space
from domain.validation import Problems
from steps.modelling import build_model, fit, one_core
from steps.training_data import Inputs
from tests.architecture.sources import ROOT
from tests.models_here import PredictorHere
from tests.waiting import eventually, eventually_sync

Row = Sequence[float | str]

PREDICTION = (sys.executable, "-P", "-m", "steps.model_prediction")
ENVIRONMENT = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
PREDICTOR = ProcessModelPredictor(PREDICTION, ENVIRONMENT)
BOTH = pytest.mark.parametrize("predictor", [PREDICTOR, PredictorHere()], ids=["process", "here"])
FORGED = (sys.executable, "-c", "import sys; exec(open(sys.argv[1]).read())")
NAMES = ["w", "l", "c", "t"]
LOADED = "import json, os, subprocess, sys, time; sys.stdin.readline(); print('{}', flush=True);"


async def in_pieces(content: bytes) -> AsyncIterator[bytes]:
    middle = len(content) // 2
    for piece in (content[:middle], content[middle:]):
        yield piece


def version(content: bytes, features: Sequence[str], targets: Sequence[str]) -> ModelContent:
    return ModelContent(
        sha256=sha256(content).hexdigest(),
        size=len(content),
        features=tuple(ModelFeature(name=name) for name in features),
        targets=tuple(targets),
        origin=ModelOrigin.UPLOAD,
    )


def nameless(model: Any, targets: int = 1) -> tuple[bytes, list[str], list[str]]:
    """A model that knows no names of its two inputs, and names for them."""
    return dumps(model), ["a", "b"], [f"target {place}" for place in range(targets)]


def trained(algorithm: Algorithm, targets: int, has_texts: bool = False) -> bytes:
    """A model as PLOG's jobs train them."""
    rng = np.random.default_rng(7)
    rows = pd.DataFrame(rng.normal(size=(60, 4)), columns=NAMES)
    measured = np.column_stack([rows.sum(axis=1), rows["w"] * rows["l"]])[:, :targets] + 0.1 * rng.normal(size=(60, targets))
    categories = {"c": ("ff", "ss")} if has_texts else {}
    if has_texts:
        rows["c"] = np.where(rows["c"] > 0, "ff", "ss")
    inputs = Inputs(tuple(NAMES), categories)
    options = parse_ml({}, Problems(""))
    parameters = complete_parameters({}, search_space(algorithm, inputs=inputs.width, rows=60))
    return bytes(dumps(fit(build_model(options, algorithm, parameters, inputs, targets), rows, measured)))


def apart(content: bytes, rows: Sequence[Row], names: list[str] | None) -> list[Prediction]:
    """What skops and scikit-learn make of each row, without PLOG."""
    model = loads(content, trusted=get_untrusted_types(data=content))
    with one_core(), parallel_config(backend="sequential"):  # threads add up trees in whatever order they end
        frames = [np.array([row]) if names is None else pd.DataFrame([row], columns=names) for row in rows]
        return [Prediction(tuple(map(float, np.ravel(model.predict(frame))))) for frame in frames]


async def predicted(
    content: bytes,
    features: Sequence[str],
    targets: Sequence[str],
    rows: Sequence[Row],
    predictor: ModelPredictor = PREDICTOR,
) -> list[Prediction]:
    async with predictor.load(in_pieces(content), version(content, features, targets)) as model:
        return await answers(model, rows)


async def answers(model: LoadedModel, rows: Sequence[Row]) -> list[Prediction]:
    return [await model.predict(row) for row in rows]


def is_over(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def own_processes() -> list[psutil.Process]:
    """Those of models: a run of tests may have others."""
    return [process for process in psutil.Process().children() if "plog-model-" in process.cwd()]


def files_beside(process: psutil.Process) -> list[Path]:
    return list(Path(process.cwd()).iterdir())


@BOTH
@pytest.mark.parametrize(
    ("algorithm", "targets"),
    [
        (Algorithm.RIDGE, 1),
        (Algorithm.RANDOM_FOREST, 2),
        (Algorithm.GAUSSIAN_PROCESS, 1),
        (Algorithm.GAUSSIAN_PROCESS, 2),
    ],
)
async def test_a_model_predicts_what_it_predicts_anywhere_whatever_rows_are_beside(
    algorithm: Algorithm, targets: int, predictor: ModelPredictor
) -> None:
    content = trained(algorithm, targets)
    rows = np.random.default_rng(8).normal(size=(12, 4)).tolist()
    expected = apart(content, rows, NAMES)
    async with predictor.load(in_pieces(content), version(content, NAMES, ["delay", "power"][:targets])) as model:
        assert await answers(model, rows) == expected
        assert await answers(model, rows[::-3]) == expected[::-3]
        assert await answers(model, rows[5:6]) == expected[5:6]


@BOTH
async def test_texts_go_to_inputs_that_take_them_and_names_tell_inputs_apart_and_not_their_places(
    predictor: ModelPredictor,
) -> None:
    content = trained(Algorithm.RIDGE, 1, has_texts=True)
    rows: list[Row] = [[0.5, -1, "ff", 2.25], [0.1, 0.2, "ss", 0.3], [0.1, 0.2, "?", 0.3]]
    expected = apart(content, rows, NAMES)
    assert await predicted(content, NAMES, ["delay"], rows, predictor) == expected
    assert await predicted(content, NAMES[::-1], ["delay"], [row[::-1] for row in rows], predictor) == expected


@BOTH
async def test_a_row_that_a_model_refuses_is_refused_alone(predictor: ModelPredictor) -> None:
    content = trained(Algorithm.RANDOM_FOREST, 1)
    good = [0.5, 1, 2, -3]
    rows: list[Row] = [good, [0.5, "x", 2, 3], [0.5, 1, 2], [0.5, 1, float("inf"), 3], [10**400, 1, 2, 3], good]
    first, text, short, infinite, huge, last = await predicted(content, NAMES, ["delay"], rows, predictor)
    assert [first] == [last] == apart(content, [good], NAMES)
    assert short == Prediction(problem="The row has 3 values; the model takes 4.")
    for refused, reason in (
        (text, "ValueError: "),
        (infinite, "ValueError: Input X contains infinity"),
        (huge, "OverflowError: "),
    ):
        assert refused.outputs == ()
        assert str(refused.problem).startswith(f"The model refused the row: {reason}")
        assert len(str(refused.problem)) < 400


@BOTH
async def test_what_is_no_finite_number_is_no_prediction(predictor: ModelPredictor) -> None:
    model = LinearRegression().fit(np.eye(2), np.eye(2))
    model.coef_ = np.array([[1e308, 1e308], [1e308, -1e308]])
    content, features, targets = nameless(model, 2)
    finite, infinite, undefined = await predicted(content, features, targets, [[0.5, 0.25], [1.0, 1.0], [10.0, 10.0]], predictor)
    assert [finite] == apart(content, [[0.5, 0.25]], None)
    assert infinite.problem == "The model predicted inf for target 0, which is no finite number."
    assert undefined.problem == infinite.problem
    one_too_few = await predicted(content, features, targets[:1], [[0.5, 0.25]], predictor)
    assert one_too_few == [Prediction(problem="The model predicted 2 values and not one for each target (1).")]


async def test_what_models_print_spoils_no_answer_and_answers_are_as_long_as_they_have_to_be() -> None:
    rng = np.random.default_rng(9)
    wide = [f"target {place}" for place in range(300)]
    chatty = RandomForestRegressor(12, verbose=100, n_jobs=4, random_state=1).fit(
        rng.normal(size=(20, 2)), rng.normal(size=(20, 300))
    )
    content, features, _ = nameless(chatty)
    rows = rng.normal(size=(220, 2)).tolist()
    assert await predicted(content, features, wide, rows) == apart(content, rows, None)


async def test_a_model_without_names_takes_values_by_place_alone() -> None:
    rng = np.random.default_rng(10)
    inputs = rng.normal(size=(80, 50))
    content = dumps(make_pipeline(StandardScaler(), Ridge()).fit(inputs, inputs @ rng.normal(size=(50, 2))))
    rows = rng.normal(size=(70, 50)).tolist()
    assert await predicted(content, [str(place) for place in range(50)], ["x", "y"], rows) == apart(content, rows, None)


UNUSABLE: dict[str, tuple[bytes, str]] = {
    "forbidden": (
        dumps(make_pipeline(FunctionTransformer(os.system), Ridge())),
        "The model's file holds types that are not allowed in a model: posix.system.",
    ),
    "broken": (dumps(Ridge().fit(np.eye(2), [1, 2]))[:-30], "The model's file can't be read as a model in the format of skops."),
    "not fitted": (dumps(Ridge()), "The model's file holds a Ridge, which predicts nothing or was not fitted."),
    "no estimator": (dumps({"a": 1}), "The model's file holds a dict, which predicts nothing or was not fitted."),
    "too wide": (dumps(Ridge().fit(np.eye(3), [1, 2, 3])), "The model's file takes 3 inputs; its version has 2."),
    "other names": (
        dumps(Ridge().fit(pd.DataFrame(np.eye(2), columns=["a", "c"]), [1, 2])),
        "The model's file takes other inputs than its version has: a, c.",
    ),
}


@BOTH
@pytest.mark.parametrize("name", UNUSABLE)
async def test_a_file_that_can_not_be_used_is_said_to_be_so(name: str, predictor: ModelPredictor) -> None:
    content, problem = UNUSABLE[name]
    with pytest.raises(ModelUnusable) as refused:
        await predicted(content, ["a", "b"], ["x"], [], predictor)
    assert str(refused.value) == problem
    assert own_processes() == []


@pytest.mark.parametrize("other", [b"print(2)", b"print(1)+1", b"print"])
async def test_another_file_is_shown_to_no_process(other: bytes, tmp_path: Path) -> None:
    content = b"print(1)"
    started = tmp_path / "started"
    predictor = ProcessModelPredictor(("touch", str(started)), ENVIRONMENT)
    with pytest.raises(ModelUnusable, match=sha256(content).hexdigest()):
        async with predictor.load(in_pieces(other), version(content, ["a"], ["x"])):
            pass
    assert not started.exists()


async def test_a_file_that_can_not_be_fetched_now_may_be_later() -> None:
    async def content() -> AsyncIterator[bytes]:
        yield b"pri"
        raise Unavailable("later")

    with pytest.raises(Unavailable, match="later"):
        async with PREDICTOR.load(content(), version(b"print(1)", ["a"], ["x"])):
            pass


@pytest.mark.parametrize(
    ("command", "reason"), [("/nowhere/to/be/found", "No such file or directory"), (__file__, "Permission denied")]
)
async def test_what_can_never_be_started_is_not_waited_for(command: str, reason: str) -> None:
    with pytest.raises(ModelUnusable, match=f"No process for a model can be started: {reason}."):
        async with ProcessModelPredictor((command,), {}).load(in_pieces(b"ab"), version(b"ab", ["a"], ["x"])):
            pass


async def test_what_there_is_no_room_for_now_may_be_started_later(tmp_path: Path) -> None:
    command = ModelCommand(("true",), ENVIRONMENT)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        with pytest.raises(Unavailable, match="No process for a model can be started: Too many open files"):
            async with command.run(tmp_path):
                pass
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    async with command.run(tmp_path) as process:
        assert await process.wait() == 0


def forged(text: str, **seconds: float) -> Any:
    """A loaded model whose process runs this text in place of PLOG's program."""
    content = text.encode()
    return ProcessModelPredictor(FORGED, ENVIRONMENT, **seconds).load(in_pieces(content), version(content, ["a"], ["x"]))


def telling_pids(path: Path) -> str:
    """What starts a process beside and tells the numbers of both in that file."""
    return f"""
beside = subprocess.Popen(["sleep", "600"])
open({str(path)!r} + "~", "w").write(f"{{os.getpid()}} {{beside.pid}}")
os.rename({str(path)!r} + "~", {str(path)!r})
"""


def pids(path: Path) -> list[int]:
    return [int(pid) for pid in path.read_text().split()] if path.exists() else []


async def test_a_model_that_is_loaded_for_too_long_is_ended() -> None:
    with pytest.raises(ModelUnusable, match=r"can't be loaded: it took longer than a model may, 0\.5 seconds\."):
        async with forged("import time; time.sleep(600)", load_seconds=0.5):
            pass
    assert own_processes() == []


async def unanswered(model: LoadedModel, row: Row, why: str) -> None:
    """The model gives no answer for the row, and none to any later question."""
    assert await model.predict(row) == Prediction(problem=f"The model gave no answer for this row: {why}.", is_unanswered=True)
    with pytest.raises(ModelUnusable) as refused:
        await model.predict(row)
    assert str(refused.value) == f"The model can't be asked any more: {why}."


async def test_a_model_that_predicts_for_too_long_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    async with forged(f"{LOADED}\n{telling_pids(tmp_path / 'pids')}\ntime.sleep(600)", row_seconds=0.5) as model:
        await unanswered(model, [1.0], "it took longer than a model may, 0.5 seconds")
        started = await eventually(lambda: pids(tmp_path / "pids"))
        assert not any(map(is_over, started))
    await eventually(lambda: all(map(is_over, started)))


async def test_who_flees_from_a_model_s_group_with_its_output_holds_nobody_up(tmp_path: Path) -> None:
    flight = telling_pids(tmp_path / "pids").replace('"600"]', '"600"], start_new_session=True')
    async with asyncio.timeout(30), forged(f"{LOADED}\n{flight}\ntime.sleep(600)"):
        model, fled = await eventually(lambda: pids(tmp_path / "pids"))
    psutil.Process(fled).kill()
    await eventually(lambda: is_over(fled))
    assert is_over(model)


@pytest.mark.parametrize("is_loaded", [False, True])
async def test_who_is_cancelled_leaves_no_process(is_loaded: bool, tmp_path: Path) -> None:
    async def use() -> None:
        prefix = LOADED if is_loaded else "import os, subprocess, time"
        async with forged(f"{prefix}\n{telling_pids(tmp_path / 'pids')}\ntime.sleep(600)") as model:
            await model.predict([1.0])

    using = asyncio.create_task(use())
    started = await eventually(lambda: pids(tmp_path / "pids"))
    using.cancel()
    with pytest.raises(asyncio.CancelledError):
        await using
    await eventually(lambda: all(map(is_over, started)))


async def test_a_call_that_was_cancelled_is_not_mistaken_for_the_next() -> None:
    async with forged(f"{LOADED}\nsys.stdin.readline()\ntime.sleep(600)") as model:
        asking = asyncio.create_task(model.predict([1.0]))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asking, 0.2)
        with pytest.raises(ModelUnusable, match="not waited for"):
            await model.predict([2.0])


@pytest.mark.parametrize(
    "answer",
    [
        "?",
        "{}",
        "[]",
        "1",
        '"problem"',
        '["problem"]',
        '[{"outputs": [1.0]}]',
        '{"outputs": [1]}',
        '{"outputs": [NaN]}',
        '{"outputs": [1.0, 2.0]}',
        '{"outputs": null}',
        "[" * 10_000,
        '{"problem": "' + "x" * 20_000 + '"}',
    ],
)
async def test_a_process_is_not_believed_what_no_model_says(answer: str) -> None:
    async with forged(f"{LOADED}\nsys.stdin.readline(); print({answer!r}, flush=True); time.sleep(600)") as model:
        await unanswered(model, [1.0], GARBLED)


async def test_problems_can_be_shown_and_stored() -> None:
    said = json.dumps({"problem": "a\x00b\ud800c" + "x" * 2000})
    async with forged(f"{LOADED}\nsys.stdin.readline(); print({said!r}, flush=True); time.sleep(600)") as model:
        prediction = await model.predict([1.0])
    assert prediction.problem == "a?b?c" + "x" * 995


async def test_a_process_that_reads_nothing_and_says_too_much_stops_nobody() -> None:
    flood = f"{LOADED}\nimport select; select.select([0], [], [])\nwhile True: print('x' * 10000)"
    async with forged(flood, row_seconds=5) as model:
        assert (await model.predict(["x" * 50_000_000])).is_unanswered
    assert own_processes() == []


async def test_a_process_that_ends_by_itself_is_said_to_have() -> None:
    content, features, targets = nameless(Ridge().fit(np.eye(2), [1, 2]))
    async with PREDICTOR.load(in_pieces(content), version(content, features, targets)) as model:
        [process] = own_processes()
        assert files_beside(process) == [], "who has loaded the model needs its file no more"
        process.kill()
        await unanswered(model, [1.0, 2.0], ENDED)
    with pytest.raises(ModelUnusable) as refused:
        async with forged("import os; os.kill(os.getpid(), 9)"):
            pass
    assert str(refused.value) == f"The model can't be loaded: {ENDED}."


SERVER = """
import asyncio, sys, psutil
from tests.adapters.test_model_predictor import PREDICTOR, in_pieces, nameless, version
from sklearn.linear_model import Ridge

async def main():
    content, features, targets = nameless(Ridge().fit([[0, 1], [1, 0]], [1, 2]))
    async with PREDICTOR.load(in_pieces(content), version(content, features, targets)):
        print(psutil.Process().children()[0].pid, flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


def test_a_process_ends_when_its_server_is_killed() -> None:
    command = [sys.executable, "-c", SERVER]
    with subprocess.Popen(command, cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        pid = int(server.stdout.readline())
        assert not is_over(pid)
        server.send_signal(signal.SIGKILL)
    try:
        eventually_sync(lambda: is_over(pid), deadline=30)
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def test_a_process_ends_with_its_input_also_while_it_predicts(tmp_path: Path) -> None:
    path = tmp_path / "model.skops"
    path.write_bytes(trained(Algorithm.RANDOM_FOREST, 1))
    row = json.dumps([0.0, 1.0, 2.0, 3.0]).encode() + b"\n"
    options = {"env": ENVIRONMENT, "stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([*PREDICTION, str(path)], **options) as process:  # type: ignore[call-overload]
        process.stdin.write(json.dumps({"features": NAMES, "targets": ["delay"]}).encode() + b"\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"{}\n"
        before = psutil.Process(process.pid).cpu_times().user
        process.stdin.write(row * 5_000)  # more work than the test waits for; its answers fill the pipe that nobody reads
        process.stdin.flush()
        eventually_sync(lambda: psutil.Process(process.pid).cpu_times().user > before + 1, deadline=30)
        process.stdin.close()
        assert process.wait(30) == 0
