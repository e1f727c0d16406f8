"""What is a summary of a load generator, and what is none."""

from typing import Any

import pytest

from domain.run_summary import checked_summary


def test_what_k6_and_its_generator_say_is_taken_as_it_is() -> None:
    said = {"exitCode": 99, "stopped": False, "k6": "1.1.0", "unread": 0, "cpuBusiest": None, "clockBack": 0.5}
    checks = {"passes": 1, "fails": 0, "value": 1, "thresholds": {"a": False}}
    metrics = {"http_reqs": {"count": 7, "rate": 1.5}, "checks": checks}
    assert checked_summary(said | {"metrics": metrics}) == said | {"metrics": metrics}
    assert checked_summary({}) == {}


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ({"exitCode": "0"}, "exitCode"),
        ({"unread": True}, "unread"),
        ({"k6": 1}, "k6"),
        ({"stopped": "no"}, "stopped"),
        ({"metrics": [1]}, "metrics"),
        ({"metrics": {"http_reqs": 1}}, "metrics.http_reqs"),
        ({"metrics": {"plog_set_up": {"value": "x"}}}, "metrics.plog_set_up.value"),
        ({"metrics": {"http_reqs": {"count": float("nan")}}}, "metrics.http_reqs.count"),
    ],
)
def test_what_is_no_summary_is_named(said: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        checked_summary(said)


@pytest.mark.parametrize("figure", ["count", "rate", "passes", "fails"])
def test_what_is_counted_is_not_negative(figure: str) -> None:
    with pytest.raises(ValueError, match=f"metrics.http_reqs.{figure} must not be negative"):
        checked_summary({"metrics": {"http_reqs": {figure: -1}}})
    assert checked_summary({"metrics": {"iteration_duration": {"min": -0.5}}})
