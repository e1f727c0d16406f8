"""Wiring: from settings to open adapters and services, and back again in order."""

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import time, timedelta
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx

from adapters.artifacts import Artifacts, InvalidArtifactsUrl, open_artifacts
from adapters.bus.memory import MemoryBus
from adapters.bus.redis import RedisBus
from adapters.chat import OpenAiChat
from adapters.documents.finder import DocumentFinder
from adapters.identity.attempt_tokens import SignedAttemptTokens
from adapters.identity.local_issuer import DEMO_APPROVERS, LocalIssuer
from adapters.identity.verifier import VerifierByType
from adapters.models.model_inspector import ProcessModelInspector
from adapters.models.model_predictor import ProcessModelPredictor
from adapters.processes.listening import ListeningProcesses
from adapters.processes.runner import ProcessRunner
from adapters.samples.embedded import EmbeddedSamples
from adapters.secret_cipher import AesSecretCipher
from adapters.signed_urls import SignedUrls
from app.database import open_database, sole_server
from app.demo_users import permit_demo_users
from app.identity import ISSUER, SignInDoors, open_sign_in, read_keys
from app.settings import Settings, WrongSetting, process_environment
from app.step_templates import read_templates
from app.tls import trusted
from controllers.background_worker import BackgroundWorkerSettings
from controllers.daily_batch_runner import DailyBatchRunner, DailyBatchRunnerSettings
from controllers.housekeeping import Housekeeping
from controllers.job_reconciler import JobReconciler, JobReconcilerSettings
from controllers.load_test_reconciler import LoadTestReconciler, LoadTestReconcilerSettings
from controllers.lot_importer import LotImporter
from controllers.resource_watcher import ResourceWatcher
from domain.approver import EVERY_KIND, Approvers
from domain.daily_batch_schedule import DailyBatchSchedule
from domain.executor import LoadLimits
from domain.lot_row import LotIds
from domain.ports import Samples
from domain.runner import Limits
from domain.step_template import BUILTIN, StepTemplate, builtin_template
from outbound.guarded_http import ResolvingGuard
from outbound.names import NameLookup
from resolvers.live_feeds import LiveFeeds
from resolvers.open_streams import OpenStreams
from resolvers.report_intake import ReportIntake
from resolvers.rights import confirmed
from resolvers.services import Services, StepSettings

log = logging.getLogger(__name__)
UPLOAD_LIFETIME = timedelta(days=7)
K6 = str(Path(sys.executable).parent / "k6")  # of the package `k6`

INSPECTION = (sys.executable, "-P", "-m", "steps.model_inspection")
PREDICTION = (sys.executable, "-P", "-m", "steps.model_prediction")


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """Everything that a running server is made of."""

    settings: Settings
    services: Services
    live: LiveFeeds
    open_streams: OpenStreams
    reconciler: JobReconciler
    load_tests: LoadTestReconciler
    resources: ResourceWatcher
    lot_importer: LotImporter
    daily_batch: DailyBatchRunner
    housekeeping: Housekeeping
    doors: SignInDoors
    signed_urls: SignedUrls

    @property
    def verifier(self) -> VerifierByType:
        """Checks bearer tokens."""
        return self.doors.verifier

    @property
    def issuer(self) -> LocalIssuer | None:
        """The embedded issuer, where no other is set."""
        return self.doors.issuer


def _open_artifacts(settings: Settings) -> Artifacts:
    try:
        url = settings.artifacts.url or str((settings.home / "artifacts").absolute())
        return open_artifacts(url, staging=settings.home / "uploads", options=settings.artifacts.options)
    except InvalidArtifactsUrl as error:
        raise WrongSetting(str(error)) from None


def _open_bus(settings: Settings) -> MemoryBus | RedisBus:
    if not settings.redis.url:
        return MemoryBus()
    try:
        return RedisBus(settings.redis.url, settings.redis.prefix, heartbeat=settings.redis.heartbeat_seconds)
    except ValueError:
        raise WrongSetting("PLOG_REDIS__URL is no Redis URL.") from None


async def _open_samples(settings: Settings, stack: AsyncExitStack) -> Samples:
    if not settings.influxdb.url:
        return EmbeddedSamples()
    # Imported here, as who has no InfluxDB need not wait for its client at each start.
    samples: Samples = await import_module("app.influxdb").open_samples(settings.influxdb, stack)
    return samples


async def _open_chat(settings: Settings, stack: AsyncExitStack) -> OpenAiChat | None:
    given = settings.chat
    if not given.url:
        return None
    chat = OpenAiChat(given.url, given.model, given.api_key.get_secret_value(), seconds=given.answer_seconds)
    return await stack.enter_async_context(chat)


