"""Sending what a step reported: in order, each line once, for as long as it takes.

The step's file is the spool and its line numbers are the sequence numbers, so nothing has to be copied before it is safe.
How far the server has taken the lines stands in `cursor.json`. Whoever starts from an older cursor sends some lines again,
and gets the answers of the first time. Standard library only.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Event, Thread
from typing import Any, NamedTuple

from steps.shim.http_exchange import Backoff, Rejected, Unreachable
from steps.shim.report_lines import MAX_LINE_BYTES, SHOWN, artifact_missing, note, report_of, shown
from steps.shim.server_client import SUPERSEDED, ServerClient, Superseded, digest
from steps.shim.shim_folder import ShimFolder, open_file

LOG = logging.getLogger(__name__)
POLL_SECONDS = 0.05
MAX_REPORTS = 200
MAX_BATCH_BYTES = 256 * 1024


class Line(NamedTuple):
    """A complete line of the spool without its newline (an overlong one cut), and the offset of the byte after it."""

    raw: bytes
    end: int


class ReportsLost(Exception):
    """The spool ends before its last line."""


class ReportClient(Thread):
    """Sends the lines of a run folder's spool until `finish` was called and all were accepted, or the server wants no more.

    Lines after number `limit` are left alone. `superseded` is set when the server wants no more, `has_lost_lines` when lines that
    `finish` promised are not there any more.
    """

    def __init__(self, folder: ShimFolder, server: ServerClient, limit: int) -> None:
        super().__init__(name="reports", daemon=True)
        self.superseded = Event()
        self.has_lost_lines = Event()
        self._folder = folder
        self._server = server
        cursor = folder.cursor()
        self._is_closed: bool = cursor["closed"]
        self._accepted: int = cursor["accepted"]
        self._offset: int = cursor["offset"]
        self._limit = limit
        self._total: int | None = None
        self._wake = Event()
        self._most = MAX_REPORTS
        self._digests: dict[tuple[str, int, int, int], tuple[str, int]] = {}
        self._last_answer = time.monotonic()
        self._failing_since: float | None = None

    def finish(self, total: int) -> None:
        """No line after number `total` will come; the time without an answer counts from now."""
        self._total = total
        self._last_answer = time.monotonic()
        self._wake.set()

    @property
    def silent_seconds(self) -> float:
        """How long ago the server last took something."""
        return time.monotonic() - self._last_answer

    @property
    def failing_seconds(self) -> float:
        """For how long every call has failed; 0 while one is under way after a success."""
        since = self._failing_since
        return 0.0 if since is None else time.monotonic() - since

    def run(self) -> None:
        """Send; called by `start`."""
        if self._is_closed:
            self.superseded.set()
            return
        backoff = Backoff()
        while self._total is None or self._accepted < self._total:
            try:
                has_sent = self._advance()
            except Superseded as error:
                LOG.warning("the server wants no more of this attempt: %s", error)
                self._write_cursor(closed=True)
                self.superseded.set()
                return
            except ReportsLost as error:
                LOG.error("reports are lost: %s", error)
                self.has_lost_lines.set()
                return
            except Exception as error:  # whatever goes wrong, the reports must arrive: later is better than never
                LOG.warning("reports: %s: %s", type(error).__name__, error, exc_info=not isinstance(error, Unreachable))
                self._failing_since = self._failing_since or time.monotonic()
                self._pause(backoff.pause())
                continue
            self._failing_since = None
            backoff.reset()
            if not has_sent:
                self._pause(POLL_SECONDS)

    def _pause(self, seconds: float) -> None:
        self._wake.wait(seconds)
        self._wake.clear()

    def _advance(self) -> bool:
        """Send what is there, up to one batch; whether anything was."""
        total = self._total
        most = min(self._most, (self._limit if total is None else total) - self._accepted)
        lines = read_lines(self._folder.reports, self._offset, most)
        if not lines:
            if total is not None:
                raise ReportsLost(f"line {self._accepted + 1} of {total} is not in the spool any more")
            return False
        reports = self._prepared(lines)
        try:
            results = self._server.send_reports(reports)
        except Rejected as error:
            results = self._resend_smaller(lines, reports, error)
        self._take(lines, reports, results)
        return True

    def _prepared(self, lines: Sequence[Line]) -> list[dict[str, Any]]:
        """Reports for the first lines, up to before the next artifact: what came before it is not to wait for its upload."""
        reports: list[dict[str, Any]] = []
        for sequence, line in enumerate(lines, start=self._accepted + 1):
            report = report_of(line.raw, self._server.subject)
            if "artifact" in report:
                if reports:
                    break
                report = self._with_content(report)
            reports.append({"sequence": sequence, **report})
        return reports

    def _with_content(self, report: dict[str, Any]) -> dict[str, Any]:
        """The artifact's report with checksum and size, its content stored; a note where it can't be kept."""
        name = report["artifact"]["name"]
        file = output_file(self._folder.output, name)
        if file is None:
            return artifact_missing(name, "there is no such file in PLOG_OUTPUT")
        if len(name) > SHOWN:
            return artifact_missing(name, f"its name is {len(name)} characters long; {SHOWN} are allowed")
        try:
            sha256, size = self._stored(name, file)
        except PermissionError:
            return artifact_missing(name, "its file can't be read")
        except Rejected as error:
            return artifact_missing(name, str(error))
        self._last_answer = time.monotonic()
        return {**report, "artifact": {**report["artifact"], "sha256": sha256, "size": size}}

    def _stored(self, name: str, file: Path) -> tuple[str, int]:
        """Store the content of a file; its checksum and size. `Rejected` where the server does not take it."""
        status = file.stat()
        version = (name, status.st_ino, status.st_mtime_ns, status.st_size)
        if version not in self._digests:
            self._digests[version] = digest(file)
        sha256, size = self._digests[version]
        try:
            self._server.upload(file, sha256, size)
        except Rejected as error:
            if digest(file) != (sha256, size):
                raise Unreachable(f"{name} was changed while it was sent") from error
            raise
        return sha256, size

    def _resend_smaller(self, lines: Sequence[Line], reports: list[dict[str, Any]], error: Rejected) -> list[dict[str, Any]]:
        """Find the one report for which the server can't read the whole request, and send a note in its place.

        If it does not take the note either, the fault is not the report's: all is tried again later.
        """
        if len(reports) > 1:
            self._most = max(1, len(reports) // 2)
            return []
        replacement = note({"rejectedReport": shown(lines[0].raw), "reason": shown(str(error).encode("utf-8", "replace"))})
        try:
            return self._server.send_reports([{"sequence": reports[0]["sequence"], **replacement}])
        except Rejected as again:
            raise Unreachable(f"not even a note is taken: {again}") from again

    def _take(self, lines: Sequence[Line], reports: Sequence[dict[str, Any]], results: Sequence[Mapping[str, Any]]) -> None:
        """Move the cursor over the reports that are used up, and act on the first that is not."""
        answers = {result.get("sequence"): result for result in results}
        before = self._accepted
        stopped: Mapping[str, Any] | None = None
        for line, report in zip(lines, reports, strict=False):
            answer = answers.get(report["sequence"])
            if answer is None or not answer.get("consumed"):
                stopped = answer
                break
            self._log_refusal(answer)
            self._accepted, self._offset = report["sequence"], line.end
        if self._accepted > before:
            self._write_cursor()
            self._last_answer = time.monotonic()
        if stopped is not None:
            self._stop_at(stopped, self._accepted == before)
        elif results:
            self._most = min(2 * self._most, MAX_REPORTS)

    def _stop_at(self, answer: Mapping[str, Any], is_first: bool) -> None:
        if answer.get("code") == SUPERSEDED:
            raise Superseded(str(answer.get("message")))
        if answer.get("code") == "SEQUENCE_GAP" and is_first:
            self._accepted, self._offset = 0, 0  # the server has less than it said: it gets everything again
            self._write_cursor()
        raise Unreachable(f"report {answer.get('sequence')} was not taken: {answer.get('code')} {answer.get('message')}")

    def _log_refusal(self, answer: Mapping[str, Any]) -> None:
        """Tell whoever reads the step's log that a report of it had no effect."""
        if answer.get("state") == "REFUSED":
            reason = f"{answer.get('code')}: {answer.get('message')}"
            self._folder.add_to_log(f"[plog] report {answer.get('sequence')} was refused: {reason}\n")

    def _write_cursor(self, *, closed: bool = False) -> None:
        self._folder.write_cursor({"accepted": self._accepted, "offset": self._offset, "closed": closed})


def read_lines(file: Path, offset: int, most: int) -> list[Line]:
    """Up to `most` complete lines from `offset` on, about 256 KiB at most; a line still being written is not there yet."""
    lines: list[Line] = []
    try:
        opened = open_file(file)
    except FileNotFoundError:
        return lines
    with opened as spool:
        spool.seek(offset)
        begin = offset
        while len(lines) < most and spool.tell() - begin < MAX_BATCH_BYTES:
            raw = part = spool.readline(MAX_LINE_BYTES + 1)
            while part and not part.endswith(b"\n"):
                part = spool.readline(MAX_LINE_BYTES + 1)
            if not part:
                break
            lines.append(Line(raw.removesuffix(b"\n"), spool.tell()))
    return lines


def output_file(folder: Path, name: str) -> Path | None:
    """The regular file of that name in the folder; None where it is missing or really lies elsewhere."""
    try:
        root = folder.resolve(strict=True)
        file = (root / name).resolve(strict=True)
        return file if file.is_file() and file.is_relative_to(root) else None
    except (OSError, RuntimeError, ValueError):  # a loop of links; a name that no file can have
        return None
