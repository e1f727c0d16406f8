"""Folding a whole history again: time and memory of the command that a person runs."""

import asyncio
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.data import running_kit
from persistence.unit_of_work import Database

EVENTS_A_KIT = 2_000
WHOLE = re.compile(r"(\d+) kits, (\d+) events, (\d+) differences")


async def rebuild(database: Database, url: str, home: Path, events: int) -> dict[str, Any]:
    """Fill up with kits of 2,000 events, then run `plog rebuild-projection` as a process of its own."""
    for _ in range(events // EVENTS_A_KIT):
        await running_kit(database, "rebuild", EVENTS_A_KIT)
    environment = {**os.environ, "PLOG_DATABASE__URL": url, "PLOG_HOME": str(home)}
    command = [str(Path(sys.executable).with_name("plog")), "rebuild-projection"]
    code, printed, seconds, peak = await asyncio.to_thread(_run, command, environment)
    found = WHOLE.search(printed)
    if found is None:
        raise AssertionError(printed[-4000:])
    kits, folded, differences = map(int, found.groups())
    return {
        "kits": kits,
        "events": folded,
        "differences": differences,
        "seconds": round(seconds, 1),
        "peak memory (MB)": round(peak / 1e6),
        "holds": code == 0 and differences == 0 and folded >= events,
    }


def _run(command: list[str], environment: dict[str, str]) -> tuple[int, str, float, int]:
    """Exit code, what was printed, seconds, and the largest resident memory in bytes."""
    with tempfile.TemporaryFile("w+") as output:
        began = time.monotonic()
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - began
        output.seek(0)
        return os.waitstatus_to_exitcode(status), output.read(), seconds, usage.ru_maxrss * 1024
