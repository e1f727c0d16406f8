"""The report of a run of a load test, as a document that knows nothing of how it is written down.

The same run with the same analysis is the same document: nothing in it says when it was made.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from domain.executor import RAMPING, Executor, ExecutorKind
from domain.finding import Finding, digits_of, shown
from domain.load_test_analysis import LoadTestAnalysis
from domain.load_test_run import LoadTestRun, RunStatus
from domain.login import Login
from domain.metric_series import MetricSeries, RunFigures, series_of
from domain.metric_window import MetricWindow
from domain.resource_peak import ResourceColumn, resource_columns
from domain.resource_usage import ResourceUsage
from domain.time_plot import Panel, PlotLine, TimePlot

ALL_TOGETHER = "all together"
UNKNOWN = "\N{EN DASH}"
MOST_STAGES = 6
MOST_PLOTTED_PODS = 6
TIME = "%Y-%m-%d %H:%M:%S UTC"


class ReportFormat(StrEnum):
    """How a report is written down."""

    HTML = "HTML"
    MARKDOWN = "MARKDOWN"

    @property
    def media_type(self) -> str:
        """What it is to a browser."""
        return {ReportFormat.HTML: "text/html; charset=utf-8"}.get(self, "text/markdown; charset=utf-8")

    @property
    def suffix(self) -> str:
        """How the names of its files end."""
        return {ReportFormat.HTML: "html"}.get(self, "md")


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows of texts below `heads`; the first `labels` columns are words, the others numbers. The `bad` rows stand out."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    labels: int = 1
    bad: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of the report: sentences, a table, a plot, each where there is one."""

    title: str
    notes: tuple[str, ...] = ()
    table: Table | None = None
    plot: TimePlot | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """A report; `facts` are what the run was, each with its name."""

    title: str
    status: RunStatus
    message: str
    facts: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]


def run_report(
    run: LoadTestRun,
    windows: Sequence[MetricWindow],
    usages: Sequence[ResourceUsage],
    analysis: LoadTestAnalysis | None,
) -> RunReport:
    """The report of a run that has ended.

    Args:
        run: with its verdict.
        windows: all of it, sorted by start.
        usages: what was measured of the pods under test, sorted by start.
        analysis: the one to tell of; None where there is none.
    """
    series = series_of(windows, run.window_seconds, run.names)
    resources = list(resource_columns(usages, run.window_seconds))
    return RunReport(
        title=run.heading,
        status=run.status,
        message=run.message,
        facts=tuple(_facts(run)),
        sections=(
            _thresholds(run),
            *_figures(run.figures),
            _over_time(run, series[0] if series else None, resources),
            _resources(resources),
            _analysis(analysis),
            *_wording(analysis),
            _k6(run),
            _scenarios(run),
        ),
    )


def _facts(run: LoadTestRun) -> Iterator[tuple[str, str]]:
    yield "Server", run.definition.server
    if run.definition.description:
        yield "Description", run.definition.description
    yield "Load test", f"number {run.load_test_id}, version {run.load_test_version}"
    if run.definition.login is not None:
        yield "Login", _login(run.definition.login)
    optional = "with" if run.definition.fills_optional else "without"
    yield "Made values", f"by seed {run.definition.seed}, {optional} what is optional"
    yield "Started by", run.actor
    yield "Asked for", run.created_at.astimezone(UTC).strftime(TIME)
    yield "Began", _time(run.started_at)
    yield "Ended", _time(run.ended_at)
    if run.figures:
        yield "Measured for", f"{run.figures[0].seconds:,.1f} s, in windows of {run.window_seconds} s"
    yield "k6", str(run.summary.get("k6") or UNKNOWN)
    yield "OpenAPI document", f"SHA-256 {run.document_sha256}"


def _login(login: Login) -> str:
    """What identifies the requests; of secrets their names."""
    found = {
        "scheme": login.scheme,
        "user": login.username,
        "client": login.client_id,
        "named in the": "body" if login.client_in_body else "",
        "token from": login.token_url,
        "scopes": " ".join(login.scopes),
        str(login.location).lower(): login.parameter,
        "secret": login.secret,
        "client's secret": login.client_secret,
    }
    return ", ".join([login.kind, *(f"{name} {value}" for name, value in found.items() if value)])


def _time(at: datetime | None) -> str:
    return UNKNOWN if at is None else at.astimezone(UTC).strftime(TIME)


LEAST_AND_MOST = (
    "TPS of full windows, without the first and the last of the load; error rates of windows with requests; VUs as k6 counts"
    " them once a second, of all scenarios together."
)
JUDGED_BY = (
    "By the stored figures, without set-up and login: response times in ms, a percentile being the sample of that rank, at most"
    " 1 % off; failed requests as a share; requests a second under load."
)
JUDGED_BY_K6 = (
    "By k6, as an older version left it to it; what was measured is not kept. Set-up and login are counted in requests a second,"
    " which are of the whole time that k6 ran."
)
JUDGEMENTS = {True: "met", False: "MISSED", None: "not measured"}