def _check_sharing(settings: Settings) -> None:
    """Servers that share a Redis share everything that one makes and another has to read."""
    if not settings.redis.url:
        return
    for name, is_set in (("SECRETS__KEYS", settings.secrets.keys), ("ARTIFACTS__URL", settings.artifacts.url)):
        if not is_set:
            raise WrongSetting(f"PLOG_{name} must be set, to the same on all servers, where PLOG_REDIS__URL joins several.")


def _step_settings(settings: Settings) -> StepSettings:
    limits = Limits(
        time_seconds=settings.steps.time_limit_hours * 3600 or None,
        memory_bytes=int(settings.steps.memory_limit_mb * 1e6) or None,
    )
    templates: dict[str, StepTemplate] = {BUILTIN: builtin_template(sys.executable, limits)}
    if settings.steps.templates:
        templates |= read_templates(Path(settings.steps.templates))
    return StepSettings(
        templates=templates,
        folders=settings.deck_folders,
        functions=settings.steps.functions,
        allow_private_addresses=settings.steps.allow_private_addresses,
        buckets=settings.steps.buckets,
    )


@asynccontextmanager
async def open_container(settings: Settings) -> AsyncIterator[Container]:
    """Open everything a server needs, and close it in the opposite order."""
    async with AsyncExitStack() as stack:
        _check_sharing(settings)
        stack.enter_context(sole_server(settings))
        keys = read_keys(settings)
        client = await stack.enter_async_context(httpx.AsyncClient(timeout=10, verify=trusted()))
        tokens = SignedAttemptTokens(keys.derive("attempt tokens"))
        doors = open_sign_in(settings, keys, tokens, client)
        artifacts = _open_artifacts(settings)
        await asyncio.to_thread(artifacts.drop_abandoned, UPLOAD_LIFETIME)
        database = await stack.enter_async_context(open_database(settings))
        bus = _open_bus(settings)
        await stack.enter_async_context(bus)
        names = stack.enter_context(NameLookup())
        signed_urls = SignedUrls(keys.derive("signed urls"))
        intake = ReportIntake(database, bus, artifacts)
        stack.push_async_callback(intake.close)
        services = Services(
            database=database,
            bus=bus,
            artifacts=artifacts,
            documents=_documents(settings, names),
            address_guard=ResolvingGuard(names, allows_private=settings.targets.allow_private_addresses),
            samples=await _open_samples(settings, stack),
            attempt_tokens=tokens,
            url_signer=signed_urls,
            secrets=AesSecretCipher(keys.derive("secrets at rest")),
            model_inspector=ProcessModelInspector(INSPECTION, process_environment()),
            model_predictor=ProcessModelPredictor(PREDICTION, process_environment()),
            reports=intake,
            steps=_step_settings(settings),
            public_url=settings.base_url,
            issuer=settings.oidc.issuer or ISSUER,
            approvers=_approvers(settings, doors.issuer),
            chat=await _open_chat(settings, stack),
            relying_party=doors.relying_party,
            session_lifetime=timedelta(hours=settings.oidc.session_hours),
            **_rules(settings),
        )
        runner, load_runner = (_open_runner(settings, folder) for folder in ("runs", "load-test-runs"))
        resources = ResourceWatcher(services, ListeningProcesses(), load_runner)
        yield Container(
            settings=settings,
            services=services,
            live=LiveFeeds.of(database, bus),
            open_streams=OpenStreams(partial(confirmed, services)),
            reconciler=JobReconciler(services, runner, settings.runner.kind, socket.gethostname(), _job_reconciler(settings)),
            load_tests=LoadTestReconciler(
                services, load_runner, resources, settings.runner.kind, socket.gethostname(), _load_test_reconciler(settings)
            ),
            resources=resources,
            lot_importer=LotImporter(services, runner.id, _lot_importer(settings)),
            daily_batch=DailyBatchRunner(services, runner.id, _daily_batch(settings)),
            housekeeping=_housekeeping(services, settings),
            doors=doors,
            signed_urls=signed_urls,
        )


def _approvers(settings: Settings, issuer: LocalIssuer | None) -> Approvers:
    """Those of the settings; of the embedded issuer the group of its approver, unless others are named."""
    given = settings.permissions
    if issuer is not None and not given.approvers and not given.approver_groups:
        return Approvers(groups={EVERY_KIND: (DEMO_APPROVERS,)})
    return Approvers(given.approvers, given.approver_groups)


