"""The clients that browsers use, run by the real Node: installed once for each lock file, each ended by its own pid."""

import asyncio
import hashlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from tests.services import missing, require_program

SOURCES = Path(__file__).parent / "node"
DOCUMENTS = Path(__file__).parent / "node_documents"
GITHUB_DOCUMENT = "node_modules/@octokit/openapi/generated/api.github.com.json"
MAX_LINE = 16 * 2**20
CACHE = Path(__file__).parents[2] / ".cache"


def installed_scripts() -> Path:
    """A folder with the scripts and what they need; `missing` where npm is not installed or reaches no registry."""
    require_program("node")
    return installed(SOURCES)


def github_document() -> Path:
    """GitHub's own OpenAPI document, 13 MB; `missing` as above. Of its package, 385 MB, nothing else is kept."""
    return installed(DOCUMENTS, GITHUB_DOCUMENT) / Path(GITHUB_DOCUMENT).name


def installed(sources: Path, kept: str | None = None) -> Path:
    """A folder with the files of `sources` and the packages of their lock; with the one file `kept` alone where that is given."""
    npm = require_program("npm")
    files = sorted(path for path in sources.iterdir() if path.is_file())
    digest = hashlib.sha256(b"".join(path.name.encode() + path.read_bytes() for path in files)).hexdigest()[:16]
    folder = CACHE / f"api-{sources.name}-{digest}"
    if folder.is_dir():
        return folder
    CACHE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="installing-", dir=CACHE) as name:
        fresh = Path(name) / "scripts"
        fresh.mkdir()
        for path in files:
            shutil.copy(path, fresh)
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(command, cwd=fresh, capture_output=True, text=True, timeout=110, check=False)
        if done.returncode != 0:
            missing(f"what tests/api/{sources.name} needs ({done.stderr.strip().splitlines()[-1:]})")
        if kept is not None:
            whole, fresh = fresh, Path(name) / "kept"
            fresh.mkdir()
            (whole / kept).rename(fresh / Path(kept).name)
        # Renamed whole, so that another run never sees half of it; one that was faster has made the same.
        with suppress(OSError):
            fresh.rename(folder)
    return folder


class Program:
    """A running script that prints a JSON value a line."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def line(self, deadline: float = 20.0) -> Any:
        """The next value that it prints; None at its end."""
        assert self._process.stdout is not None
        async with asyncio.timeout(deadline):
            text = await self._process.stdout.readline()
        return json.loads(text) if text else None

    async def lines(self, deadline: float = 60.0) -> list[Any]:
        """All that it still prints."""
        printed = []
        while (line := await self.line(deadline)) is not None:
            printed.append(line)
        return printed

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it."""
        self._process.send_signal(number)

    async def until(self, key: str, deadline: float = 20.0) -> Any:
        """The next line that has `key`: the value there."""
        while (line := await self.line(deadline)) is not None:
            if key in line:
                return line[key]
        raise AssertionError(f"the program ended without {key}")


@asynccontextmanager
async def node(folder: Path, script: str, *arguments: str) -> AsyncIterator[Program]:
    """Run a script of `tests/api/node`; it is killed when the block ends before it."""
    environment = {**os.environ, "NO_COLOR": "1"}
    process = await asyncio.create_subprocess_exec(
        "node", script, *arguments, cwd=folder, stdout=asyncio.subprocess.PIPE, env=environment, limit=MAX_LINE
    )
    try:
        yield Program(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