def _thresholds(run: LoadTestRun) -> Section:
    title, judged = "Thresholds", run.thresholds
    if not judged:
        return Section(title=title, notes=("Nothing was judged: the load test has none.",))
    rows = tuple(
        (JUDGEMENTS[each.is_met], each.scenario or ALL_TOGETHER, each.metric, each.condition, _measured(each.value))
        for each in judged
    )
    heads = ("Verdict", "Scenario", "Metric", "Condition", "Measured")
    missed = frozenset(place for place, each in enumerate(judged) if each.is_met is False)
    notes = (JUDGED_BY_K6 if run.is_judged_by_k6 else JUDGED_BY,)
    return Section(title=title, notes=notes, table=Table(heads=heads, rows=rows, labels=4, bad=missed))


def _figures(figures: Sequence[RunFigures]) -> Iterator[Section]:
    if not figures:
        yield Section(title="Figures", notes=("No request was measured.",))
        return
    rows = figures[:1] if len(figures) == 2 else figures  # a single scenario is all there is
    yield Section(
        title="Requests",
        table=Table(
            heads=(*("Scenario", "Requests", "Failed", "Error rate", "TPS mean", "Iterations", "Dropped", "Checks failed"),),
            rows=tuple(
                (
                    *(each.scenario or ALL_TOGETHER, _whole(each.requests), _whole(each.failed), _share(each.error_rate)),
                    *(_number(each.tps_mean), _whole(each.iterations), _whole(each.dropped), _whole(each.checks_failed)),
                )
                for each in rows
            ),
        ),
    )
    yield Section(
        title="Least and most",
        notes=(LEAST_AND_MOST,),
        table=Table(
            heads=(
                *("Scenario", "TPS least", "TPS most", "Error rate least", "Error rate most"),
                *("VUs least", "VUs mean", "VUs most"),
            ),
            rows=tuple(
                (
                    *(each.scenario or ALL_TOGETHER, _number(each.tps_least), _number(each.tps_most)),
                    *(_share(each.error_rate_least), _share(each.error_rate_most)),
                    *(_whole(each.least_vus), _number(each.mean_vus), _whole(each.most_vus)),
                )
                for each in rows
            ),
        ),
    )
    names = ("least", "mean", "p50", "p90", "p95", "p99", "greatest")
    yield Section(
        title="Response times, in ms",
        table=Table(
            heads=("Scenario", *names),
            rows=tuple((each.scenario or ALL_TOGETHER, *(_number(getattr(each, name)) for name in names)) for each in rows),
        ),
    )


def _over_time(run: LoadTestRun, series: MetricSeries | None, resources: Sequence[ResourceColumn]) -> Section:
    title = "Over time"
    if series is None:
        return Section(title=title, notes=("No window was measured.",))
    first, seconds, count = int(series.window_start[0].timestamp()), run.window_seconds, len(series.window_start)
    starts = range(first, first + count * seconds, seconds)
    panels = [
        Panel(title="TPS", unit="requests/s", lines=(PlotLine(name="TPS", values=series.tps),)),
        Panel(
            title="Response time",
            unit="ms",
            lines=tuple(PlotLine(name=name, values=getattr(series, name)) for name in ("p50", "p95", "p99")),
        ),
        Panel(title="Error rate", unit="", lines=(PlotLine(name="error rate", values=series.error_rate),)),
        Panel(title="Virtual users", unit="VUs", lines=(PlotLine(name="VUs", values=series.vus),)),
    ]
    notes = [
        f"All scenarios together, in windows of {seconds} s. The first and the last are cut off by begin and end. Times are UTC."
    ]
    for name, unit in (("CPU", "millicores"), ("Memory", "MB")):
        lines = [PlotLine(name=each.name, values=_at(each, starts)) for each in resources if each.unit == unit]
        lines = [each for each in lines if any(value is not None for value in each.values)]
        shown_lines = sorted(lines, key=lambda each: -each.greatest)[:MOST_PLOTTED_PODS]
        if lines:
            panels.append(Panel(title=name, unit=unit, lines=tuple(shown_lines)))
        else:
            notes.append(f"{name} of what is under test was not measured.")
        if len(shown_lines) < len(lines):
            notes.append(f"{name}: of {len(lines)} pods the {len(shown_lines)} that used most are drawn.")
    return Section(
        title=title, notes=tuple(notes), plot=TimePlot(first=first, seconds=seconds, count=count, panels=tuple(panels))
    )


def _at(column: ResourceColumn, starts: range) -> tuple[float | None, ...]:
    """What was measured in each of the windows; what was measured outside of them is left out."""
    found = dict(zip(column.starts, column.values, strict=True))
    return tuple(found.get(start) for start in starts)


def _resources(resources: Sequence[ResourceColumn]) -> Section:
    title = "Resources of what is under test"
    rows = []
    for each in resources:
        known = [value for value in each.values if value is not None]
        if known:
            most, limit = max(known), each.limit
            share = UNKNOWN if not limit else shown(most / limit, "")
            rows.append((each.name, each.unit, _number(sum(known) / len(known)), _number(most), _number(limit), share))
    if not rows:
        return Section(title=title, notes=("They were not measured.",))
    heads = ("Resource", "Unit", "Mean", "Most", "Limit", "Most of limit")
    return Section(title=title, table=Table(heads=heads, rows=tuple(rows), labels=2))


