"""Opening the InfluxDB of the settings."""

import logging
from contextlib import AsyncExitStack

from adapters.samples.bucket import BucketRefused, InfluxBucket
from adapters.samples.influx import InfluxSamples
from app.setting_groups import InfluxdbFeed, InfluxdbSettings
from app.settings import WrongSetting
from domain.errors import Unavailable
from domain.ports import Samples

log = logging.getLogger(__name__)


async def open_samples(given: InfluxdbSettings, stack: AsyncExitStack) -> Samples:
    """The samples of that InfluxDB, which may be away; `WrongSetting` where it answers and refuses PLOG."""
    bucket = await stack.enter_async_context(InfluxBucket(given.url, given.org, given.bucket, given.token.get_secret_value()))
    samples = InfluxSamples(bucket, is_fed_by_k6=given.feed is InfluxdbFeed.K6)
    try:
        await samples.check()
    except BucketRefused as error:
        raise WrongSetting(f"PLOG_INFLUXDB__{error.setting} is wrong: {error}.") from None
    except Unavailable as error:
        log.warning("%s Load tests run all the same, and their figures wait until it does.", error.message)
    return samples
