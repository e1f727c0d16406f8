"""Reports of runs: what they tell, and that no text of anybody becomes markup in them."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from domain.claim import Claim
from domain.endpoint import ParameterLocation
from domain.executor import Executor, ExecutorKind, Stage
from domain.load_test_analysis import AnalysisKind, LoadTestAnalysis, analyse
from domain.load_test_run import LoadTestRun, RunStatus
from domain.login import Login, LoginKind
from domain.metric_window import MetricWindow
from domain.resource_peak import resource_columns
from domain.resource_usage import PodSpecs, ResourceUsage
from domain.run_report import JUDGED_BY, JUDGED_BY_K6, Table, run_report
from domain.run_report_html import html_report
from domain.run_report_markdown import markdown_report, plain
from domain.wording import Wording, WordingStatus
from tests.synthetic_runs import AT, BEGIN, SECONDS, constant, gauges, load_test_run, measured, ramp, scenario, windows

HOSTILE = [
    "<script>alert(1)</script>",
    "</title></style><script>",
    "\"'><img src=x onerror=alert(1)>",
    "&lt;b&gt; &amp; &#60;",
    "]]><!-- -->",
    "![x](javascript:alert(1)) [a](b) <http://x.test> `code` ~~s~~",
    "| a | b |",
    "- item",
    "1. item",
    "===",
    "---",
    "```",
    "``` html",
    "# heading #",
    "a_b_c *d* **e**",
    "line one\n\n# line two\r\n    code",
    "\x00\x08\ud800\u2028\ufffe end",
    "größe 買う \u202eevil",
]
TEXTS = st.sampled_from(HOSTILE) | st.text(max_size=60) | st.text("<>&\"'`|*_[]()#-=~!$\\ \n\ta1.", max_size=40)
VOID = {"meta"}


def run_of(
    count: int = 40, title: str = "t", name: str = "browse", message: str = "", pod: str = "api"
) -> tuple[LoadTestRun, list[MetricWindow], list[ResourceUsage], LoadTestAnalysis | None]:
    """A failed run with two scenarios, a pod, and an analysis where there are windows enough for one."""
    chance = np.random.default_rng(1)
    run = load_test_run(scenario(constant(count * SECONDS), name), scenario(constant(count * SECONDS), "other"), number=7)
    parts = windows(chance, count) + windows(chance, count, key="s2") + gauges([10.0] * count)
    parts.sort(key=lambda each: (each.start, each.scenario))
    scenarios = (replace(run.definition.scenarios[0], response_time=900.0), *run.definition.scenarios[1:])
    run = replace(run, definition=replace(run.definition, scenarios=scenarios, error_rate=0.001)).measured(parts)
    metrics = {
        "http_reqs": {"count": run.figures[0].requests},
        "http_req_failed": {"passes": run.figures[0].failed},
        "http_req_duration": {"avg": 50.0},
    }
    run = replace(
        run,
        status=RunStatus.FAILED,
        message=message,
        summary={"k6": "1.1.0", "metrics": metrics},
        definition=replace(run.definition, title=title, description=message),
    )
    usages = [
        ResourceUsage(
            start=BEGIN + SECONDS * place,
            pod=pod,
            sampled_at=AT,
            cpu_millicores=None if place == 0 else 500.0 + place,
            memory_bytes=180_000_000,
            specs=PodSpecs(cpu_limit=1000),
        )
        for place in range(count)
    ]
    conclusion = analyse(AnalysisKind.COMPREHENSIVE, measured(parts, run=run), None, list(resource_columns(usages, SECONDS)))
    analysis = LoadTestAnalysis(
        id=3,
        project_id=1,
        load_test_id=1,
        run_id=7,
        baseline_run_id=None,
        kind=AnalysisKind.COMPREHENSIVE,
        model=title,
        seconds=1.0,
        actor="ada",
        created_at=AT,
        conclusion=conclusion,
        wording=Wording(
            status=WordingStatus.WORDED, claims=(Claim(text=f"It is {name}.", findings=(1,)), Claim(text=name, findings=(1, 2)))
        ),
    )
    return run, parts, usages, analysis


PLAIN = run_of()


class Page(HTMLParser):
    """The tags of a page with their attributes, and its texts, those of a style apart."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, tuple[tuple[str, str | None], ...]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(content.decode())
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(attrs)))
        if tag not in VOID:
            self.open.append(tag)
            self.texts.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.texts:
            self.texts[-1] += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)


