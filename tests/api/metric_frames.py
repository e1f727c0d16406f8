"""What frames of `loadTestMetrics` say when they are put together, and whether they came in order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

METRICS = """subscription { loadTestMetrics(runId: "%s", include: %s) { isSnapshot isRevision isEnd run { status }
  series { scenario windowStart requests failed p95 vus }
  pods { pod windowStart usage { cpuPredicted } actualUsage { cpuMillicores memoryMb } } } }"""
INCLUDES = ("ALL", "K6_ONLY", "RESOURCES_ONLY")


def starts_of(part: Mapping[str, Any]) -> list[int]:
    """The seconds at which the windows of a series begin."""
    return [int(datetime.fromisoformat(each).timestamp()) for each in part["windowStart"]]


@dataclass
class SeenMetrics:
    """A run as one watcher knows it: by scenario (or pod) and start, what the last frame about each window said.

    `last` is the start of the last window, `replaced` what revisions took the place of.
    """

    include: str
    seconds: int
    frames: list[dict[str, Any]] = field(default_factory=list)
    windows: dict[tuple[str | None, int], dict[str, Any]] = field(default_factory=dict)
    usages: dict[tuple[str, int], dict[str, Any]] = field(default_factory=dict)
    replaced: list[tuple[dict[str, Any], dict[str, Any]]] = field(default_factory=list)
    last: int | None = None

    def take(self, frame: dict[str, Any]) -> None:
        """Take one frame in; fails where it can't follow those before."""
        assert frame["isSnapshot"] == (not self.frames), "the snapshot is the first frame, and no other is"
        assert not self.is_over, "nothing follows the end"
        assert not (frame["isSnapshot"] and frame["isRevision"])
        assert frame["isEnd"] <= (frame["run"]["status"] in ("PASSED", "ABORTED"))
        self.frames.append(frame)
        parts = [*frame["series"], *frame["pods"]]
        assert (self.include != "RESOURCES_ONLY") or not frame["series"]
        assert (self.include != "K6_ONLY") or not frame["pods"]
        starts = self._starts(parts)
        if frame["isRevision"]:
            assert starts and self.last is not None and starts[-1] <= self.last, "what is revised was sent before"
            assert bool(frame["series"]) != bool(frame["pods"])
        elif starts:
            assert self.last in (None, starts[0] - self.seconds), "windows follow one another without a hole"
            self.last = starts[-1]
        for series in frame["series"]:
            self._keep(self.windows, series["scenario"], starts, series, ("requests", "failed", "p95", "vus"))
        for pod in frame["pods"]:
            columns = {**pod["actualUsage"], **pod["usage"]}
            self._keep(self.usages, pod["pod"], starts, columns, tuple(columns))

    def _starts(self, parts: Sequence[Mapping[str, Any]]) -> list[int]:
        columns = [starts_of(part) for part in parts]
        if not columns:
            return []
        assert all(each == columns[0] for each in columns), "all that is in a frame is about the same windows"
        first = columns[0][0]
        assert columns[0] == list(range(first, first + self.seconds * len(columns[0]), self.seconds))
        return columns[0]

    def _keep(
        self, kept: dict[Any, dict[str, Any]], key: str | None, starts: list[int], part: Mapping[str, Any], names: Sequence[str]
    ) -> None:
        for place, start in enumerate(starts):
            said = {name: part[name][place] for name in names}
            if (key, start) in kept:
                self.replaced.append((kept[key, start], said))
            kept[key, start] = said

    @property
    def is_over(self) -> bool:
        """Whether the verdict is there."""
        return bool(self.frames) and bool(self.frames[-1]["isEnd"])

    @property
    def requests(self) -> dict[int, int]:
        """Of all scenarios together, by start."""
        return {start: said["requests"] for (scenario, start), said in self.windows.items() if scenario is None}
