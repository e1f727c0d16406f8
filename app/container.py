"""Wiring: from settings to open adapters and services, and back again in order."""

import asyncio
import fcntl
import logging
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

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
from app.demo_users import permit_demo_users
from app.identity import SignInDoors, open_sign_in, read_keys
from app.settings import Settings, WrongSetting, process_environment
from app.step_templates import read_templates
from app.tls import trusted
from controllers.housekeeping import Housekeeping
from controllers.job_reconciler import JobReconciler, JobReconcilerSettings
from controllers.load_test_reconciler import LoadTestReconciler, LoadTestReconcilerSettings
from controllers.lot_importer import LotImporter, LotImporterSettings
from controllers.resource_watcher import ResourceWatcher
from domain.approver import EVERY_KIND, Approvers
from domain.executor import LoadLimits
from domain.lot_row import LotIds
from domain.ports import Samples
from domain.runner import Limits
from domain.step_template import BUILTIN, StepTemplate, builtin_template
from outbound.guarded_http import ResolvingGuard
from outbound.names import NameLookup
from persistence.engine import Engines, open_engines
from persistence.migrate import DatabaseOutdated, check_revision, upgrade
from persistence.unit_of_work import Database
from persistence.unusable import DatabaseUnusable, naming_causes
from resolvers.live import LiveKits
from resolvers.live_load_test import LiveLoadTests
from resolvers.live_lot_import import LiveLotImports
from resolvers.live_model_access_request import LiveModelAccessRequests
from resolvers.live_permission_request import LivePermissionRequests
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
    live: LiveKits
    live_load_tests: LiveLoadTests
    live_permission_requests: LivePermissionRequests
    live_lot_imports: LiveLotImports
    live_model_access: LiveModelAccessRequests
    open_streams: OpenStreams
    reconciler: JobReconciler
    load_tests: LoadTestReconciler
    resources: ResourceWatcher
    lot_importer: LotImporter
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


def make_home(settings: Settings) -> None:
    """Have the data folder; `WrongSetting` where it can't be made."""
    try:
        settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        reason = "it is no folder" if isinstance(error, FileExistsError | NotADirectoryError) else error.strerror
        raise WrongSetting(f"PLOG_HOME: the data folder {settings.home.absolute()} can't be made: {reason}.") from None


@contextmanager
def sole_server(settings: Settings) -> Iterator[None]:
    """Hold the data folder: a second server on it is refused."""
    make_home(settings)
    try:
        descriptor = os.open(settings.home / "server.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise WrongSetting(f"PLOG_HOME: {settings.home.absolute()} can't be written to: {error.strerror}.") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise WrongSetting(
            f"PLOG_HOME: another server runs on the data folder {settings.home.absolute()}; stop it or choose another folder."
        ) from None
    try:
        yield
    finally:
        os.close(descriptor)


@asynccontextmanager
async def open_database(settings: Settings) -> AsyncIterator[Database]:
    """The database, brought to the newest revision where it is a file; `WrongSetting` where it can't be used."""
    async with AsyncExitStack() as stack:
        with _naming_the_database():
            writer, reader = _open_engines(settings)
            database = Database(writer, reader)
            stack.push_async_callback(database.close)
            if not settings.database_url.startswith("postgresql"):
                await upgrade(writer)
            await check_revision(reader)
        yield database


async def migrate_database(settings: Settings) -> None:
    """Bring the database to the newest revision; `WrongSetting` where it can't be used."""
    with _naming_the_database():
        writer, reader = _open_engines(settings)
        try:
            await upgrade(writer, app_role=settings.database.app_role or None)
        finally:
            await Database(writer, reader).close()


def _open_engines(settings: Settings) -> Engines:
    make_home(settings)
    return open_engines(settings.database_url, schema=settings.database.schema_ or None, pool_size=settings.database.pool_size)


@contextmanager
def _naming_the_database() -> Iterator[None]:
    try:
        with naming_causes():
            yield
    except (DatabaseOutdated, DatabaseUnusable) as error:
        raise WrongSetting(f"PLOG_DATABASE__URL: {error}") from None


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
            live=LiveKits(database, bus),
            live_load_tests=LiveLoadTests(database, bus),
            live_permission_requests=LivePermissionRequests(database, bus),
            live_lot_imports=LiveLotImports(database, bus),
            live_model_access=LiveModelAccessRequests(database, bus),
            open_streams=OpenStreams(partial(confirmed, services)),
            reconciler=JobReconciler(services, runner, settings.runner.kind, socket.gethostname(), _job_reconciler(settings)),
            load_tests=LoadTestReconciler(
                services, load_runner, resources, settings.runner.kind, socket.gethostname(), _load_test_reconciler(settings)
            ),
            resources=resources,
            lot_importer=LotImporter(services, runner.id, _lot_importer(settings)),
            housekeeping=Housekeeping(services, settings.scheduler.housekeeping_seconds, timedelta(days=settings.k6.keep_days)),
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


def _lot_importer(settings: Settings) -> LotImporterSettings:
    return LotImporterSettings(
        interval_seconds=settings.scheduler.jobs_seconds, lost_after_seconds=settings.runner.lost_after_seconds
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
        asyncio.create_task(container.live.run(), name="live kits"),
        asyncio.create_task(container.live_load_tests.run(), name="live load tests"),
        asyncio.create_task(container.live_permission_requests.run(), name="live permission requests"),
        asyncio.create_task(container.live_lot_imports.run(), name="live lot imports"),
        asyncio.create_task(container.live_model_access.run(), name="live model access requests"),
        asyncio.create_task(container.open_streams.run(), name="open streams"),
        asyncio.create_task(container.reconciler.run(), name="job reconciler"),
        asyncio.create_task(container.load_tests.run(), name="load test reconciler"),
        asyncio.create_task(container.resources.run(), name="resource watcher"),
        asyncio.create_task(container.lot_importer.run(), name="lot importer"),
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
