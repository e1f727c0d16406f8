"""A run's report as one HTML page that needs nothing else, for screens and paper.

The page is built as a tree and written out at the end, so that no text of a user or a document can be taken for markup. It has no
script, and its own policy forbids it to load anything.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from xml.etree.ElementTree import Element, SubElement, tostring

from domain.run_report import RunReport, Section, Table
from domain.time_plot import Panel, PlotLine, TimePlot, level_ticks, thinned, time_ticks

POLICY = "default-src 'none'; style-src 'unsafe-inline'"
STYLE = """
:root { color-scheme: light; }
body { font: 14px/1.45 system-ui, sans-serif; color: #1b1f24; background: #fff; }
body { max-width: 960px; margin: 24px auto; padding: 0 16px; }
h1 { font-size: 24px; line-height: 1.25; margin: 0 0 8px; overflow-wrap: anywhere; }
h2 { font-size: 16px; margin: 28px 0 8px; padding-bottom: 4px; border-bottom: 1px solid #d0d7de; break-after: avoid; }
p { margin: 6px 0; overflow-wrap: anywhere; }
.verdict { display: inline-block; font-weight: 600; padding: 2px 10px; border-radius: 4px; color: #fff; background: #6e5a00; }
.PASSED { background: #1a6f37; }
.FAILED, .ERROR, .INVALID { background: #b3261e; }
.note { color: #57606a; break-after: avoid; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 16px; margin: 12px 0; }
dt { color: #57606a; }
dd { margin: 0; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; font-size: 13px; }
th, td { text-align: right; vertical-align: top; padding: 4px 8px; border-bottom: 1px solid #e4e8ec; }
td { font-variant-numeric: tabular-nums; }
th { color: #57606a; font-weight: 600; vertical-align: bottom; }
.label { text-align: left; overflow-wrap: anywhere; }
.short { white-space: nowrap; }
.bad td { background: #fdecea; }
.bad td:first-child { font-weight: 600; color: #b3261e; }
svg { display: block; width: 100%; height: auto; break-inside: avoid; }
svg text { font: 11px system-ui, sans-serif; fill: #57606a; }
svg .title { font-weight: 600; fill: #1b1f24; }
@page { size: A4; margin: 14mm; }
@media print {
  body { max-width: none; margin: 0; padding: 0; font-size: 11px; }
  table { font-size: 10px; }
  th, td { padding: 2px 5px; }
  tr, dl { break-inside: avoid; }
  thead { display: table-header-group; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""
UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
COLOURS = ("#0969b4", "#d9730d", "#8250a8", "#1a7f4b", "#b3261e", "#6b7280")
WIDTH, LEFT, RIGHT = 930, 58, 24
HEAD, HEIGHT, GAP, FOOT, LEGEND_LINE = 20, 92, 16, 20, 15
LEGEND_LEFT = LEFT + 170
MOST_NAME = 30
MOST_UNBROKEN = 20
CHARACTER = 6.4  # the width of one in a legend, on average


def html_report(report: RunReport) -> bytes:
    """The page; the same report gives the same bytes."""
    page = Element("html", {"lang": "en"})
    head = SubElement(page, "head")
    SubElement(head, "meta", {"charset": "utf-8"})
    SubElement(head, "meta", {"http-equiv": "Content-Security-Policy", "content": POLICY})
    SubElement(head, "meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"})
    _text(head, "title", report.title)
    SubElement(head, "style").text = STYLE
    body = SubElement(page, "body")
    _text(body, "h1", report.title)
    lead = SubElement(body, "p")
    verdict = _text(lead, "span", report.status.value, {"class": f"verdict {report.status.value}"})
    verdict.tail = _printable(f" {report.message}")
    facts = SubElement(body, "dl")
    for name, fact in report.facts:
        _text(facts, "dt", name)
        _text(facts, "dd", fact)
    for section in report.sections:
        _section(body, section)
    written: str = tostring(page, encoding="unicode", method="html")
    return f"<!DOCTYPE html>\n{written}\n".encode()


def _section(body: Element, section: Section) -> None:
    part = SubElement(body, "section")
    _text(part, "h2", section.title)
    for note in section.notes:
        _text(part, "p", note, {"class": "note"})
    if section.table is not None:
        _table(part, section.table)
    if section.plot is not None:
        _plot(part, section.plot)


def _table(part: Element, table: Table) -> None:
    found = SubElement(part, "table")
    _row(SubElement(SubElement(found, "thead"), "tr"), "th", table.heads, table.labels)
    body = SubElement(found, "tbody")
    for place, row in enumerate(table.rows):
        _row(SubElement(body, "tr", {"class": "bad"} if place in table.bad else {}), "td", row, table.labels)


def _row(row: Element, tag: str, texts: Iterable[str], labels: int) -> None:
    for place, text in enumerate(texts):
        is_short = len(text) <= MOST_UNBROKEN
        _text(row, tag, text, {"class": "label short" if is_short else "label"} if place < labels else {})


def _text(parent: Element, tag: str, text: str, attributes: dict[str, str] | None = None) -> Element:
    found = SubElement(parent, tag, attributes or {})
    found.text = _printable(text)
    return found


def _printable(text: str) -> str:
    """Without what HTML has no place for."""
    return UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def _plot(part: Element, plot: TimePlot) -> None:
    """All panels in one picture, so that one moment stands at one place in each of them."""
    tops: list[float] = []
    bottom = 0.0
    for panel in plot.panels:
        tops.append(bottom + HEAD + LEGEND_LINE * (_legend_lines(panel) - 1))
        bottom = tops[-1] + HEIGHT + GAP
    names = ", ".join(panel.title for panel in plot.panels)
    picture = SubElement(
        part,
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"0 0 {WIDTH} {bottom + FOOT:g}",
            "role": "img",
            "aria-label": f"Over time: {names}",
        },
    )
    ticks = [(_across(plot, second), second) for second in time_ticks(plot.first, plot.last)]
    form = "%H:%M" if all(second % 60 == 0 for _, second in ticks) else "%H:%M:%S"
    for panel, top in zip(plot.panels, tops, strict=True):
        _panel(picture, plot, panel, top, [x for x, _ in ticks])
    for x, second in ticks:
        label = datetime.fromtimestamp(second, UTC).strftime(form)
        _label(picture, x, bottom + 4, label, "middle")


def _panel(picture: Element, plot: TimePlot, panel: Panel, top: float, ticks: Sequence[float]) -> None:
    levels = level_ticks(panel.greatest or (1.0 if panel.unit else 0.01))
    right, floor = WIDTH - RIGHT, top + HEIGHT
    for x in ticks:
        _straight(picture, (x, top), (x, floor), "#e9ecef")
    digits = max(0, *(len(f"{level * (100 if not panel.unit else 1):g}".partition(".")[2]) for level in levels))
    for level in levels:
        y = floor - HEIGHT * level / levels[-1]
        _straight(picture, (LEFT, y), (right, y), "#8c959f" if level == 0 else "#e0e4e8")
        _label(picture, LEFT - 6, y + 4, f"{level:,.{digits}f}" if panel.unit else f"{100 * level:.{digits}f} %", "end")
    head = top - HEAD + 14 - LEGEND_LINE * (_legend_lines(panel) - 1)
    unit = f", {panel.unit}" if panel.unit and panel.unit.lower() not in panel.title.lower() else ""
    _label(picture, LEFT, head, panel.title + unit, "start", "title")
    for place, line in enumerate(panel.lines):
        colour = COLOURS[place % len(COLOURS)]
        shape = {"fill": "none", "stroke": colour, "stroke-width": "1.4", "stroke-linecap": "round", "stroke-linejoin": "round"}
        SubElement(picture, "path", {"d": _path(plot, line, floor, levels[-1]), **shape})
        if _has_legend(panel):
            in_line = _legend_columns(panel)
            x, y = LEGEND_LEFT + _legend_width(panel) * (place % in_line), head + LEGEND_LINE * (place // in_line)
            _straight(picture, (x, y - 4), (x + 16, y - 4), colour, 2.5)
            _label(picture, x + 21, y, _short(line.name), "start")


def _path(plot: TimePlot, line: PlotLine, floor: float, most: float) -> str:
    """From window to window; a lone one is a dot, and where nothing is known nothing is drawn."""
    parts: list[str] = []
    is_drawing = False
    for place, value in thinned(line.values):
        if value is not None:
            x = _across(plot, plot.first + (place + 0.5) * plot.seconds)
            parts.append(f"{'L' if is_drawing else 'M'}{x:.1f} {floor - HEIGHT * value / most:.1f}{'' if is_drawing else 'h0'}")
        is_drawing = value is not None
    return "".join(parts)


def _across(plot: TimePlot, second: float) -> float:
    return LEFT + (WIDTH - RIGHT - LEFT) * (second - plot.first) / (plot.last - plot.first)


def _straight(picture: Element, start: tuple[float, float], end: tuple[float, float], colour: str, width: float = 1) -> None:
    (x1, y1), (x2, y2) = start, end
    shape = {"d": f"M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}", "stroke": colour, "stroke-width": f"{width:g}", "fill": "none"}
    SubElement(picture, "path", shape)


def _label(picture: Element, x: float, y: float, text: str, anchor: str, kind: str = "") -> None:
    attributes = {"x": f"{x:.1f}", "y": f"{y:.1f}", "text-anchor": anchor}
    _text(picture, "text", text, {**attributes, "class": kind} if kind else attributes)


def _has_legend(panel: Panel) -> bool:
    """Not where the only line is what the title says."""
    return len(panel.lines) > 1 or any(" of " in line.name for line in panel.lines)


def _legend_width(panel: Panel) -> float:
    return 36 + CHARACTER * max(len(_short(line.name)) for line in panel.lines)


def _legend_columns(panel: Panel) -> int:
    return max(1, int((WIDTH - RIGHT - LEGEND_LEFT) // _legend_width(panel)))


def _legend_lines(panel: Panel) -> int:
    return -(-len(panel.lines) // _legend_columns(panel)) if _has_legend(panel) else 1


def _short(name: str) -> str:
    return name if len(name) <= MOST_NAME else f"{name[: MOST_NAME - 1]}…"
