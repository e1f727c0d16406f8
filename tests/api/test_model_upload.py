"""Models that people upload: looked into before anything is stored, and let in only if they hold what PLOG's own models hold."""

import hashlib
import io
import pickle
import zipfile
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from skops.io import dumps

from tests.api.in_process import Plog
from tests.api.models import CREATE, INPUTS, a_model, forbidden, model_of, trained
from tests.api.test_artifact import put
from tests.api.test_model_version import ADD
from tests.api.test_set_up_model import models_of

ROWS = pd.DataFrame(np.random.default_rng(1).uniform(size=(20, 3)), columns=INPUTS)
SUMS = ROWS.sum(axis=1)


def fitted(*stages: Any, rows: Any = ROWS, to: Any = SUMS) -> bytes:
    return bytes(dumps(Pipeline([(f"s{place}", each) for place, each in enumerate(stages)]).fit(rows, to)))


async def uploaded(plog: Plog, content: bytes, user: str = "ada") -> str:
    sha256 = hashlib.sha256(content).hexdigest()
    sent = await put(plog, plog.signed_in(user), content, path="/uploads", sha256=sha256, size=len(content))
    assert sent.status_code == 204
    return sha256


async def set_up(plog: Plog, sha256: str, user: str = "ada", **upload: Any) -> dict[str, Any]:
    source = {"upload": {"sha256": sha256, "targets": ["delay"], **upload}}
    document = {"name": "mine", "productLine": "LOGIC", "source": source}
    return await plog.answer(CREATE, plog.signed_in(user), input=document)


async def problems(plog: Plog, content: bytes, **upload: Any) -> dict[str, str]:
    """What is wrong with an upload, of which nothing is stored then."""
    answer = await set_up(plog, await uploaded(plog, content), **upload)
    assert answer["__typename"] == "ValidationFailed" and await models_of(plog) == [], answer
    stored = plog.container.settings.home / "artifacts" / "models"
    assert not stored.exists() or not list(stored.iterdir())
    return {each["field"].removeprefix("input.source.upload."): each["message"] for each in answer["problems"]}


async def test_an_uploaded_model_is_set_up_and_a_version_added(plog: Plog) -> None:
    content = fitted(StandardScaler(), RandomForestRegressor(5))
    answer = await set_up(plog, await uploaded(plog, content))
    version = answer["setUpModel"]["activeVersion"]
    assert (version["origin"], version["jobId"], version["targets"]) == ("UPLOAD", None, ["delay"])
    assert [(each["name"], each["kind"]) for each in version["features"]] == [(name, "UNKNOWN") for name in INPUTS]
    assert "scikit-learn" in version["frameworks"] and version["metrics"] == {}
    (stored,) = (await model_of(plog, answer["setUpModel"]))["versions"]["nodes"]
    assert stored["artifact"]["size"] == len(content)
    other = await uploaded(plog, trained(), "bela")
    source = {"upload": {"sha256": other, "targets": ["delay"], "features": INPUTS}}
    added = await plog.answer(ADD, plog.signed_in("bela"), id=answer["setUpModel"]["id"], source=source)
    assert added["__typename"] == "SetUpModelPayload"
    assert [each["origin"] for each in (await model_of(plog, answer["setUpModel"]))["versions"]["nodes"]] == ["UPLOAD"] * 2


async def test_a_model_that_could_run_something_is_not_even_loaded(plog: Plog) -> None:
    said = await problems(plog, forbidden())
    assert list(said) == ["sha256"] and "not allowed in a model: " in said["sha256"] and "rmtree" in said["sha256"]


class Evil:
    """What runs something when it is read by pickle."""

    def __reduce__(self) -> Any:
        return (exec, ("raise SystemExit(3)",))


def _zip(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [b"", b"no model", pickle.dumps(Evil()), _zip(a=b"b"), _zip(**{"schema.json": b"{}"}), trained()[:-100], dumps({"a": 1})],
    ids=["empty", "text", "pickle", "zip", "schema", "cut", "dictionary"],
)
async def test_what_is_no_model_is_refused(plog: Plog, content: bytes) -> None:
    assert list(await problems(plog, content)) == ["sha256"]


async def test_a_model_that_was_not_fitted_is_refused(plog: Plog) -> None:
    for thing, word in ((LinearRegression(), "not fitted"), (StandardScaler().fit(ROWS), "predicts nothing")):
        assert word in (await problems(plog, bytes(dumps(thing))))["sha256"]


async def test_the_names_have_to_be_those_of_the_model(plog: Plog) -> None:
    named, unnamed = fitted(LinearRegression()), fitted(LinearRegression(), rows=ROWS.to_numpy())
    assert list(await problems(plog, named, features=["w", "c", "l"])) == ["features"]
    assert list(await problems(plog, named, features=["w"])) == ["features"]
    assert list(await problems(plog, unnamed)) == ["features"]
    assert list(await problems(plog, named, features=["w", "w", "l"])) == ["features"]
    assert list(await problems(plog, named, targets=[])) == ["targets"]
    two = fitted(RandomForestRegressor(3), to=np.stack([SUMS, SUMS], axis=1))
    assert list(await problems(plog, two)) == ["targets"]
    assert (await set_up(plog, await uploaded(plog, unnamed), features=INPUTS))["__typename"] == "SetUpModelCreatePayload"


async def test_another_persons_upload_leads_nowhere(plog: Plog) -> None:
    sha256 = await uploaded(plog, trained(), "bela")
    for each in (sha256, "0" * 64, "x", sha256.upper()):
        answer = await set_up(plog, each)
        assert [problem["field"] for problem in answer["problems"]] == ["input.source.upload.sha256"]
    both = {"jobId": "Sm9iOjAwMDAwMDAwLTAwMDAtMDAwMC0wMDAwLTAwMDAwMDAwMDAwMA", "upload": {"sha256": sha256, "targets": ["y"]}}
    answer = await plog.answer(CREATE, input={"name": "a", "productLine": "LOGIC", "source": both})
    assert [problem["field"] for problem in answer["problems"]] == ["input.source"]
    model = await a_model(plog)
    refused = await plog.answer(ADD, id=model["id"], source={"upload": {"sha256": sha256, "targets": ["y"]}})
    assert refused["__typename"] == "ValidationFailed"
