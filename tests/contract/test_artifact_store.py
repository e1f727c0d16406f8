"""One suite for the folder and for S3: content is seen whole or not at all, whatever breaks off."""

import asyncio
import hashlib
import os
import random
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from obstore.store import S3Store

from adapters.artifacts import Artifacts, InvalidArtifactsUrl, open_artifacts
from domain.artifact import blob_location
from domain.attempt import AttemptKey
from domain.errors import NotFound, Unavailable, ValidationFailed
from domain.ports import ArtifactStore
from domain.upload import UploadOffsetMismatch
from tests.services import HOST, Server, require_built

CONTENT = random.Random(3).randbytes(9_000_001)
CREDENTIALS = {"access_key_id": "plog", "secret_access_key": "plog-secret"}


class S3Server(Server):
    """versitygw over a folder, with the bucket `plog`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._program = require_built("versitygw")
        (folder / "buckets" / "plog").mkdir(parents=True)
        (folder / "metadata").mkdir()

    @property
    def options(self) -> dict[str, str]:
        """What `open_artifacts` needs to reach it."""
        where = {"endpoint": f"http://{HOST}:{self.port}", "region": "us-east-1", "virtual_hosted_style_request": "false"}
        return {**where, **CREDENTIALS}

    def _command(self) -> list[str]:
        access = ["--access", CREDENTIALS["access_key_id"], "--secret", CREDENTIALS["secret_access_key"]]
        where = ["--sidecar", str(self.folder / "metadata"), str(self.folder / "buckets")]
        return [self._program, "--port", f"{HOST}:{self.port}", *access, "--quiet", "posix", *where]

    def _answers(self) -> bool:
        with socket.socket() as connection:
            return connection.connect_ex((HOST, self.port)) == 0


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The options for a real S3 server of this module."""
    server = S3Server(tmp_path_factory.mktemp("s3"))
    server.start()
    yield server.options
    server.stop()


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Artifacts:
    if request.param == "folder":
        return open_artifacts(str(tmp_path / "artifacts"), staging=tmp_path / "staging")
    options = request.getfixturevalue("s3")
    return open_artifacts(f"s3://plog/{uuid4()}", staging=tmp_path / "staging", options=options)


@pytest.fixture
def location() -> str:
    return blob_location(AttemptKey(uuid4(), 1), hashlib.sha256(CONTENT).hexdigest())


async def stream(content: bytes, piece: int = 1_000_000) -> AsyncIterator[bytes]:
    for start in range(0, len(content), piece):
        yield content[start : start + piece]


async def breaks_off(content: bytes) -> AsyncIterator[bytes]:
    yield content
    raise ConnectionResetError


async def read_all(store: ArtifactStore, location: str, start: int = 0, end: int = 2**40) -> bytes:
    return b"".join([piece async for piece in store.read(location, start, end)])


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


async def upload(store: ArtifactStore, location: str, content: bytes) -> None:
    await store.append(location, 0, stream(content))
    await store.complete(location, sha256=digest(content), size=len(content))


async def test_content_comes_back_whole_and_in_ranges(store: ArtifactStore, location: str) -> None:
    await upload(store, location, CONTENT)
    assert await store.size(location) == len(CONTENT)
    assert await read_all(store, location) == CONTENT
    assert await read_all(store, location, 4_194_300, 4_194_310) == CONTENT[4_194_300:4_194_310]
    assert await read_all(store, location, len(CONTENT) - 3) == CONTENT[-3:]
    assert await read_all(store, location, len(CONTENT), len(CONTENT) + 9) == b""
    assert await read_all(store, location, 5, 5) == b""


async def test_nothing_is_there_before_complete(store: ArtifactStore, location: str) -> None:
    assert await store.upload_offset(location) == 0
    assert await store.append(location, 0, stream(CONTENT)) == len(CONTENT)
    assert await store.size(location) is None
    with pytest.raises(NotFound):
        await read_all(store, location)


async def test_empty_content(store: ArtifactStore, location: str) -> None:
    await store.complete(location, sha256=digest(b""), size=0)
    assert await store.size(location) == 0
    assert await read_all(store, location) == b""


async def test_an_upload_goes_on_where_it_broke_off(store: ArtifactStore, location: str) -> None:
    with pytest.raises(ConnectionResetError):
        await store.append(location, 0, breaks_off(CONTENT[:700]))
    assert await store.upload_offset(location) == 700
    with pytest.raises(UploadOffsetMismatch) as early:
        await store.complete(location, sha256=digest(CONTENT), size=len(CONTENT))
    assert early.value.expected == 700
    assert await store.append(location, 700, stream(CONTENT[700:])) == len(CONTENT)
    await store.complete(location, sha256=digest(CONTENT), size=len(CONTENT))
    assert await read_all(store, location) == CONTENT
    assert await store.upload_offset(location) == len(CONTENT)


