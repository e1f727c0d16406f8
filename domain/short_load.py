"""Whether a planned load lasts long enough for what is to be told of its run afterwards."""

from collections.abc import Iterator

from domain import saturation
from domain.executor import RAMPING
from domain.load_profile import SETTLING
from domain.load_test import LoadTestDefinition
from domain.long_run import LEAST_WINDOWS

ENDS = 2  # the first and the last window of a load, of which it fills a part
COMPARED = LEAST_WINDOWS + ENDS
SATURATED = saturation.LEAST_WINDOWS + ENDS
WORSE = 2 * LEAST_WINDOWS + ENDS + SETTLING


def short_load(definition: LoadTestDefinition, window_seconds: int) -> list[str]:
    """What a run of the definition is too short for, in one sentence; none where it is long enough for all.

    It says nothing of scenarios by themselves, nor of how the load goes within its time, and takes iterations for as slow as
    they may be.
    """
    executors = [each.executor for each in definition.scenarios]
    seconds = max(each.start_time + each.seconds for each in executors) - min(each.start_time for each in executors)
    rises = any(each.kind in RAMPING for each in executors)
    needs = [(windows * window_seconds, purpose) for windows, purpose in _needs(rises=rises)]
    wanted = [f"{needed} s {purpose}" for needed, purpose in needs if seconds < needed]
    if not wanted:
        return []
    return [f"The load lasts at most {seconds:g} s; with windows of {window_seconds} s it takes {', '.join(wanted)}."]


def _needs(*, rises: bool) -> Iterator[tuple[int, str]]:
    """So many windows, and what for. Where load may rise, saturation is looked for, else what becomes worse while it does not."""
    yield COMPARED, "to be compared with other runs or to have its error rate analysed"
    if rises:
        yield SATURATED, "for an analysis to find where more load stops bringing TPS"
    else:
        yield WORSE, "for an analysis to tell whether response times grow or TPS falls"