def shape(page: Page) -> list[tuple[str, list[tuple[str, str | None]]]]:
    """What there is besides text: tags and attributes, but for the class that the length of a text decides over."""
    return [(tag, [each for each in attributes if each[1] not in ("label", "label short")]) for tag, attributes in page.tags]


def hostile(text: str) -> bytes:
    run, parts, usages, analysis = run_of(9, text, text or "s", text, text)
    return html_report(run_report(run, parts, usages, analysis))


HARMLESS = shape(Page(hostile("a harmless text")))


@settings(max_examples=150, deadline=None)
@given(TEXTS)
def test_no_text_becomes_markup_in_html(text: str) -> None:
    found = hostile(text)
    page = Page(found)
    if text:
        assert shape(page) == HARMLESS
    printable = "".join(each if each.isprintable() or each in "\n\t" else "?" for each in text)
    if printable == text:
        assert f"Run 7 · {text}" in page.texts and text in page.texts
    assert b"<script" not in found and b"javascript:" not in found.replace(b"(javascript:", b"")


@settings(max_examples=200, deadline=None)
@given(TEXTS)
def test_no_text_becomes_markup_in_markdown(text: str) -> None:
    run, parts, usages, analysis = run_of(9, text, text or "s", text, text)
    tokens = (
        MarkdownIt("commonmark")
        .enable(["table", "strikethrough"])
        .parse(markdown_report(run_report(run, parts, usages, analysis)).decode())
    )
    kinds = [token.type for token in tokens]
    assert kinds.count("fence") == 1 and kinds.count("heading_open") == 11
    assert not {"html_block", "code_block", "hr", "ordered_list_open", "blockquote_open"} & set(kinds)
    inner = [part for token in tokens for part in token.children or ()]
    assert {part.type for part in inner} <= {"text", "softbreak", "strong_open", "strong_close", "text_special"}
    assert sum(part.type == "strong_open" for part in inner) == 1
    cells = kinds.count("td_open"), kinds.count("tr_open")
    assert cells == MARKDOWN_CELLS or not text
    if text.isprintable():
        heading = tokens[kinds.index("heading_open") + 1]
        words = "".join(part.content for part in heading.children or ()).split()
        assert words == f"Run 7 · {text}".split()
        cell = tokens[len(kinds) - 1 - kinds[::-1].index("tbody_open") + 3]  # the first of the last table: the scenario's name
        assert "".join(part.content for part in cell.children or ()).split() == (text or "s").split()


def _cells() -> tuple[int, int]:
    run, parts, usages, analysis = run_of(9, "a", "b", "c", "d")
    tokens = MarkdownIt("commonmark").enable("table").parse(markdown_report(run_report(run, parts, usages, analysis)).decode())
    kinds = [token.type for token in tokens]
    return kinds.count("td_open"), kinds.count("tr_open")


MARKDOWN_CELLS = _cells()


def test_a_page_asks_for_nothing_and_runs_nothing() -> None:
    page = Page(html_report(run_report(*PLAIN)))
    assert not {"script", "link", "img", "iframe", "object", "image", "use", "a", "form"} & {tag for tag, _ in page.tags}
    names = {name for _, attributes in page.tags for name, _ in attributes}
    assert not {"src", "href", "style", "xlink:href"} & names and not any(name.startswith("on") for name in names)
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in [pair for _, pairs in page.tags for pair in pairs]
    style = page.texts[[tag for tag, _ in page.tags if tag not in VOID].index("style")]
    assert "@media print" in style and "@page" in style and "url(" not in style and "@import" not in style


def test_the_same_run_is_the_same_bytes() -> None:
    again = run_of()
    for write in (html_report, markdown_report):
        assert write(run_report(*PLAIN)) == write(run_report(*again))


def tables() -> dict[str, Table]:
    return {each.title: each.table for each in run_report(*PLAIN).sections if each.table is not None}