def _rules(settings: Settings) -> dict[str, Any]:
    """What of `Services` is as the settings say."""
    return {
        "load_limits": LoadLimits(vus=settings.k6.max_vus, rate=settings.k6.max_rate, seconds=settings.k6.max_minutes * 60),
        "load_generator": (sys.executable, "-P", "-m", "steps.load_generator", settings.k6.binary or K6),
        "window_seconds": settings.k6.window_seconds,
        "warning_seconds": settings.k6.warning_seconds,
        "runs_per_target": settings.k6.runs_per_target,
        "download_lifetime": timedelta(minutes=settings.artifacts.link_minutes),
        "lot_ids": LotIds(settings.lots.id_pattern),
        "max_upload_bytes": int(settings.lots.max_file_mb * 1e6),
        "daily_upload_bytes": int(settings.artifacts.daily_upload_mb * 1e6),
    }


def _documents(settings: Settings, names: NameLookup) -> DocumentFinder:
    return DocumentFinder(
        names,
        allows_private=settings.targets.allow_private_addresses,
        max_seconds=settings.targets.analysis_seconds,
        allows_references=settings.targets.allow_remote_references,
    )


def _open_runner(settings: Settings, folder: str) -> ProcessRunner:
    return ProcessRunner(
        settings.home / folder,
        sys.executable,
        process_environment(),
        log_bytes=int(settings.runner.max_log_mb * 1_000_000),
        max_reports=settings.runner.max_reports,
    )


def _load_test_reconciler(settings: Settings) -> LoadTestReconcilerSettings:
    return LoadTestReconcilerSettings(**_rhythm(settings), capacity=settings.k6.capacity)


def _job_reconciler(settings: Settings) -> JobReconcilerSettings:
    return JobReconcilerSettings(
        **_rhythm(settings), capacity=settings.runner.capacity, cancel_grace_seconds=settings.runner.cancel_grace_seconds
    )


def _lot_importer(settings: Settings) -> BackgroundWorkerSettings:
    return BackgroundWorkerSettings(
        interval_seconds=settings.scheduler.jobs_seconds, lost_after_seconds=settings.runner.lost_after_seconds
    )


def _housekeeping(services: Services, settings: Settings) -> Housekeeping:
    return Housekeeping(
        services,
        settings.scheduler.housekeeping_seconds,
        keep_runs=timedelta(days=settings.k6.keep_days),
        keep_refusals=timedelta(days=settings.scheduler.daily_batch_keep_days),
    )


def _daily_batch(settings: Settings) -> DailyBatchRunnerSettings:
    given = settings.scheduler
    schedule = None
    if given.daily_batch_time:
        at, zone = time.fromisoformat(given.daily_batch_time), ZoneInfo(given.daily_batch_zone)
        schedule = DailyBatchSchedule(at, zone, given.daily_batch_catch_up_days)
    return DailyBatchRunnerSettings(
        interval_seconds=given.jobs_seconds, lost_after_seconds=settings.runner.lost_after_seconds, schedule=schedule
    )


def _rhythm(settings: Settings) -> dict[str, float]:
    lost = settings.runner.lost_after_seconds
    return {
        "interval_seconds": settings.scheduler.jobs_seconds,
        "patience_seconds": min(1.0, lost / 10),
        "heartbeat_seconds": min(3.0, lost / 3),
        "lost_after_seconds": lost,
    }


@asynccontextmanager
async def running(container: Container) -> AsyncIterator[None]:
    """The controllers and the live loops, running until the context is left."""
    if container.issuer is not None:
        await permit_demo_users(container.services, container.issuer)
    loops = [
        *(asyncio.create_task(loop, name=name) for name, loop in container.live.loops().items()),
        asyncio.create_task(container.open_streams.run(), name="open streams"),
        asyncio.create_task(container.reconciler.run(), name="job reconciler"),
        asyncio.create_task(container.load_tests.run(), name="load test reconciler"),
        asyncio.create_task(container.resources.run(), name="resource watcher"),
        asyncio.create_task(container.lot_importer.run(), name="lot importer"),
        asyncio.create_task(container.daily_batch.run(), name="daily batch runner"),
        asyncio.create_task(container.housekeeping.run(), name="housekeeping"),
    ]
    for loop in loops:
        loop.add_done_callback(_report_death)
    try:
        yield
    finally:
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)


def _report_death(loop: asyncio.Task[None]) -> None:
    if not loop.cancelled() and loop.exception() is not None:
        log.critical("the loop %r has died; the server ends", loop.get_name(), exc_info=loop.exception())
        signal.raise_signal(signal.SIGTERM)
