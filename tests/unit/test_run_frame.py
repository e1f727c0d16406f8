"""Frames of a run for one who watches it: what is complete, what waits, what comes late, what silence shows."""

from dataclasses import replace

from domain.load_test_run import LoadTestRun, RunStatus
from domain.metric_window import MetricWindow
from domain.query import MetricsInclude
from domain.resource_usage import PodSpecs, ResourceUsage
from domain.run_frame import SILENT_SECONDS, RunFrame, RunFrames, RunNews
from domain.run_queue import Wait, WaitReason
from tests.synthetic_runs import AT, BEGIN, SECONDS, load_test_run

RUNNING = load_test_run(status=RunStatus.RUNNING)
SOON = BEGIN + 1.0  # nothing is missed yet
Shown = tuple[str, list[int], list[int]]
ALL, K6, PODS = MetricsInclude.ALL, MetricsInclude.K6_ONLY, MetricsInclude.RESOURCES_ONLY


def told(*places: int, requests: int = 1) -> list[MetricWindow]:
    made = [MetricWindow(BEGIN + place * SECONDS, "s1", 1) for place in places]
    for window in made:
        for _ in range(requests):
            window.times.add(10.0)
    return made


def used(*places: int, number: int = 1) -> list[ResourceUsage]:
    return [
        ResourceUsage(
            start=BEGIN + place * SECONDS, pod="api", sampled_at=AT, cpu_millicores=5.0, memory_bytes=1, specs=PodSpecs(), id=id
        )
        for id, place in enumerate(places, number)
    ]


def shown(frame: RunFrame) -> Shown:
    """What kind it is, and, counted from the run's first, the windows of k6 in it and those in which pods were measured."""
    kinds = {"snapshot": frame.is_snapshot, "revision": frame.is_revision, "end": frame.is_end}
    starts = [at.timestamp() for each in frame.series[:1] for at in each.window_start]
    pods = [(at.timestamp(), usage) for each in frame.pods for at, usage in zip(each.window_start, each.usages, strict=True)]
    measured = [start for start, usage in pods if usage is not None and usage.start == start]
    k6, of_pods = ([round(start - BEGIN) // SECONDS for start in each] for each in (starts, measured))
    return " ".join(kind for kind, is_so in kinds.items() if is_so), k6, of_pods


def later(frames: RunFrames, news: RunNews, *, run: LoadTestRun = RUNNING, now: float = SOON) -> list[Shown]:
    return [shown(each) for each in frames.of(run, news, now)]


def test_pods_wait_for_what_k6_says_of_the_same_window() -> None:
    frames = RunFrames(RUNNING, ALL)
    assert shown(frames.snapshot(RunNews(told(0), used(0, 1)), None, SOON)) == ("snapshot", [0], [0])
    assert later(frames, RunNews(usages=used(2, number=3))) == [] and frames.last_usage == 3
    assert later(frames, RunNews(told(1))) == [("", [1], [1])]
    assert later(frames, RunNews(told(4))) == [("", [2, 3, 4], [2])], "windows follow one another, also without an answer"


def test_what_was_sent_of_a_pod_is_carried_on_and_what_came_late_for_an_earlier_window_is_not() -> None:
    for after in (None, BEGIN + SECONDS):
        for late in ([], used(0, number=3)):
            frames = RunFrames(RUNNING, ALL)
            frames.snapshot(RunNews(told(0, 1), used(0, 1)), after, SOON)
            assert later(frames, RunNews(usages=late)) == [("revision", [], [0])] * len(late)
            (frame,) = frames.of(RUNNING, RunNews(told(2)), SOON)
            (usage,) = frame.pods[0].usages
            assert usage is not None and (usage.start, usage.id) == (BEGIN + SECONDS, 2), (after, late)


def test_who_asks_for_k6_alone_gets_no_pods_and_an_ended_run_shows_all_of_them() -> None:
    alone = RunFrames(RUNNING, K6)
    assert alone.snapshot(RunNews(told(0), used(0)), None, SOON).pods == ()
    ended = RunFrames(load_test_run(status=RunStatus.PASSED), ALL)
    assert shown(ended.snapshot(RunNews(told(0), used(2, 1)), None, SOON)) == ("snapshot end", [0, 1, 2], [1, 2])


def test_with_resources_alone_nothing_waits_for_k6() -> None:
    frames = RunFrames(RUNNING, PODS)
    assert shown(frames.snapshot(RunNews(usages=used(0)), None, SOON)) == ("snapshot", [], [0])
    assert later(frames, RunNews(usages=used(1, number=2))) == [("", [], [1])]


def test_what_comes_late_is_a_revision_of_its_own_side_and_in_a_row() -> None:
    frames = RunFrames(RUNNING, ALL)
    frames.snapshot(RunNews(told(0, 1, 2, 3, 4), used(4)), None, SOON)
    assert later(frames, RunNews(told(0, 1, 3, 5, requests=2), used(2, number=2))) == [
        ("revision", [0, 1], []),
        ("revision", [3], []),
        ("revision", [], [2]),
        ("", [5], []),
    ]


def test_silence_is_shown_while_it_runs() -> None:
    frames = RunFrames(RUNNING, K6)
    frames.snapshot(RunNews(told(0)), None, SOON)
    over = BEGIN + 2 * SECONDS + SILENT_SECONDS  # of the window after the first
    assert later(frames, RunNews(), now=over - 1) == []
    assert later(frames, RunNews(), now=over) == [("", [1], [])]
    stopping = replace(RUNNING, status=RunStatus.STOPPING, version=RUNNING.version + 1)
    assert later(frames, RunNews(), run=stopping, now=over + 60) == [("", [], [])], "it is not k6's silence any more"


def test_who_goes_on_from_a_window_gets_what_begins_after_it() -> None:
    frames = RunFrames(RUNNING, ALL)
    news = RunNews(told(0, 2, 3), used(1, 2))
    assert shown(frames.snapshot(news, BEGIN + SECONDS, SOON)) == ("snapshot", [2, 3], [2])
    assert later(frames, RunNews(told(1))) == [("revision", [1], [])]
    ahead = RunFrames(RUNNING, ALL)
    assert shown(ahead.snapshot(RunNews(told(0)), BEGIN + 2 * SECONDS + 1, SOON)) == ("snapshot", [], [])
    assert later(ahead, RunNews(told(1, 2, 3))) == [("revision", [1, 2], []), ("", [3], [])]


def test_a_change_of_the_run_or_of_what_it_waits_for_is_a_frame_of_its_own_once() -> None:
    queued = load_test_run(status=RunStatus.QUEUED)
    second, first = (RunNews(wait=Wait(place, WaitReason.TARGET)) for place in (2, 1))
    for after in (None, BEGIN):
        frames = RunFrames(queued, ALL)
        frames.snapshot(second, after, SOON)
        assert later(frames, second, run=queued) == [], after
        assert later(frames, first, run=queued) == [("", [], [])]
        changed = replace(RUNNING, version=queued.version + 1)
        assert later(frames, RunNews(), run=changed) == [("", [], [])]
        ended = replace(RUNNING, status=RunStatus.PASSED, version=queued.version + 2)
        assert later(frames, RunNews(told(0), used(0)), run=ended) == [("end", [0], [0])]
