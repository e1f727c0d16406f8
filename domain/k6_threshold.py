"""Thresholds in k6's words."""

from decimal import Decimal

TIMES, FAILURES, REQUESTS = "http_req_duration", "http_req_failed", "http_reqs"  # k6's names for what is judged


def percentile_at_most(percentile: float, milliseconds: float) -> str:
    """What is to hold of times, in k6's words."""
    return f"p({_number(percentile)})<={_number(milliseconds)}"


def rate_at_most(share: float) -> str:
    """What is to hold of a share, in k6's words."""
    return f"rate<={_number(share)}"


def rate_at_least(a_second: float) -> str:
    """What is to hold of a count, in k6's words."""
    return f"rate>={_number(a_second)}"


def _number(value: float) -> str:
    """The number as k6's thresholds read it, which know no exponents."""
    return f"{Decimal(repr(value)):f}"
