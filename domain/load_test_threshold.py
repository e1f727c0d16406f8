"""What has to hold of a run of a load test for it to pass, and whether it does.

PLOG judges, by the windows of a run: set-up and login are in none of it. See docs/adr/0019-plog-judges-thresholds.md.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from domain.histogram import Histogram
from domain.k6_threshold import FAILURES, REQUESTS, TIMES, percentile_at_most, rate_at_least, rate_at_most
from domain.load_test import LoadTestDefinition, Scenario
from domain.metric_window import SET_UP, MetricWindow


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """What was to hold of a scenario (None: of all together), in k6's words.

    `value` is what was measured: of `http_req_duration` the percentile in milliseconds, of `http_req_failed` the share from 0 to
    1, of `http_reqs` requests a second. It is None, as is `is_met`, where no request was completed; alone where k6 judged it.
    """

    scenario: str | None
    metric: str
    condition: str
    value: float | None
    is_met: bool | None


def thresholds_of(
    definition: LoadTestDefinition, windows: Sequence[MetricWindow] = (), seconds: float | None = None
) -> tuple[Threshold, ...]:
    """The thresholds of a definition, those of all scenarios together first.

    Args:
        definition: what was to hold.
        windows: all of a run; without, nothing is judged.
        seconds: how long the run was under load; None where there was none.
    """
    parts: dict[str, list[MetricWindow]] = defaultdict(list)
    for window in windows:
        if window.scenario != SET_UP:
            parts[window.scenario].append(window)
    together = [window for part in parts.values() for window in part]
    found = [*_of_answers(None, definition, together)]
    if definition.target_tps is not None:
        requests = sum(each.requests for each in together)
        value = requests / seconds if requests and seconds else None
        found.append(_threshold(None, REQUESTS, rate_at_least(definition.target_tps), value, definition.target_tps, least=True))
    for number, scenario in enumerate(definition.scenarios, 1):
        found += _of_answers(scenario.name, scenario, parts[f"s{number}"])
    return tuple(found)


def judged_by_k6(wanted: Iterable[Threshold], names: Mapping[str, str], metrics: Mapping[str, Any]) -> tuple[Threshold, ...]:
    """Thresholds with whether they were met, as k6's summary says it: so were runs judged before PLOG did it itself.

    Args:
        wanted: what had to hold.
        names: what the scenarios of the script (`s1`) are called.
        metrics: of the summary, by k6's name.
    """
    keys = {name: f"{{scenario:{key}}}" for key, name in names.items()}
    return tuple(
        replace(each, is_met=_is_met(metrics.get(each.metric + keys.get(each.scenario or "", ""), {}), each.condition))
        for each in wanted
    )


def _is_met(said: Mapping[str, Any], condition: str) -> bool | None:
    """What k6 says of a condition; without samples, of which it calls times and rates of errors met, nothing was judged.

    A counter, which has a rate, is a figure without them too.
    """
    is_idle = said.get("count") == 0 or said.get("passes") == 0 == said.get("fails")
    missed = said.get("thresholds")
    is_missed = missed.get(condition) if isinstance(missed, Mapping) else None
    return not is_missed if isinstance(is_missed, bool) and ("rate" in said or not is_idle) else None


def _of_answers(name: str | None, wanted: LoadTestDefinition | Scenario, windows: Sequence[MetricWindow]) -> Iterator[Threshold]:
    """What is wanted of the answers: of those in these windows."""
    if (most := wanted.response_time) is not None:
        (value,) = Histogram.merged(each.times for each in windows).percentiles([Fraction(str(wanted.percentile)) / 100])
        yield _threshold(name, TIMES, percentile_at_most(wanted.percentile, most), value, most)
    if (most := wanted.error_rate) is not None:
        requests = sum(each.requests for each in windows)
        value = sum(each.failed for each in windows) / requests if requests else None
        yield _threshold(name, FAILURES, rate_at_most(most), value, most)


def _threshold(
    scenario: str | None, metric: str, condition: str, value: float | None, limit: float, *, least: bool = False
) -> Threshold:
    is_met = None if value is None else value >= limit if least else value <= limit
    return Threshold(scenario=scenario, metric=metric, condition=condition, value=value, is_met=is_met)
