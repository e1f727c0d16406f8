"""Simulating checked netlists with ngspice: a process per point, with an empty home, a folder of its own and limits."""

import os
import re
import resource
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from domain.netlist import Netlist
from steps.child_processes import ChildProcesses, Stopped
from steps.evaluation import PointFailed
from steps.reports import StepFailed

PROGRAM = "ngspice"
MAX_OUTPUT_BYTES = 32 * 2**20
MAX_READ_BYTES = 4 * 2**20
MAX_MEMORY_BYTES = 4 * 2**30
MEASUREMENT = re.compile(
    r"^\s*([a-z_][a-z0-9_]*)\s*=\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)(?:\s|$)", re.MULTILINE | re.IGNORECASE
)
COMPLAINT = re.compile(r"^.*\b(?:error|fatal|failed|singular|too small|no convergence)\b.*$", re.MULTILINE | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Simulator:
    """Evaluates points by `ngspice -b -n`; `responses` are the measurements wanted, `seed` starts their random functions."""

    netlists: Mapping[str, Netlist]
    responses: Sequence[str]
    timeout_seconds: float
    seed: int
    folder: Path
    _children: ChildProcesses = field(default_factory=ChildProcesses)

    def __post_init__(self) -> None:
        """StepFailed where ngspice is not installed."""
        if shutil.which(PROGRAM) is None:
            raise StepFailed(f"{PROGRAM} is not installed on this machine; SPICE decks need it (Debian: apt-get install ngspice)")

    def evaluate(self, deck: str | None, inputs: Mapping[str, float]) -> dict[str, float]:
        """The responses of the deck with its parameters set to `inputs`; `PointFailed` with ngspice's own message."""
        values = {name.lower(): float(value) for name, value in inputs.items()}
        netlist = self.netlists[deck or ""]
        found: dict[str, float] = {}
        complaints: list[str] = []
        for analysis in netlist.analyses:
            with TemporaryDirectory(dir=self.folder, prefix="point-") as scratch:
                (Path(scratch) / "netlist.cir").write_text(netlist.text(analysis, values, self.seed), "ascii")
                out, err = self._simulated(Path(scratch))
            found |= {name.lower(): float(text) for name, text in MEASUREMENT.findall(out)}
            complaints += [line.strip() for line in COMPLAINT.findall(f"{err}\n{out}")]
        return self._wanted(found, complaints)

    def stop(self) -> None:
        """End all simulations."""
        self._children.stop()

    def _simulated(self, scratch: Path) -> tuple[str, str]:
        (scratch / "home").mkdir()
        with (scratch / "out").open("wb") as out, (scratch / "err").open("wb") as err:
            try:
                with self._children.start(
                    [PROGRAM, "-b", "-n", "netlist.cir"],
                    environment=_environment(scratch),
                    limits=self._limits(),
                    cwd=scratch,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=err,
                ) as process:
                    code = process.wait(self.timeout_seconds)
            except subprocess.TimeoutExpired as error:
                raise PointFailed(f"the simulation had no result after {self.timeout_seconds:g} s and was ended") from error
            except Stopped as error:
                raise PointFailed("the job was stopped before this simulation") from error
        said, complained = _beginning(scratch / "out"), _beginning(scratch / "err")
        if code != 0:
            ending = signal.Signals(-code).name if code < 0 else f"code {code}"
            complaints = [line.strip() for line in COMPLAINT.findall(f"{complained}\n{said}")]
            raise PointFailed(f"{PROGRAM} ended with {ending}: {' '.join(complaints[:3])}")
        return said, complained

    def _limits(self) -> dict[int, int]:
        return {
            resource.RLIMIT_FSIZE: MAX_OUTPUT_BYTES,
            resource.RLIMIT_CPU: int(self.timeout_seconds) + 2,
            resource.RLIMIT_AS: MAX_MEMORY_BYTES,
            resource.RLIMIT_CORE: 0,
        }

    def _wanted(self, measured: Mapping[str, float], complaints: list[str]) -> dict[str, float]:
        found = {name: measured[name.lower()] for name in self.responses if name.lower() in measured}
        missing = [name for name in self.responses if name not in found]
        if missing:
            about = [line for line in complaints if any(name.lower() in line.lower().split() for name in missing)] or complaints
            raise PointFailed(f"no value for {', '.join(missing)}: {' '.join(about[:3]) or 'ngspice does not say why'}", found)
        return found


def _environment(scratch: Path) -> dict[str, str]:
    # One thread each, since points run in parallel; the precision is that of .meas results.
    return {
        "HOME": str(scratch / "home"),
        "TMPDIR": str(scratch),
        "PATH": os.environ.get("PATH", os.defpath),
        "LC_ALL": "C",
        "OMP_NUM_THREADS": "1",
        "NGSPICE_MEAS_PRECISION": "12",
    }


def _beginning(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(MAX_READ_BYTES).decode("latin-1")
