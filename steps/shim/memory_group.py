"""A memory limit that the kernel holds: a control group of the attempt's own, where this process may make one.

Version 2 needs a parent that is delegated to us (systemd: `Delegate=yes` and `DelegateSubgroup=`, or a user's own manager);
version 1 needs only a writable group. Where neither is to be had, `create` gives None and memory is watched instead.
Sources: the kernel's `admin-guide/cgroup-v2` and `cgroup-v1/memory`, systemd's "Control Group APIs and Delegation".
"""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

MOUNTS = Path("/proc/self/mountinfo")
MEMBERSHIPS = Path("/proc/self/cgroup")


class _Version(NamedTuple):
    limit: str
    events: str


VERSIONS = {1: _Version("memory.limit_in_bytes", "memory.oom_control"), 2: _Version("memory.max", "memory.events")}


@dataclass(frozen=True, slots=True)
class MemoryGroup:
    """A control group with a memory limit; `version` is 1 or 2."""

    path: Path
    version: int

    @classmethod
    def create(cls, name: str, limit_bytes: int) -> "MemoryGroup | None":
        """A new group of that name with that limit in bytes; None where this process may not make one."""
        for version, parent in _parents(MOUNTS, MEMBERSHIPS):
            group = cls(parent / name, version)
            if _is_usable(version, parent) and group._make(limit_bytes):
                return group
        return None

    def enter(self) -> None:
        """Move the calling process in. Only system calls, so that a child may do it between fork and exec."""
        descriptor = os.open(self.path / "cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)
        os.write(descriptor, b"0")
        os.close(descriptor)

    def process_ids(self) -> list[int]:
        """The processes inside."""
        try:
            return [int(pid) for pid in (self.path / "cgroup.procs").read_text().split()]
        except OSError:
            return []

    def has_killed(self) -> bool:
        """Whether the kernel killed a process of the group for its memory."""
        with suppress(OSError):
            for line in (self.path / VERSIONS[self.version].events).read_text().splitlines():
                name, _, count = line.partition(" ")
                if name == "oom_kill":
                    return int(count) > 0
        return False

    def remove(self) -> None:
        """Remove the group; it stays, empty of use, while a process can't be ended."""
        with suppress(OSError):
            self.path.rmdir()

    def _make(self, limit_bytes: int) -> bool:
        try:
            self.path.mkdir(exist_ok=True)
            (self.path / VERSIONS[self.version].limit).write_text(str(limit_bytes))
        except OSError:
            self.remove()
            return False
        return True


def _parents(mounts: Path, memberships: Path) -> list[tuple[int, Path]]:
    """Where a group could be made: version 1 below our own group, version 2 beside it.

    In version 2 a group that hands out memory may hold no processes, so it can't be the one we are in.
    """
    own: dict[int, str] = {}
    with suppress(OSError):
        for line in memberships.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers == "":
                own[2] = path
            elif "memory" in controllers.split(","):
                own[1] = path
    found = []
    for version, root, point in _hierarchies(mounts):
        inside = own.get(version)
        if inside is not None and Path(inside).is_relative_to(root):
            group = point / Path(inside).relative_to(root)
            if version == 1:
                found.append((1, group))
            elif group != point:
                found.append((2, group.parent))
    return sorted(found)


def _hierarchies(mounts: Path) -> list[tuple[int, str, Path]]:
    """(version, root inside the hierarchy, mount point) of the hierarchies that can hold memory; fields as in proc(5)."""
    found = []
    with suppress(OSError):
        for line in mounts.read_text().splitlines():
            before, _, after = line.partition(" - ")
            root, point = before.split()[3:5]
            kind, _, options = after.split()[:3]
            if kind == "cgroup2":
                found.append((2, root, Path(point)))
            elif kind == "cgroup" and "memory" in options.split(","):
                found.append((1, root, Path(point)))
    return found


def _is_usable(version: int, parent: Path) -> bool:
    if not os.access(parent, os.W_OK):
        return False
    if version == 1:
        return True
    if os.geteuid() == 0 and not _is_delegated(parent):  # root may write everywhere; that does not make it ours
        return False
    control = parent / "cgroup.subtree_control"
    with suppress(OSError):
        if "memory" not in control.read_text().split():
            control.write_text("+memory")
        return True
    return False


def _is_delegated(group: Path) -> bool:
    """Whether systemd marked the group as handed over."""
    for attribute in ("trusted.delegate", "user.delegate"):
        with suppress(OSError):
            if os.getxattr(group, attribute) == b"1":
                return True
    return False