@pytest.mark.parametrize("offset", [0, 99, 101, 10**12])
async def test_a_wrong_offset_says_the_right_one(store: ArtifactStore, location: str, offset: int) -> None:
    await store.append(location, 0, stream(CONTENT[:100]))
    with pytest.raises(UploadOffsetMismatch) as refused:
        await store.append(location, offset, stream(b"other"))
    assert refused.value.expected == 100
    assert await store.upload_offset(location) == 100


async def test_other_content_is_refused_and_the_upload_begins_anew(store: ArtifactStore, location: str) -> None:
    for content, field in ((CONTENT[:-1] + b"?", "sha256"), (CONTENT + b"?", "size")):
        await store.append(location, 0, stream(content))
        with pytest.raises(ValidationFailed) as refused:
            await store.complete(location, sha256=digest(CONTENT), size=len(CONTENT))
        assert [problem.field for problem in refused.value.problems] == [field]
        assert await store.size(location) is None
        assert await store.upload_offset(location) == 0


async def test_completing_again_is_a_no_op_and_content_never_changes(store: ArtifactStore, location: str) -> None:
    await upload(store, location, b"first")
    await store.complete(location, sha256=digest(b"first"), size=5)
    assert await store.append(location, 5, stream(b"")) == 5
    with pytest.raises(ValidationFailed):
        await store.append(location, 5, stream(b"more"))
    with pytest.raises(UploadOffsetMismatch):
        await store.append(location, 0, stream(b"other"))
    with pytest.raises(ValidationFailed):
        await store.complete(location, sha256=digest(b"other"), size=5)
    assert await read_all(store, location) == b"first"


async def test_many_senders_at_once_leave_one_whole_content(store: ArtifactStore, location: str) -> None:
    async def send() -> None:
        while await store.size(location) is None:
            try:
                await store.append(location, offset := await store.upload_offset(location), stream(CONTENT[offset:], 200_000))
                await store.complete(location, sha256=digest(CONTENT), size=len(CONTENT))
            except UploadOffsetMismatch:
                continue

    await asyncio.wait_for(asyncio.gather(*(send() for _ in range(5))), 60)
    assert await read_all(store, location) == CONTENT
    assert await store.upload_offset(location) == len(CONTENT)


@pytest.mark.parametrize(
    "bad", ["", "/", "../x", "a/../b", "a//b", "/etc/passwd", ".staging/x", "a/.b", "a\x00b", "a" * 1000, "é", "a\n"]
)
async def test_a_location_never_leads_elsewhere(store: ArtifactStore, bad: str) -> None:
    with pytest.raises(ValidationFailed):
        await store.size(bad)
    with pytest.raises(ValidationFailed):
        await store.append(bad, 0, stream(b"x"))
    with pytest.raises(ValidationFailed):
        await store.complete(bad, sha256=digest(b"x"), size=1)
    with pytest.raises(ValidationFailed):
        await read_all(store, bad)
    with pytest.raises(ValidationFailed):
        await store.remove(bad)


async def test_a_folder_is_removed_with_all_that_is_below_it_and_nothing_else(store: ArtifactStore) -> None:
    gone, stays = ("reports/7/a", "reports/7/b/c"), ("reports/77/a", "reports/6", "documents/7")
    for each in (*gone, *stays):
        await upload(store, each, b"content")
    await store.remove("reports/7")
    await store.remove("reports/8")
    assert [await store.size(each) for each in (*gone, *stays)] == [None] * 2 + [7] * 3
    await upload(store, gone[0], b"new")
    assert await read_all(store, gone[0]) == b"new"


async def test_what_has_arrived_in_a_folder_since_a_time_is_counted(store: ArtifactStore) -> None:
    began = datetime.now(UTC) - timedelta(seconds=2)  # clocks of stores tell whole seconds
    assert await store.arrived_since("uploads/ada", began) == 0
    for location in ("uploads/ada/1", "uploads/ada/2", "uploads/adam/1", "uploads/bela/1"):
        await upload(store, location, b"content")
    await store.append("uploads/ada/3", 0, stream(b"unfinished"))
    await store.append("uploads/bela/2", 0, stream(b"unfinished"))
    assert await store.arrived_since("uploads/ada", began) == 7 + 7 + 10
    assert await store.arrived_since("uploads/ada", datetime.now(UTC) + timedelta(hours=1)) == 0


async def test_many_may_remove_a_folder_at_once(store: ArtifactStore) -> None:
    locations = [f"reports/7/{each}" for each in range(40)]
    await asyncio.gather(*(upload(store, each, b"content") for each in locations))
    await asyncio.gather(*(store.remove("reports/7") for _ in range(8)))
    assert [await store.size(each) for each in locations] == [None] * 40


