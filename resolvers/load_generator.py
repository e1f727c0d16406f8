"""What the load generator of a run needs of the server: its order to start, its input, a place for what it measures."""

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

from domain.actor import Actor, Generator
from domain.errors import AttemptSuperseded, NotFound, SequenceGap, Unavailable, UserError, ValidationFailed
from domain.k6_output import PASSWORD
from domain.live import Notice, Topic
from domain.load_test_run import GENERATOR_ATTEMPT, REFUSED_REPORTS, LoadTestReportKind, LoadTestRun, RunStatus
from domain.metric_window import MetricWindow
from domain.report import ReportResult, ReportState
from domain.run_summary import checked_summary
from domain.runner import LaunchOrder, Limits, Subject
from domain.secret import VARIABLE
from domain.storage import UnitOfWork
from domain.validation import check_document
from resolvers.authorisation import require_generator
from resolvers.idempotency import Idempotency
from resolvers.secret import values_of_secrets
from resolvers.services import Services
from resolvers.versioned import Overtaken

log = logging.getLogger(__name__)
TOKEN_LIFETIME = timedelta(days=30)
STOP_GRACE_SECONDS = 4.0
STOP_PATIENCE_SECONDS = 2.0
MAX_REPORTS = 1_000
MAX_REPORT = 65_536


def launch_order(services: Services, run: LoadTestRun) -> LaunchOrder:
    """What a runner is told to start for a run."""
    return LaunchOrder(
        key=run.key,
        subject=Subject.LOAD_TEST_RUN,
        command=services.load_generator,
        limits=Limits(
            time_seconds=run.time_limit, warning_seconds=services.warning_seconds or None, reports=run.expected_reports
        ),
        grace_seconds=STOP_GRACE_SECONDS,
        server_url=services.public_url,
        token=generator_token(services, run),
    )


def generator_token(services: Services, run: LoadTestRun) -> str:
    """A token for the run's generator that is good for `TOKEN_LIFETIME` from now."""
    return services.attempt_tokens.issue(Generator(attempt=run.key, expires_at=datetime.now(UTC) + TOKEN_LIFETIME))


async def input_document(services: Services, actor: Actor) -> dict[str, Any]:
    """The document that the generator gets; its `secretEnvironment` is for its environment and goes to no file."""
    generator = require_generator(actor)
    async with services.database.snapshot() as work:
        run = await _known(work, generator)
        if run.has_ended:
            raise AttemptSuperseded(GENERATOR_ATTEMPT, GENERATOR_ATTEMPT)
        scripts = await work.load_test_runs.scripts([run.id])
    secrets = await values_of_secrets(services, run.target_id, run.definition)
    document: dict[str, Any] = {
        "script": scripts[run.id],
        "scenarios": run.names,
        "windowSeconds": run.window_seconds,
        "serverTime": time.time(),
        "refusedNetworks": list(services.address_guard.refused_networks),
        "inputs": [],
        "secretEnvironment": {f"{VARIABLE}{name}": value for name, value in secrets.items()},
    }
    if (output := services.samples.k6_output) is not None:
        document["k6Output"] = {"address": output.address, "bucket": output.bucket, "run": str(run.uuid)}
        document["secretEnvironment"][PASSWORD] = output.token
    return document


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratorReport:
    """One thing that a generator says: `document` is a window (`domain.metric_window`), k6's summary, or a note of no effect."""

    sequence: int
    kind: LoadTestReportKind
    document: Any = None


async def report_load(
    services: Services, actor: Actor, reports: Sequence[GeneratorReport], idempotency_key: str | None = None
) -> list[ReportResult]:
    """Take in reports of the generator's own run, each with its own result, in the order given.

    They are numbered from 1 without gaps; one with the next number uses it up, whether it is recorded or refused, and a lower
    one is a repeat and changes nothing. Where many windows have to be read elsewhere only the first reports are answered: the
    others have to be sent again.
    """
    generator = require_generator(actor)
    if not 0 < len(reports) <= MAX_REPORTS:
        raise ValidationFailed.of("reports", f"must be 1 to {MAX_REPORTS} reports")
    given = {"reports": [asdict(report) for report in reports]}
    idempotency = Idempotency.of(str(generator.attempt), "loadTestReport", idempotency_key, given)
    while True:
        async with services.database.snapshot() as work:
            run = await _known(work, generator)
            span = await work.load_test_runs.span(run.id)
        if run.has_ended:
            error = AttemptSuperseded(GENERATOR_ATTEMPT, GENERATOR_ATTEMPT)
            return [ReportResult.refused(each.sequence, error, consumed=False) for each in reports]
        batch = _Batch(run, span)
        results = [batch.judge(report) for report in reports]
        taken = await _taken(services, run, batch.windows)
        if len(taken) < len(batch.windows):
            reports, idempotency = [each for each in reports if each.sequence < batch.sequences[len(taken)]], None
            batch = _Batch(run, span)
            results = [batch.judge(report) for report in reports]
        with suppress(Overtaken):
            if await _take_in(services, run, batch, list(chain.from_iterable(taken)), idempotency):
                await services.bus.publish([Notice(Topic.LOAD_TEST_RUN, str(run.id), run.version)])
            return results


