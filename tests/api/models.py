"""Set-up models in tests: kits that have trained a real one, the documents about models, and the commands that tests give."""

import hashlib
import json
import shutil
from collections.abc import Mapping
from functools import cache
from io import BytesIO
from typing import Any
from uuid import UUID
from zipfile import ZipFile

import numpy as np
import pandas as pd
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from skops.io import dumps

from domain import commands
from domain.attempt import Ending
from domain.change import Change
from tests.api.in_process import ERROR, Plog
from tests.api.test_artifact import REPORT, put

INPUTS, TARGETS = ["w", "l", "c"], ["delay"]
VERSION = """id number modelId state features { name kind low high categories } targets metrics frameworks origin jobId
  attemptNumber sourceVersionId actor actorName createdAt"""
MODEL = f"""id number name productLine owner ownerName attributes description version archivedAt
  activeVersion {{ {VERSION} }} sourceModel {{ id number }}"""
CREATE = f"""mutation ($input: SetUpModelInput!, $key: String) {{ setUpModelCreate(input: $input, idempotencyKey: $key) {{
  __typename ... on SetUpModelCreatePayload {{ setUpModel {{ {MODEL} }} }} {ERROR} }} }}"""
COPY = f"""mutation ($source: ID!, $input: SetUpModelCopyInput!, $key: String) {{
  setUpModelCopy(sourceId: $source, input: $input, idempotencyKey: $key) {{
    __typename ... on SetUpModelCreatePayload {{ setUpModel {{ {MODEL} }} }} {ERROR} }} }}"""
ONE = f"""query ($id: ID!) {{ setUpModel(id: $id) {{ {MODEL} versions {{ nodes {{ {VERSION} artifact {{ name sha256 size }} }} }}
  activations {{ nodes {{ number version isRollBack actor reason recordedAt }} }} copies {{ totalCount nodes {{ id name }} }}
  revisions {{ nodes {{ version kind actor attributes description }} }}
  viewerCanCopy {{ isAllowed reason openedBy applyAt }} viewerCanSetUp {{ isAllowed }} }} }}"""
MODELS = f"""query ($filter: SetUpModelFilter, $first: Int = 50, $after: String) {{
  setUpModels(filter: $filter, first: $first, after: $after) {{ totalCount nodes {{ {MODEL} }}
  pageInfo {{ hasNextPage endCursor }} }} }}"""


@cache
def trained(alpha: float = 1.0) -> bytes:
    """A small model in the format of skops."""
    rows = pd.DataFrame(np.random.default_rng(1).uniform(size=(20, 3)), columns=INPUTS)
    return bytes(dumps(Pipeline([("scale", StandardScaler()), ("model", Ridge(alpha=alpha))]).fit(rows, rows.sum(axis=1))))


@cache
def forbidden() -> bytes:
    """What would run something of the system's when it is asked to predict."""
    return bytes(dumps(Pipeline([("a", FunctionTransformer(func=shutil.rmtree)), ("b", LinearRegression())])))


def padded(content: bytes, size: int) -> bytes:
    """The model in a file that is larger by so much, which says nothing."""
    with ZipFile(file := BytesIO(content), "a") as archive:
        archive.writestr("padding", bytes(size))
    return file.getvalue()


def card(content: bytes, **changes: Any) -> dict[str, Any]:
    """What an OPTIMIZE job says of that model."""
    sha256 = hashlib.sha256(content).hexdigest()
    return {
        "registered": {"model": "tuned", "artifact": "tuned_model.skops", "sha256": sha256, "reason": "better"},
        "features": {name: {"low": 0.0, "high": 1.0} for name in INPUTS[:2]} | {"c": {"categories": ["a", "b"]}},
        "responses": TARGETS,
        "comparison": {"responses": {"delay": {"tuned": {"r2": 0.9, "rmse": 1.0}, "untuned": {"r2": 0.5, "rmse": 2.0}}}},
        "versions": {"python": "3.11", "scikit-learn": "1.9"},
        **changes,
    }


def registered(content: bytes) -> dict[str, bytes]:
    """What an OPTIMIZE job leaves that has made that model."""
    return {"tuned_model.skops": content, "model_card.json": json.dumps(card(content)).encode()}


async def _leave(plog: Plog, worker: dict[str, str], sequence: int, name: str, content: bytes) -> None:
    sha256 = hashlib.sha256(content).hexdigest()
    assert (await put(plog, worker, content, sha256=sha256, size=len(content))).status_code == 204
    file = {"name": name, "mediaType": "application/octet-stream", "sha256": sha256, "size": len(content), "inputs": []}
    told = await plog.answer(REPORT, worker, reports=[{"sequence": sequence, "kind": "ARTIFACT", "artifact": file}])
    assert told["results"][0]["state"] == "RECORDED", told


async def optimized(
    plog: Plog,
    files: Mapping[str, bytes] | None = None,
    user: str = "ada",
    by_ml: Mapping[str, bytes] | None = None,
    **changes: Any,
) -> dict[str, Any]:
    """A kit whose jobs have succeeded; the last has left these files, without them a model and its card."""
    content = trained()
    files = registered(content) if files is None else files
    left = {2: by_ml or {}, 3: files}
    kit = await plog.create(user=user, **changes)
    await plog.answer("mutation ($id: ID!) { kitStart(id: $id) { __typename } }", plog.signed_in(user), id=kit["id"])
    for place, job in enumerate(kit["jobs"]):
        job_id = UUID(job["uuid"])

        def begin(change: Change, job_id: UUID = job_id) -> None:
            commands.begin_attempt(change, job_id, 1, "runner")

        def settle(change: Change, job_id: UUID = job_id) -> None:
            commands.settle_attempt(change, job_id, 1, Ending(exit_code=0, reports=0))

        await plog.change(kit, begin)
        for sequence, (name, content) in enumerate(left.get(place, {}).items(), 1):
            await _leave(plog, plog.worker(kit, place), sequence, name, content)
        await plog.change(kit, settle)
    return kit


async def set_up(plog: Plog, kit: Mapping[str, Any], name: str = "delay", user: str = "ada", **given: Any) -> dict[str, Any]:
    """What setting up the kit's model answers."""
    key, job_id = given.pop("key", None), kit["jobs"][3]["id"]
    document = {"name": name, "productLine": "LOGIC", "source": {"jobId": job_id}, **given}
    return await plog.answer(CREATE, plog.signed_in(user), input=document, key=key)


async def a_model(plog: Plog, name: str = "delay", user: str = "ada", **given: Any) -> dict[str, Any]:
    """A model of a kit of its own."""
    answer = await set_up(plog, await optimized(plog), name, user, **given)
    assert answer["__typename"] == "SetUpModelCreatePayload", answer
    return dict(answer["setUpModel"])


async def copy(
    plog: Plog, source: Mapping[str, Any], name: str = "copy", user: str = "ada", key: str | None = None, **given: Any
) -> dict[str, Any]:
    """What copying the model answers."""
    document = {"name": name, **given}
    return await plog.answer(COPY, plog.signed_in(user), source=source["id"], input=document, key=key)


async def model_of(plog: Plog, model: Mapping[str, Any], user: str = "ada") -> dict[str, Any]:
    """All that a person sees of the model."""
    return await plog.answer(ONE, plog.signed_in(user), id=model["id"])
