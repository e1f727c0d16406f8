"""A step of a team's own, standard library only: reports often and quickly, and leaves an artifact made from its inputs.

It starts a process in a group of its own, without the attempt's mark, and does not end it: that is the shim's to do.

Usage: quick_step.py REPORTS SECONDS
"""

import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path


def main(count: int, seconds: float) -> None:
    document = json.loads(Path(os.environ["PLOG_INPUT"]).read_text())
    job, tasks = document["job"], document["job"]["tasks"]
    subprocess.Popen(["sleep", "600"], env={"PATH": os.environ["PATH"]}, process_group=0)
    with Path(os.environ["PLOG_REPORTS"]).open("a", buffering=1) as reports:

        def report(**line: object) -> None:
            reports.write(json.dumps(line) + "\n")

        print(f"{job['type']} has {len(document['inputs'])} inputs", flush=True)
        for task in tasks:
            report(task=task, status="RUNNING")
            for number in range(count):
                report(task=task, point={"number": number}, progress=number / count)
                time.sleep(seconds / count / len(tasks))
            report(task=task, status="SUCCEEDED")
        names = sorted(path.name for path in Path(os.environ["PLOG_INPUTS"]).iterdir())
        digest = hashlib.sha256(b"".join((Path(os.environ["PLOG_INPUTS"]) / name).read_bytes() for name in names))
        name = f"{job['type'].lower()}.txt"
        (Path(os.environ["PLOG_OUTPUT"]) / name).write_text(f"{job['type']} {digest.hexdigest()}\n")
        report(artifact={"name": name, "mediaType": "text/plain", "inputs": names})
        report(metadata={"done": True})
        print("done", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
