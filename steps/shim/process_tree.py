"""Which processes belong to an attempt, and ending them for certain: also those that left their group or their parent.

Standard library only. On Linux it reads /proc; elsewhere the readers find nothing and only process groups can be ended. No
signal goes to a process id alone, because ids are reused: a process is named by its id and its start time.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

MARKER = "PLOG_ATTEMPT"
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
IS_LINUX = sys.platform == "linux"
PROC = Path("/proc")
GONE = (FileNotFoundError, ProcessLookupError, NotADirectoryError)
_prctl = ctypes.CDLL(None, use_errno=True).prctl if IS_LINUX else None


@dataclass(frozen=True, slots=True)
class Process:
    """One process. `start` is its start time in clock ticks since boot; `group` and `session` are ids of their leaders.

    `is_over`: nothing of it runs any more, only its parent has not collected it yet.
    """

    pid: int
    parent: int
    group: int
    session: int
    start: int
    is_over: bool

    @property
    def identity(self) -> str:
        """A name that no other process ever has: id, start time and boot."""
        return f"{self.pid} {self.start} {boot_id()}"


def boot_id() -> str:
    """The kernel's name for the time since the last boot; empty where it has none."""
    with suppress(OSError):
        return (PROC / "sys/kernel/random/boot_id").read_text().strip()
    return ""


def process(pid: int) -> Process | None:
    """The process with that id; None where there is none or the platform can't tell."""
    try:
        stat = (PROC / str(pid) / "stat").read_bytes()
    except GONE:
        return None
    fields = stat[stat.rindex(b")") + 2 :].split()  # the name before may hold blanks and parentheses; see proc(5)
    parent, group, session = (int(field) for field in fields[1:4])
    # A first thread that ended before the others looks like a zombie too, but then there are more threads.
    is_over = fields[0] in (b"Z", b"X") and int(fields[17]) <= 1
    return Process(pid, parent, group, session, int(fields[19]), is_over)


def processes() -> Iterator[Process]:
    """Every process that can be seen and is not over."""
    if not IS_LINUX:
        return
    for entry in PROC.iterdir():
        if entry.name.isdecimal() and (found := process(int(entry.name))) is not None and not found.is_over:
            yield found


def descendants(pid: int) -> list[Process]:
    """The children of `pid`, their children and so on, by one pass over all processes."""
    children: dict[int, list[Process]] = {}
    for each in processes():
        children.setdefault(each.parent, []).append(each)
    found: list[Process] = []
    pending = [pid]
    while pending:
        below = children.pop(pending.pop(), [])
        found += below
        pending += [each.pid for each in below]
    return found


def tree_ids(pid: int) -> list[int]:
    """The ids below `pid` by the kernel's lists of children.

    Cheap enough to ask several times a second; it may miss a process whose sibling ends at that moment, so it serves for
    measuring, not for ending.
    """
    found: list[int] = []
    pending = [pid]
    while pending:
        tasks = PROC / str(pending.pop()) / "task"
        with suppress(*GONE):
            for task in tasks.iterdir():
                below = [int(child) for child in (task / "children").read_text().split()]
                found += below
                pending += below
    return found


def marked(attempt: str) -> list[Process]:
    """The processes that were started with the attempt's name as `MARKER` in their environment, this one excepted."""
    wanted = f"{MARKER}={attempt}".encode()
    found = []
    for each in processes():
        with suppress(*GONE, PermissionError):
            environment = (PROC / str(each.pid) / "environ").read_bytes()
            if wanted in environment.split(b"\0") and each.pid != os.getpid():
                found.append(each)
    return found


def session_of(leader: str, folder: Path) -> list[Process]:
    """The session led by the process with that identity, which worked in `folder`: its group and all groups made since.

    Once the leader is gone its id may name a foreign session; then only those count that work in the folder or write to it.
    """
    pid = int(leader.split(" ", 1)[0])
    found = process(pid)
    members = [each for each in processes() if each.session == pid]
    if found is not None and found.identity == leader:
        return members
    return [each for each in members if _is_inside(each.pid, folder)]


def _is_inside(pid: int, folder: Path) -> bool:
    for link in ("cwd", "fd/1"):
        with suppress(*GONE, PermissionError):
            if (PROC / str(pid) / link).readlink().is_relative_to(folder):
                return True
    return False


def resident_bytes(pids: Iterable[int]) -> int:
    """Resident memory summed over the processes; pages that several share count for each of them."""
    page = os.sysconf("SC_PAGE_SIZE")
    total = 0
    for pid in pids:
        with suppress(*GONE):
            total += int((PROC / str(pid) / "statm").read_bytes().split()[1]) * page
    return total


def proportional_bytes(pids: Iterable[int]) -> int:
    """Resident memory summed over the processes, a shared page counted once (Pss); slower than `resident_bytes`."""
    total = 0
    for pid in pids:
        with suppress(*GONE, PermissionError):
            for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
    return total


def kill(target: Process) -> None:
    """SIGKILL that very process; nothing where it is gone. A descriptor of the process rules out that its id is reused."""
    with suppress(ProcessLookupError):
        if not hasattr(os, "pidfd_open"):
            _kill_if_same(target, lambda: os.kill(target.pid, signal.SIGKILL))
            return
        descriptor = os.pidfd_open(target.pid)
        try:
            _kill_if_same(target, lambda: signal.pidfd_send_signal(descriptor, signal.SIGKILL))
        finally:
            os.close(descriptor)


def _kill_if_same(target: Process, send: Callable[[], None]) -> None:
    current = process(target.pid)
    if current is not None and current.start == target.start:
        send()


def become_subreaper() -> None:
    """Make orphans among this process's descendants its children, so that a daemon started by a step is still seen and reaped."""
    if _prctl is not None and _prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER) failed")


def die_with_parent(parent: int) -> None:
    """In a new child: be killed when the thread that forked it ends. `parent` is the id of the process that forked.

    Ends the child at once where the parent died before the request took effect.
    """
    if _prctl is not None:
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
