"""The file to which a step appends its reports, one a line, and how many of them count. Standard library only."""

import os
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from steps.shim.shim_folder import CHUNK, open_file


class ReportSpool:
    """The spool `path`, of which the first `limit` lines count.

    A limit, because an attempt is settled only when the server has stored its last report: without one, a step that reports
    as fast as it can would keep whoever cancels it waiting for hours.
    """

    def __init__(self, path: Path, limit: int) -> None:
        self.limit = limit
        self._path = path
        self._lines = 0
        self._seen = 0

    def is_over(self) -> bool:
        """Whether more lines than the limit were written. Cheap to ask often: it reads what was appended since."""
        with suppress(OSError), open_file(self._path) as file:  # the step may have removed it
            file.seek(self._seen)
            while chunk := file.read(CHUNK):
                self._lines += chunk.count(b"\n")
                self._seen += len(chunk)
        return self._lines > self.limit

    def seal(self, sent: int = 0, offset: int = 0) -> int | None:
        """The number of lines that count, for good; what comes after them is cut off. To be called when no writer is left.

        None where the file is gone, or the `sent` lines that the server has taken, up to byte `offset`. A last line without
        a newline gets one: if it is whole it counts as the report it is, and if it was torn it becomes a note about a malformed
        line (steps/shim/report_lines.py), so that nothing disappears silently. Sealing again changes nothing.
        """
        try:
            opened = open_file(self._path, os.O_RDWR)
        except FileNotFoundError:
            return None
        with opened as file:
            if _counted(file, offset) != (sent, offset, b"\n"):
                return None
            lines, end, last = sent, offset, b"\n"
            while lines < self.limit and (chunk := file.read(CHUNK)):
                left = self.limit - lines
                if chunk.count(b"\n") >= left:
                    chunk = chunk[: len(chunk) - len(chunk.split(b"\n", left)[left])]
                lines += chunk.count(b"\n")
                end += len(chunk)
                last = chunk[-1:]
            file.truncate(end)
            file.seek(end)
            if last != b"\n":
                file.write(b"\n")
                lines += 1
            file.flush()
            os.fsync(file.fileno())
        return lines


def _counted(file: BinaryIO, size: int) -> tuple[int, int, bytes]:
    """Lines and bytes in the next `size` bytes, or in what there is of them, and the last byte; a newline where there is none."""
    lines, read, last = 0, 0, b"\n"
    while read < size and (chunk := file.read(min(size - read, CHUNK))):
        lines += chunk.count(b"\n")
        read += len(chunk)
        last = chunk[-1:]
    return lines, read, last
