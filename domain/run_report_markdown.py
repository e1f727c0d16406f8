"""A run's report as Markdown, for pages and threads that people write.

Markdown has no pictures of its own: those of the HTML report would be files beside it, or markup that most of its readers drop.
The plots are therefore lines of block characters, which look the same wherever Markdown is read.
"""

import re
from collections.abc import Iterable, Iterator

from domain.run_report import RunReport, Section, Table
from domain.time_plot import Panel, TimePlot, peaks

COLUMNS = 60
BLOCKS = "▁▂▃▄▅▆▇█"
NOTHING = " "
MARKS = re.compile(r"[\\`*_\[\]<>#|~&$]|^[-+=](?=[-=\s]|$)")
NUMBER = re.compile(r"^(\d{1,9})([.)])(?=\s|$)")
UNWRITABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]+")


def markdown_report(report: RunReport) -> bytes:
    """The text; the same report gives the same bytes."""
    return ("\n".join(_lines(report)).rstrip() + "\n").encode()


def _lines(report: RunReport) -> Iterator[str]:
    yield f"# {plain(report.title)}"
    yield ""
    yield f"**{report.status.value}** {plain(report.message)}".rstrip()
    yield ""
    for name, fact in report.facts:
        yield f"- {name}: {plain(fact)}"
    for section in report.sections:
        yield ""
        yield f"## {section.title}"
        yield from _section(section)


def _section(section: Section) -> Iterator[str]:
    for note in section.notes:
        yield ""
        yield plain(note)
    if section.table is not None:
        yield ""
        yield from _table(section.table)
    if section.plot is not None:
        yield ""
        yield from _plot(section.plot)


def _table(table: Table) -> Iterator[str]:
    yield _row(table.heads)
    yield _row("---" if place < table.labels else "--:" for place in range(len(table.heads)))
    for row in table.rows:
        yield _row(plain(text) for text in row)


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _plot(plot: TimePlot) -> Iterator[str]:
    """A line of blocks for each line of the plot, each block the greatest of its windows."""
    lines = [(panel, line) for panel in plot.panels for line in panel.lines]
    names = [_in_fence(_name(panel, line.name)) for panel, line in lines]
    width = max(map(len, names))
    yield "Each block is the greatest of its windows, as a share of the greatest of its panel, which stands at the right."
    yield ""
    yield "```text"
    for (panel, line), name in zip(lines, names, strict=True):
        blocks = "".join(_block(value, panel.greatest) for value in peaks(line.values, COLUMNS))
        most = f"{panel.greatest:,.4g} {panel.unit}" if panel.unit else f"{100 * panel.greatest:.3g} %"
        yield f"{name:<{width}}  {blocks}  {most}"
    yield "```"


def _name(panel: Panel, name: str) -> str:
    is_told = any(word and name.casefold().startswith(word.casefold()) for word in (panel.title, panel.unit))
    return name[:1].upper() + name[1:] if is_told else f"{panel.title} {name}"


def _block(value: float | None, most: float) -> str:
    if value is None:
        return NOTHING
    return BLOCKS[min(len(BLOCKS) - 1, int(len(BLOCKS) * value / most))] if most > 0 else BLOCKS[0]


def plain(text: str) -> str:
    """A text on one line, with which Markdown does nothing, wherever it stands."""
    return NUMBER.sub(r"\1\\\2", MARKS.sub(r"\\\g<0>", _on_one_line(text)))


def _in_fence(text: str) -> str:
    return _on_one_line(text).replace("`", "'")


def _on_one_line(text: str) -> str:
    return UNWRITABLE.sub(" ", text).strip()
