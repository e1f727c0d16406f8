"""Limits of control groups, of both versions, where the nearest is not the least."""

from pathlib import PurePosixPath

import pytest

from domain.control_group import ROOT, limits_of


@pytest.mark.parametrize(
    ("lines", "files", "expected"),
    [
        ("0::/a/b", {"a/cpu.max": "150000 100000", "a/b/cpu.max": "max 100000", "a/b/memory.max": "5000"}, (1500, 5000)),
        ("0::/a/b", {"a/memory.max": "3000", "a/b/memory.max": "5000"}, (None, 3000)),
        ("0::/", {}, (None, None)),
        (
            "4:memory:/m\n3:cpu,cpuacct:/c\n0::/",
            {"memory/m/memory.limit_in_bytes": "7000", "cpu/c/cpu.cfs_quota_us": "50000", "cpu/c/cpu.cfs_period_us": "100000"},
            (500, 7000),
        ),
        (
            "4:memory:/m\n3:cpu:/c",
            {
                "memory/m/memory.limit_in_bytes": "9223372036854771712",
                "cpu/c/cpu.cfs_quota_us": "-1",
                "cpu/c/cpu.cfs_period_us": "100000",
            },
            (None, None),
        ),
    ],
)
def test_the_least_limit_of_the_groups_and_those_around_them_counts(
    lines: str, files: dict[str, str], expected: tuple[int | None, int | None]
) -> None:
    def read(path: PurePosixPath) -> str:
        name = str(path.relative_to(ROOT))
        if name not in files:
            raise FileNotFoundError(name)
        return files[name] + "\n"

    assert limits_of(lines, read) == expected
