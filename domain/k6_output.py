"""Where k6 itself sends its samples, in place of the program that runs it."""

from dataclasses import dataclass, field

PASSWORD = "K6_INFLUXDB_PASSWORD"  # the variable in which k6 finds the token


@dataclass(frozen=True, slots=True, kw_only=True)
class K6Output:
    """A bucket of the InfluxDB 2 at `address`, with a token that may write to it."""

    address: str
    bucket: str
    token: str = field(repr=False)