async def _taken(services: Services, run: LoadTestRun, windows: Sequence[MetricWindow]) -> list[list[MetricWindow]]:
    """What to keep for windows. One that was stopped keeps its figures within seconds, also where InfluxDB does not get them."""
    if run.status is not RunStatus.STOPPING or any(window.is_elsewhere for window in windows):
        return await services.samples.take(run, windows)
    try:
        async with asyncio.timeout(STOP_PATIENCE_SECONDS):
            return await services.samples.take(run, windows)
    except (Unavailable, TimeoutError):
        log.warning("run %d was stopped: %d of its windows are kept and are not in InfluxDB", run.id, len(windows))
        return [[window] for window in windows]


async def _take_in(
    services: Services, run: LoadTestRun, batch: "_Batch", windows: Sequence[MetricWindow], idempotency: Idempotency | None
) -> bool:
    """Store what is new in the reports, if anything is; `Overtaken` where others were taken in since the run was read."""
    async with services.database.transaction() as work:
        is_replay = idempotency is not None and await idempotency.replayed(work) is not None
        if is_replay or batch.last_sequence == run.last_sequence:
            return False
        if not await work.load_test_runs.take_in(run, batch.last_sequence, windows, batch.summary):
            raise Overtaken
        if idempotency is not None:
            await idempotency.complete(work, {})
    return True


class _Batch:
    """What some reports of a run say together; the windows that it has begin from the first to the last of `span`."""

    def __init__(self, run: LoadTestRun, span: tuple[int, int] | None) -> None:
        self.last_sequence = run.last_sequence
        self._run = run
        self._span = span
        self._refused = int(run.said(REFUSED_REPORTS) or 0)
        self.windows: list[MetricWindow] = []
        self.sequences: list[int] = []  # those of the windows
        self.summary: dict[str, Any] | None = None

    def judge(self, report: GeneratorReport) -> ReportResult:
        """The result of one report, which is kept for storing where it is good."""
        if report.sequence < 1:
            error: UserError = ValidationFailed.of("sequence", "must be 1 or more")
            return ReportResult.refused(report.sequence, error, consumed=False)
        if report.sequence <= self.last_sequence:
            return ReportResult(sequence=report.sequence, state=ReportState.RECORDED)
        if report.sequence != self.last_sequence + 1:
            error = SequenceGap(report.sequence, self.last_sequence + 1)
            return ReportResult.refused(report.sequence, error, consumed=False)
        self.last_sequence = report.sequence
        try:
            self._keep(report)
        except UserError as error:
            self._refused += 1
            self.summary = {**(self._run.summary if self.summary is None else self.summary), REFUSED_REPORTS: self._refused}
            return ReportResult.refused(report.sequence, error, consumed=True)
        return ReportResult(sequence=report.sequence, state=ReportState.RECORDED)

    def _keep(self, report: GeneratorReport) -> None:
        if report.kind is LoadTestReportKind.NOTE:
            return
        if not isinstance(report.document, dict):
            raise ValidationFailed.of("metadata", "must be an object")
        check_document("metadata", report.document, most=MAX_REPORT)
        try:
            if report.kind is LoadTestReportKind.SUMMARY:
                self.summary = {**checked_summary(report.document), **({REFUSED_REPORTS: self._refused} if self._refused else {})}
            else:
                self.windows.append(self._window(report.document))
                self.sequences.append(report.sequence)
        except (KeyError, TypeError, ValueError) as error:
            reason = f"is no {report.kind.value.lower()}: {type(error).__name__}: {error}"
            raise ValidationFailed.of("metadata", reason[:500]) from error

    def _window(self, document: dict[str, Any]) -> MetricWindow:
        window = MetricWindow.of(document)
        if window.start % self._run.window_seconds:
            raise ValueError(f"start must be a multiple of {self._run.window_seconds}")
        first, last = (window.start, window.start) if self._span is None else self._span
        self._span = min(first, window.start), max(last, window.start)
        if self._span[1] - self._span[0] > self._run.most_span:
            self._span = first, last
            raise ValueError(f"start is more than {self._run.most_span:.0f} s from that of another window of the run")
        return window


async def _known(work: UnitOfWork, generator: Generator) -> LoadTestRun:
    run = await work.load_test_runs.of_uuid(generator.attempt.job_id)
    if run is None or generator.attempt.number != GENERATOR_ATTEMPT:
        raise NotFound("run", generator.attempt.job_id)
    return run
