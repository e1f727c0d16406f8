"""What Linux's control groups, versions 1 and 2, let a process use.

Source: the kernel's Documentation/admin-guide/cgroup-v1 and cgroup-v2.rst, and cgroups(7).
"""

from collections.abc import Callable, Iterator
from pathlib import PurePosixPath

ROOT = PurePosixPath("/sys/fs/cgroup")
UNLIMITED = 1 << 60  # version 1 says "no limit" as the largest multiple of a page
Reader = Callable[[PurePosixPath], str]


def limits_of(groups: str, read: Reader) -> tuple[int | None, int | None]:
    """The least CPU (millicores) and memory (bytes) that these groups and those around them allow; None without a limit.

    Args:
        groups: the text of `/proc/<pid>/cgroup`.
        read: reads a file; its `OSError` means that there is none.
    """
    cpu, memory = [], []
    for line in groups.splitlines():
        _, controllers, path = line.split(":", 2)
        for name in controllers.split(",") if controllers else ["", "unified"]:
            for folder in _upwards(ROOT / name, path):
                cpu += _cpu_limit(folder, read)
                memory += _numbers(folder / "memory.max", read) + _numbers(folder / "memory.limit_in_bytes", read)
    limited = [each for each in memory if each < UNLIMITED]
    return min(cpu, default=None), min(limited, default=None)


def _upwards(root: PurePosixPath, path: str) -> Iterator[PurePosixPath]:
    folder = root / path.lstrip("/")
    while folder.is_relative_to(root):
        yield folder
        folder = folder.parent


def _cpu_limit(folder: PurePosixPath, read: Reader) -> list[int]:
    """The share of a period that its processes may run."""
    numbers = _numbers(folder / "cpu.max", read)
    numbers = numbers or (_numbers(folder / "cpu.cfs_quota_us", read) + _numbers(folder / "cpu.cfs_period_us", read))
    return [1000 * numbers[0] // numbers[1]] if len(numbers) == 2 and numbers[0] > 0 else []


def _numbers(file: PurePosixPath, read: Reader) -> list[int]:
    """The numbers in a file; none where it does not exist or says `max`."""
    try:
        words = read(file).split()
    except OSError:
        return []
    return [] if "max" in words else [int(word) for word in words]
