"""The k6 of this environment."""

import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

K6 = Path(sys.executable).parent / "k6"


async def inspect(script: str) -> dict[str, Any]:
    """What k6 reads from a script: its options, and what it would need to run it."""
    return dict(json.loads(await _done(script, "inspect", "--execution-requirements")))


async def run(script: str) -> None:
    """Have k6 run a script to its end."""
    await _done(script, "run", "--address", "", "--no-usage-report", "--quiet")


async def _done(script: str, *command: str) -> bytes:
    """What k6 says to a script, which is no error."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "script.js"
        path.write_text(script, "utf-8")
        pipe = asyncio.subprocess.PIPE
        done = await asyncio.create_subprocess_exec(str(K6), *command, str(path), stdout=pipe, stderr=pipe)
        output, errors = await done.communicate()
    assert done.returncode == 0, errors.decode()
    return output