def test_it_tells_verdicts_figures_findings_and_what_k6_says() -> None:
    run, _, _, analysis = PLAIN
    found = tables()
    rate, time = run.figures[0].error_rate, run.figures[1].p95
    assert found["Thresholds"].rows == (
        ("MISSED", "all together", "http_req_failed", "rate<=0.001", f"{rate:.12g}"),
        ("met", "browse", "http_req_duration", "p(95.0)<=900.0", f"{time:.12g}"),
    )
    assert found["Thresholds"].bad == {0}
    assert [row[0] for row in found["Requests"].rows] == ["all together", "browse", "other"]
    assert found["Requests"].rows[0][1] == f"{run.figures[0].requests:,}"
    assert found["Beside k6's own summary"].rows[0] == ("requests", *(f"{run.figures[0].requests:,}",) * 2, "0")
    assert analysis is not None and len(found["Analysis"].rows) == len(analysis.conclusion.findings) > 0
    assert [row[1] for row in found["Analysis"].rows] == [str(each.number) for each in analysis.conclusion.findings]
    assert found["Analysis in words"].rows == (("It is browse.", "1"), ("browse", "1, 2"))
    assert found["Resources of what is under test"].rows == (
        ("CPU of api", "millicores", "520", "539", "1,000", "53.9 %"),
        ("memory of api", "MB", "180", "180", "–", "–"),
    )
    assert found["Scenarios"].rows[0] == ("browse", "GET /", "10 VUs for 200 s")


def test_it_tells_the_login_by_the_names_of_its_secrets_and_how_values_were_made() -> None:
    run, _, _, _ = PLAIN
    assert dict(run_report(*PLAIN).facts)["Made values"] == "by seed 1, without what is optional"
    assert "Login" not in dict(run_report(*PLAIN).facts)
    login = Login(
        kind=LoginKind.OAUTH2_PASSWORD,
        scheme="oauth",
        username="ada",
        secret="password",
        client_id="plog",
        client_secret="of_client",
        client_in_body=True,
        token_url="https://a.test/token",
        scopes=("read", "write"),
    )
    key = Login(kind=LoginKind.API_KEY, secret="key", location=ParameterLocation.HEADER, parameter="X-Key")
    for each, words in (
        (
            login,
            "OAUTH2_PASSWORD, scheme oauth, user ada, client plog, named in the body, token from https://a.test/token, "
            "scopes read write, secret password, client's secret of_client",
        ),
        (key, "API_KEY, header X-Key, secret key"),
    ):
        definition = replace(run.definition, login=each, seed=7, fills_optional=True)
        facts = dict(run_report(replace(run, definition=definition), [], [], None).facts)
        assert (facts["Login"], facts["Made values"]) == (words, "by seed 7, with what is optional")


def test_all_panels_have_one_time_axis() -> None:
    (plot,) = [each.plot for each in run_report(*PLAIN).sections if each.plot is not None]
    assert [panel.title for panel in plot.panels] == ["TPS", "Response time", "Error rate", "Virtual users", "CPU", "Memory"]
    assert (plot.first, plot.count, plot.last) == (BEGIN, 40, BEGIN + 200)
    assert {len(line.values) for panel in plot.panels for line in panel.lines} == {40}
    assert plot.panels[4].lines[0].values[:2] == (None, 501.0)


def test_what_k6_judged_for_an_older_version_is_said_to_be_k6s() -> None:
    said = {"http_req_duration{scenario:s1}": {"count": 5, "thresholds": {"p(95.0)<=900.0": True}}}
    old = replace(PLAIN[0], judged=(), summary={"k6": "1.1.0", "metrics": said})
    (section,) = [each for each in run_report(old, *PLAIN[1:]).sections if each.title == "Thresholds"]
    assert section.table is not None and section.table.bad == {1}
    assert [(row[0], row[-1]) for row in section.table.rows] == [("not measured", "–"), ("MISSED", "–")]
    assert section.notes == (JUDGED_BY_K6,) and "k6" in JUDGED_BY_K6
    never_begun = replace(old, status=RunStatus.ABORTED, summary={})
    (section,) = [each for each in run_report(never_begun, [], [], None).sections if each.title == "Thresholds"]
    assert section.table is not None and {row[0] for row in section.table.rows} == {"not measured"}
    assert section.notes == (JUDGED_BY,)


