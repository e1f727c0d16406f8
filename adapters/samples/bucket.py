"""A bucket of an InfluxDB 2: opening it, asking whether PLOG may use it, and what its failures mean."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from aiohttp import ClientError
from influxdb_client.client.influxdb_client_async import InfluxDBClientAsync
from influxdb_client.rest import ApiException

from domain.errors import Unavailable

log = logging.getLogger(__name__)
TIMEOUT_SECONDS = 10.0


class BucketRefused(ValueError):
    """InfluxDB answers and does not let PLOG use the bucket; `setting` is the end of the variable that is to blame."""

    def __init__(self, setting: str, reason: str) -> None:
        super().__init__(reason)
        self.setting = setting


class InfluxBucket:
    """The bucket `name` at `url`; open it as a context."""

    def __init__(self, url: str, org: str, name: str, token: str, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self.url, self.name, self.token = url, name, token
        self._given: dict[str, Any] = {"url": url, "org": org, "token": token, "timeout": round(timeout_seconds * 1000)}
        self._client: InfluxDBClientAsync | None = None

    async def __aenter__(self) -> Self:
        self._client = InfluxDBClientAsync(**self._given)  # needs a running loop
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._client is not None:
            await self._client.close()  # type: ignore[no-untyped-call]

    @property
    def client(self) -> InfluxDBClientAsync:
        """The open client."""
        if self._client is None:
            raise RuntimeError("a bucket is used as a context")
        return self._client

    async def check(self) -> None:
        """`BucketRefused` where the bucket can't be used; `Unavailable` where InfluxDB does not answer."""
        with unavailable("can't be asked for the bucket"):
            try:
                query = "buckets() |> filter(fn: (r) => r.name == name or r.id == name)"
                found = await self.client.query_api().query(query, params={"name": self.name})
            except ApiException as error:
                if error.status in (401, 403):
                    raise BucketRefused("TOKEN", "InfluxDB does not know the token") from error
                if "organization" in str(error.body):
                    raise BucketRefused("ORG", "InfluxDB knows no such organisation") from error
                raise
        if not any(table.records for table in found):
            raise BucketRefused("BUCKET", f"the organisation has no bucket {self.name!r} that the token may read")


@contextmanager
def unavailable(what: str) -> Iterator[None]:
    """Any failure of InfluxDB as `Unavailable`; the log has its words, which are for whoever runs the server."""
    try:
        yield
    except (ClientError, OSError, TimeoutError, ApiException) as error:
        told = f"{error.status} {error.reason}" if isinstance(error, ApiException) else f"{type(error).__name__}: {error}"
        log.warning("InfluxDB %s: %s", what, told)
        raise Unavailable("InfluxDB does not answer as it should; what was told to it is kept and told again.") from error
