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
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "script.js"
        path.write_text(script, "utf-8")
        command = [str(K6), "inspect", "--execution-requirements", str(path)]
        done = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
        output, errors = await done.communicate()
    assert done.returncode == 0, errors.decode()
    return dict(json.loads(output))
