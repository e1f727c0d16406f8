"""How a run of a load test is judged when its generator has ended, and why."""

from collections.abc import Callable, Sequence

from domain.attempt import Cause, Ending
from domain.executor import ARRIVAL_RATE
from domain.load_test_run import REFUSED_REPORTS, Counts, LoadTestRun, RunStatus
from domain.load_test_threshold import Threshold

MISSED_SHARE = 0.05  # of the iterations that an arrival rate makes, or of requests that were begun
DROPPED_SHARE = 0.01  # of the iterations that were due: k6 drops some while it makes the VUs that it was promised
BUSY_SHARE = 0.9  # of the processors that k6 may use, over ten seconds
LEAST_STEP = 1.0  # seconds by which a clock was set


def verdict(run: LoadTestRun, ending: Ending, counts: Counts) -> tuple[RunStatus, str]:
    """How a run whose generator has ended, with its thresholds judged, is judged itself, and why, for people.

    Of several the first of ERROR, ABORTED, INVALID, FAILED, PASSED applies: a run that broke says nothing, one that was stopped
    has figures of a part of it, and figures that can't be trusted can't miss anything.
    """
    status, message = _judgement(run, ending, counts)
    refused = _refused(run, counts)
    if refused and status is not RunStatus.INVALID:
        message += f" {refused}"
    return status, message + _clock_was_set(run)


def _judgement(run: LoadTestRun, ending: Ending, counts: Counts) -> tuple[RunStatus, str]:
    is_stopped = bool(run.summary.get("stopped", run.status is RunStatus.STOPPING))
    if ending.cause not in (None, Cause.CANCELLED) or (ending.exit_code != 0 and not is_stopped):
        return RunStatus.ERROR, ending.message or f"The load generator ended with exit code {ending.exit_code}."
    if is_stopped:
        return RunStatus.ABORTED, run.message or "Stopped before its end."
    if reason := next(filter(None, (doubt(run, counts) for doubt in DOUBTS)), None):
        return RunStatus.INVALID, reason
    return _judged(run.thresholds, _unbegun(run, counts))


def _judged(thresholds: Sequence[Threshold], remark: str) -> tuple[RunStatus, str]:
    if missed := [each for each in thresholds if not each.is_met]:
        return RunStatus.FAILED, f"{len(missed)} of {len(thresholds)} thresholds were missed.{remark}"
    said = "All thresholds were met." if thresholds else "It ran to its end; nothing was judged."
    return RunStatus.PASSED, said + remark


def _unbegun(run: LoadTestRun, counts: Counts) -> str:
    """A remark on iterations of a fixed number for which the time was too short; the API, not the generator, took it."""
    found = [
        f" {counts.dropped[key]} iterations of {scenario.name!r} did not begin within its maxDuration."
        for key, scenario in zip(run.names, run.definition.scenarios, strict=True)
        if counts.dropped.get(key) and scenario.executor.kind not in ARRIVAL_RATE
    ]
    return "".join(found)


def _clock_was_set(run: LoadTestRun) -> str:
    """A remark on windows that can't be right; corrections of less than a second are ordinary."""
    back, forward = (run.said(each) or 0 for each in ("clockBack", "clockForward"))
    told = ""
    if back >= LEAST_STEP:
        told += f" The clock of k6's machine went back by {back:.0f} s: windows overlap, or lie before the run's begin."
    if forward >= LEAST_STEP:
        told += (
            f" The clock of k6's machine went forward by {forward:.0f} s, as it was set or the machine slept: windows of that "
            "time are without load, or there aren't any."
        )
    return told


def _refused(run: LoadTestRun, _counts: Counts) -> str | None:
    refused = int(run.said(REFUSED_REPORTS) or 0)
    return f"{refused} reports of its load generator made no sense and were refused: figures are missing." if refused else None


def _without_summary(run: LoadTestRun, _counts: Counts) -> str | None:
    return "k6 came to no summary, so that its count of requests can't be compared." if run.k6_requests is None else None


def _counts_differ(run: LoadTestRun, counts: Counts) -> str | None:
    counted = run.k6_requests or 0
    if counted == counts.requests:
        return None
    return f"{counts.requests} requests are stored, and k6 counted {counted}: {abs(counted - counts.requests)} off."


def _unread(run: LoadTestRun, _counts: Counts) -> str | None:
    return f"{run.summary['unread']} of k6's samples could not be read." if run.summary.get("unread") else None


def _saturated(run: LoadTestRun, counts: Counts) -> str | None:
    missed = _load_missed(run, counts)
    return f"The load generator was saturated: {missed}" if missed else None


def _load_missed(run: LoadTestRun, counts: Counts) -> str | None:
    """Why the load was not the one that was asked for; None where it was, as far as that can be seen."""
    at_rates = {
        key: scenario
        for key, scenario in zip(run.names, run.definition.scenarios, strict=True)
        if scenario.executor.kind in ARRIVAL_RATE
    }
    dropped, done = (sum(of.get(key, 0) for key in at_rates) for of in (counts.dropped, counts.iterations))
    if dropped > DROPPED_SHARE * (dropped + done):
        return (
            f"{dropped} of {dropped + done} iterations had no virtual user that was free, and were dropped. Answers took longer "
            "than the VUs allow for: give more VUs, from the start (preAllocatedVUs), or ask for less."
        )
    for key, scenario in at_rates.items():
        planned = scenario.executor.planned_iterations or 0
        done = counts.iterations.get(key, 0)
        unfinished = run.said("interrupted")
        unfinished = scenario.executor.most_vus if unfinished is None else unfinished
        if planned - done - unfinished > MISSED_SHARE * planned:
            return f"{done} of {planned} iterations of {scenario.name!r} were done; k6 did not begin the others in time."
    busiest = run.said("cpuBusiest")
    if busiest is not None and busiest >= BUSY_SHARE:
        return f"k6 used {busiest:.0%} of the processors that it may use. Ask for less, or give it more."
    return None


def _without_requests(_run: LoadTestRun, counts: Counts) -> str | None:
    return "No request was completed." if counts.requests == 0 else None


def _asleep(run: LoadTestRun, counts: Counts) -> int:
    """How many iterations the end interrupted in their pause: they waited for no answer any more."""
    thinking = [key for key, each in zip(run.names, run.definition.scenarios, strict=True) if each.think_time[1] > 0]
    return max(run.k6_pauses - sum(counts.iterations.get(key, 0) for key in thinking), 0)


def _interrupted(run: LoadTestRun, counts: Counts) -> str | None:
    interrupted = int(run.said("interrupted") or 0) - _asleep(run, counts)
    if interrupted <= MISSED_SHARE * (counts.requests + interrupted):
        return None
    return (
        f"{interrupted} iterations were interrupted at the end, in a request that had no answer yet, and {counts.requests} "
        "requests were completed. Allow a longer gracefulStop, or a shorter timeout."
    )


def _unjudged(run: LoadTestRun, _counts: Counts) -> str | None:
    unknown = [each for each in run.thresholds if each.is_met is None]
    if not unknown:
        return None
    names = ", ".join(dict.fromkeys("any scenario" if each.scenario is None else repr(each.scenario) for each in unknown))
    how_many = f"{len(unknown)} of {len(run.thresholds)} thresholds"
    return f"{how_many} have nothing to judge: no request of {names} was completed under load."


DOUBTS: tuple[Callable[[LoadTestRun, Counts], str | None], ...] = (  # why figures can't be trusted; the first is told
    _refused,
    _without_summary,
    _counts_differ,
    _unread,
    _saturated,
    _without_requests,
    _interrupted,
    _unjudged,
)