def test_a_run_that_never_began_says_so() -> None:
    run = load_test_run(status=RunStatus.ABORTED, message="Stopped by ada before its turn came.", started_at=None)
    report = run_report(run, [], [], None)
    notes = {each.title: " ".join(each.notes) for each in report.sections}
    assert notes["Over time"] == "No window was measured." and notes["Figures"] == "No request was measured."
    assert notes["Thresholds"] == "Nothing was judged: the load test has none." and "not been analysed" in notes["Analysis"]
    assert "svg" not in {tag for tag, _ in Page(html_report(report)).tags}
    assert "**ABORTED** Stopped by ada" in markdown_report(report).decode()


def test_what_was_not_measured_of_resources_is_said_and_not_drawn() -> None:
    run, parts, usages, _ = PLAIN
    only_memory = [replace(each, cpu_millicores=None) for each in usages]
    (over_time,) = [each for each in run_report(run, parts, only_memory, None).sections if each.plot is not None]
    assert over_time.plot is not None and [panel.title for panel in over_time.plot.panels][-1] == "Memory"
    assert "CPU of what is under test was not measured." in over_time.notes


def many(count: int) -> Iterator[ResourceUsage]:
    for place in range(count):
        for pod in range(8):
            yield ResourceUsage(
                start=BEGIN + SECONDS * place,
                pod=f"pod-{pod}",
                sampled_at=AT + timedelta(seconds=place),
                cpu_millicores=100.0 * pod,
                memory_bytes=1,
                specs=PodSpecs(),
            )


def test_thousands_of_windows_and_many_pods_are_thinned_out() -> None:
    count = 4000
    run, parts = load_test_run(), [MetricWindow(BEGIN + SECONDS * place, "s1", 1, failed=0) for place in range(count)]
    parts[1234].times.add(60_000)
    report = run_report(run, parts, list(many(count)), None)
    (over_time,) = [each for each in report.sections if each.plot is not None]
    assert "CPU: of 8 pods the 6 that used most are drawn." in over_time.notes
    page = html_report(report)
    assert len(page) < 150_000 and b"60,000" in page
    assert max(map(len, markdown_report(report).decode().splitlines())) < 160


@pytest.mark.parametrize(
    ("executor", "words"),
    [
        (ramp(60, 20), "from 0 VUs to 20 within 60 s"),
        (
            Executor(kind=ExecutorKind.CONSTANT_ARRIVAL_RATE, rate=5, duration=90, vus=10, max_vus=50),
            "5 iterations every 1 s for 90 s, with at most 50 VUs",
        ),
        (Executor(kind=ExecutorKind.SHARED_ITERATIONS, iterations=1000, vus=3), "1,000 iterations shared by 3 VUs"),
        (Executor(kind=ExecutorKind.PER_VU_ITERATIONS, iterations=7, vus=3), "7 iterations by each of 3 VUs"),
        (
            Executor(kind=ExecutorKind.RAMPING_VUS, stages=tuple(Stage(duration=1, target=each) for each in range(9))),
            "from 0 VUs " + ", ".join(f"to {each} within 1 s" for each in range(6)) + ", 3 more stages",
        ),
    ],
)
def test_a_load_in_words(executor: Executor, words: str) -> None:
    report = run_report(load_test_run(scenario(executor)), [], [], None)
    table = report.sections[-1].table
    assert table is not None and table.rows == (("browse", "GET /", words),)


@settings(max_examples=500)
@given(TEXTS)
def test_a_text_stands_by_itself_in_markdown(text: str) -> None:
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(plain(text))
    assert [token.type for token in tokens] in ([], ["paragraph_open", "inline", "paragraph_close"])
    inner = [part for token in tokens for part in token.children or ()]
    assert {part.type for part in inner} <= {"text", "text_special"}
    if text.isprintable():
        assert "".join(part.content for part in inner).split() == text.split()