def _analysis(analysis: LoadTestAnalysis | None) -> Section:
    title = "Analysis"
    if analysis is None:
        return Section(title=title, notes=("The run has not been analysed.",))
    found = analysis.conclusion
    against = "" if analysis.baseline_run_id is None else f" against run {analysis.baseline_run_id}"
    confidence = shown(found.confidence, "")
    score = "" if found.score is None else f"Score {found.score:.0f} of 100, where 100 is free of problems. "
    notes = (
        f"Analysis {analysis.id} ({analysis.kind.lower().replace('_', ' ')}){against}. {score}Confidence {confidence}.",
        *found.remarks,
        *(() if found.findings else ("Nothing was found.",)),
    )
    if not found.findings:
        return Section(title=title, notes=notes)
    rows = tuple(
        (
            "problem" if each.is_problem else "remark",
            str(each.number),
            each.scenario or ALL_TOGETHER,
            _span(each),
            each.sentence,
            shown(each.confidence, ""),
        )
        for each in found.findings
    )
    bad = frozenset(place for place, each in enumerate(found.findings) if each.is_problem)
    heads = ("", "No.", "Scenario", "Time (UTC)", "Finding", "Confidence")
    return Section(title=title, notes=notes, table=Table(heads=heads, rows=rows, labels=5, bad=bad))


def _wording(analysis: LoadTestAnalysis | None) -> Iterator[Section]:
    """What a chat model says of the findings, with the numbers of those that show whether it is right."""
    if analysis is None or not analysis.wording.claims:
        return
    note = (
        f"In the words of the chat model {analysis.model}. Each number was checked against the findings on which the sentence"
        " rests; what it concludes from them was not."
    )
    rows = tuple((each.text, ", ".join(map(str, each.findings))) for each in analysis.wording.claims)
    yield Section(title="Analysis in words", notes=(note,), table=Table(heads=("Sentence", "Findings"), rows=rows, labels=2))


def _span(finding: Finding) -> str:
    times = (finding.start, finding.end)
    return "\N{EN DASH}".join(each.astimezone(UTC).strftime("%H:%M:%S") for each in times if each is not None) or UNKNOWN


def _k6(run: LoadTestRun) -> Section:
    title, figures = "Beside k6's own summary", run.k6_figures
    if not figures:
        return Section(title=title, notes=("There is nothing to hold the figures against: k6 came to no summary.",))
    rows = tuple(
        (
            each.figure.replace("_", " ").replace("tps", "TPS").replace("vus", "VUs"),
            _number(each.stored),
            _number(each.k6),
            UNKNOWN if each.stored is None else _number(each.stored - each.k6),
        )
        for each in figures
    )
    note = (
        "k6 counts set-up and login too, and interpolates percentiles, which here are the sample of that rank, at most 1 % off."
    )
    return Section(title=title, notes=(note,), table=Table(heads=("Figure", "Stored", "k6", "Difference"), rows=rows))


def _scenarios(run: LoadTestRun) -> Section:
    rows = tuple(
        (each.name, ", ".join(request.endpoint for request in each.requests), _load(each.executor))
        for each in run.definition.scenarios
    )
    return Section(title="Scenarios", table=Table(heads=("Scenario", "Requests", "Load"), rows=rows, labels=3))


def _load(executor: Executor) -> str:
    """What an executor does, in words."""
    if executor.kind is ExecutorKind.SHARED_ITERATIONS:
        return f"{executor.iterations:,} iterations shared by {executor.vus:,} VUs"
    if executor.kind is ExecutorKind.PER_VU_ITERATIONS:
        return f"{executor.iterations:,} iterations by each of {executor.vus:,} VUs"
    is_of_vus = executor.kind in (ExecutorKind.CONSTANT_VUS, ExecutorKind.RAMPING_VUS)
    unit = "VUs" if is_of_vus else f"iterations every {executor.time_unit:g} s"
    most = "" if is_of_vus else f", with at most {executor.most_vus:,} VUs"
    if executor.kind not in RAMPING:
        return f"{executor.vus if is_of_vus else executor.rate:,} {unit} for {executor.duration:g} s{most}"
    stages = [f"to {each.target:,} within {each.duration:g} s" for each in executor.stages]
    if len(stages) > MOST_STAGES:
        stages[MOST_STAGES:] = [f"{len(stages) - MOST_STAGES} more stages"]
    return f"from {executor.start:,} {unit} {', '.join(stages)}{most}"


def _whole(value: int | None) -> str:
    return UNKNOWN if value is None else f"{value:,}"


def _share(value: float | None) -> str:
    return UNKNOWN if value is None else shown(value, "")


def _measured(value: float | None) -> str:
    """So long that it can be seen on which side of a limit it is."""
    return UNKNOWN if value is None else f"{value:,.12g}"


def _number(value: float | None) -> str:
    """To three digits at least; whole numbers as such."""
    if value is None:
        return UNKNOWN
    return f"{value:,}" if isinstance(value, int) else f"{value:z,.{digits_of(value)}f}"