KILLED = """
import asyncio, hashlib, sys
from pathlib import Path
from adapters.artifacts import open_artifacts

async def main(url, staging, location, source, *options):
    store = open_artifacts(url, staging=Path(staging), options=dict(option.split("=", 1) for option in options))
    content = Path(source).read_bytes()
    async def rest(offset):
        for start in range(offset, len(content), 65536):
            yield content[start : start + 65536]
    offset = await store.upload_offset(location)
    print("begun", flush=True)
    if offset < len(content):
        await store.append(location, offset, rest(offset))
    await store.complete(location, sha256=hashlib.sha256(content).hexdigest(), size=len(content))

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize("kind", ["folder", "s3"])
async def test_kill_9_leaves_all_or_nothing(kind: str, request: pytest.FixtureRequest, tmp_path: Path, location: str) -> None:
    options = request.getfixturevalue("s3") if kind == "s3" else {}
    url = f"s3://plog/{uuid4()}" if kind == "s3" else str(tmp_path / "artifacts")
    store = open_artifacts(url, staging=tmp_path / "staging", options=options)
    source = tmp_path / "source"
    source.write_bytes(CONTENT)
    arguments = [url, str(tmp_path / "staging"), location, str(source), *(f"{name}={value}" for name, value in options.items())]
    chance = random.Random(7)
    ended, offset = False, 0
    for _ in range(30):
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", KILLED, *arguments, stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert await process.stdout.readline() == b"begun\n"
        try:
            ended = await asyncio.wait_for(process.wait(), chance.uniform(0, 0.1)) == 0
            assert ended
        except TimeoutError:
            process.kill()
            await process.wait()
        assert await store.size(location) in (None, len(CONTENT))
        assert await store.upload_offset(location) >= offset, "what was taken is lost"
        offset = await store.upload_offset(location)
        if ended:
            break
    if not ended:
        await store.append(location, offset, stream(CONTENT[offset:]))
        await store.complete(location, sha256=digest(CONTENT), size=len(CONTENT))
    assert await read_all(store, location) == CONTENT


async def test_a_folder_keeps_nothing_but_the_content(tmp_path: Path, location: str) -> None:
    store = open_artifacts((tmp_path / "artifacts").as_uri(), staging=tmp_path / "unused")
    await upload(store, location, CONTENT)
    files = [path for path in (tmp_path / "artifacts").rglob("*") if path.is_file()]
    assert files == [tmp_path / "artifacts" / location]


async def test_abandoned_uploads_are_dropped_others_kept(tmp_path: Path) -> None:
    store = open_artifacts(str(tmp_path / "artifacts"), staging=tmp_path)
    await store.append("old", 0, stream(b"old"))
    for path in (tmp_path / "artifacts" / ".staging").iterdir():
        os.utime(path, (0, 0))
    await store.append("new", 0, stream(b"new"))
    assert store.drop_abandoned(timedelta(days=7)) == 1
    assert (await store.upload_offset("old"), await store.upload_offset("new")) == (0, 3)


async def test_a_store_that_is_down_is_unavailable_and_keeps_what_was_taken(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{closed.getsockname()[1]}"
        dead = S3Store(
            "plog",
            endpoint=endpoint,
            access_key_id="plog",
            secret_access_key="plog-secret",
            client_options={"allow_http": True},
            retry_config={"max_retries": 0},
        )
        store = Artifacts(dead, tmp_path)
        with pytest.raises(Unavailable):
            await store.size("a")
        with pytest.raises(Unavailable):
            await store.complete("a", sha256=digest(b""), size=0)


async def test_a_full_disk_is_unavailable(tmp_path: Path) -> None:
    store = open_artifacts(str(tmp_path / "artifacts"), staging=tmp_path)
    shutil.rmtree(tmp_path / "artifacts" / ".staging")
    (tmp_path / "artifacts" / ".staging").write_text("no folder")
    with pytest.raises(Unavailable):
        await store.append("a", 0, stream(b"x"))


@pytest.mark.parametrize("url", ["ftp://host/x", "s3://", "http://host/"])
def test_a_wrong_url_is_one_sentence(url: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidArtifactsUrl, match="PLOG_ARTIFACTS__URL"):
        open_artifacts(url, staging=tmp_path)


def test_an_unknown_option_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InvalidArtifactsUrl, match="PLOG_ARTIFACTS__URL"):
        open_artifacts("s3://plog", staging=tmp_path, options={"colour": "blue"})


async def test_a_folder_is_removed_and_nothing_beside_it(store: Artifacts) -> None:
    locations = ["reports/1/a.html", "reports/1/b/c.md", "reports/12/a.html", "other/1"]
    for location in locations:
        await store.append(location, 0, stream(b"x"))
        await store.complete(location, sha256=hashlib.sha256(b"x").hexdigest(), size=1)
    for _ in range(2):
        await store.remove("reports/1")
        assert [await store.size(each) for each in locations] == [None, None, 1, 1]
    await store.append("reports/1/a.html", 0, stream(b"y"))
    await store.complete("reports/1/a.html", sha256=hashlib.sha256(b"y").hexdigest(), size=1)
    with pytest.raises(ValidationFailed):
        await store.remove("../reports")
