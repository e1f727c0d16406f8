"""Folding a whole history again: time and memory of the command that a person runs."""

import asyncio
import os
import re
import resource
import subprocess
import sys
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
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    began = time.monotonic()
    done = await asyncio.to_thread(subprocess.run, command, env=environment, capture_output=True, text=True, check=False)
    elapsed = time.monotonic() - began
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    found = WHOLE.search(done.stdout)
    if found is None:
        raise AssertionError(done.stdout[-2000:] + done.stderr[-2000:])
    kits, folded, differences = map(int, found.groups())
    return {
        "kits": kits,
        "events": folded,
        "differences": differences,
        "seconds": round(elapsed, 1),
        "peak memory (MB)": round(max(before, peak) * 1024 / 1e6),
        "holds": done.returncode == 0 and differences == 0 and folded >= events,
    }
