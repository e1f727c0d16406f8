"""CPU and memory as columns: what was not measured is carried forward for a while, and said to be so."""

from datetime import UTC, datetime

import pytest

from domain.resource_usage import PodSpecs, ResourceUsage, percent, resource_series

AT = datetime(2026, 1, 1, tzinfo=UTC)
SPECS = PodSpecs(cpu_limit=500, memory_limit=1_000)


def usage(start: int, cpu: float | None, pod: str = "api", memory: int | None = 100) -> ResourceUsage:
    return ResourceUsage(start=start, pod=pod, sampled_at=AT, cpu_millicores=cpu, memory_bytes=memory, specs=SPECS)


def test_a_window_without_a_measurement_carries_the_last_one_forward() -> None:
    (series,) = resource_series([usage(20, 9.0), usage(5, 7.0)], 5, range(5, 30, 5), {})
    assert [each and each.cpu_millicores for each in series.usages] == [7.0, 7.0, 7.0, 9.0, 9.0]
    assert series.is_predicted == (False, True, True, False, True)
    assert series.window_start[0] == datetime.fromtimestamp(5, UTC)


def test_nothing_is_known_before_the_first_measurement_and_long_after_the_last() -> None:
    (series,) = resource_series([usage(10, 7.0)], 5, range(0, 90, 5), {})
    assert [start for start, each in zip(range(0, 90, 5), series.usages, strict=True) if each is None] == [0, 5, 75, 80, 85]
    assert not series.is_predicted[0] and not series.is_predicted[-1]


def test_what_came_before_the_first_window_is_carried_into_it() -> None:
    (series,) = resource_series([], 5, range(60, 70, 5), {"api": usage(5, 7.0)})
    assert [each and each.cpu_millicores for each in series.usages] == [7.0, 7.0] and series.is_predicted == (True, True)


def test_a_pod_that_is_gone_uses_nothing_and_nothing_is_predicted_of_it() -> None:
    (series,) = resource_series([usage(5, 7.0), ResourceUsage.gone(10, "api", AT)], 5, range(5, 20, 5), {})
    assert [each and each.memory_bytes for each in series.usages] == [100, None, None]
    assert series.is_predicted == (False, False, False)


def test_pods_come_by_name() -> None:
    found = resource_series([usage(5, 1.0, "b"), usage(5, 2.0, "a")], 5, range(5, 10, 5), {"c": usage(0, 3.0, "c")})
    assert [series.pod for series in found] == ["a", "b", "c"]


@pytest.mark.parametrize(("used", "limit", "share"), [(250, 500, 50.0), (None, 500, None), (5, None, None), (5, 0, None)])
def test_a_percentage_needs_a_limit(used: float | None, limit: float | None, share: float | None) -> None:
    assert percent(used, limit) == share
