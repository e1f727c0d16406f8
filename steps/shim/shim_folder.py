"""The run folder as the shim sees it: every fact about an attempt is a file, written so that a crash leaves it whole or absent.

The runner (adapters/processes/run_folder.py) reads and writes the same names from its side; docs/steps.md describes
what a step sees of them.
"""

import errno
import json
import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

CHUNK = 1 << 16
GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENXIO, errno.EACCES, errno.EPERM})


@dataclass(frozen=True, slots=True)
class EndRequest:
    """Somebody wants the attempt to end: `reason` is CANCELLED or INTERRUPTED, `stamp` tells one request from the next."""

    reason: str
    grace_seconds: float
    stamp: tuple[int, int]


class ShimFolder:
    """Paths and records of one attempt's run folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.work = root / "work"
        self.inputs = root / "inputs"
        self.output = root / "output"
        self.temporary = root / "tmp"
        self.downloads = root / "downloads"
        self.reports = root / "reports.jsonl"
        self.log = root / "output.log"
        self.input_document = root / "input.json"

    def prepare(self) -> None:
        """Make the folders and files that a step finds."""
        for folder in (self.work, self.inputs, self.output, self.temporary, self.downloads):
            folder.mkdir(exist_ok=True)
        for file in (self.reports, self.log):
            file.touch(mode=0o600)

    def order(self) -> dict[str, Any]:
        """What to run, as the runner wrote it; FileNotFoundError where it did not."""
        return json_object(self.root / "order.json")

    def started(self) -> dict[str, Any] | None:
        """What was recorded when the attempt was begun; None where it never was."""
        return json_object_or_none(self.root / "started.json")

    def write_started(self, record: Mapping[str, Any]) -> None:
        """Record that the attempt was begun; from then on nothing may begin it again."""
        write_json(self.root / "started.json", record)

    def exit_record(self) -> dict[str, Any] | None:
        """How the attempt ended; None while it has not."""
        return json_object_or_none(self.root / "exit.json")

    def write_exit(self, record: Mapping[str, Any]) -> None:
        """Record how the attempt ended, for good."""
        write_json(self.root / "exit.json", record)

    def end_request(self, seen: tuple[int, int] | None = None) -> EndRequest | None:
        """The request to end; None where there is none, or only the one with the stamp `seen`."""
        path = self.root / "end.json"
        try:
            status = path.stat()
        except FileNotFoundError:
            return None
        stamp = (status.st_mtime_ns, status.st_ino)
        if stamp == seen:
            return None
        document = json_object(path)
        return EndRequest(str(document["reason"]), float(document["graceSeconds"]), stamp)

    def cursor(self) -> dict[str, Any]:
        """How far the server has taken the reports: `accepted` lines, ending at byte `offset`; `closed`: it wants no more."""
        return json_object_or_none(self.root / "cursor.json") or {"accepted": 0, "offset": 0, "closed": False}

    def write_cursor(self, cursor: Mapping[str, Any]) -> None:
        """Remember how far the server has taken the reports."""
        write_json(self.root / "cursor.json", cursor)

    def hold_log(self, limit: int) -> None:
        """Drop what the log has beyond `limit` bytes, but for one byte that tells of more. Whoever appends goes on."""
        with suppress(OSError), open_file(self.log, os.O_WRONLY) as log:  # the log is not worth an attempt
            if os.fstat(log.fileno()).st_size > limit + 1:
                log.truncate(limit + 1)

    def add_to_log(self, text: str) -> None:
        """Tell whoever reads the log something."""
        with suppress(OSError), open_file(self.log, os.O_WRONLY | os.O_APPEND) as log:
            log.write(text.encode("utf-8", "replace"))


def open_file(path: Path, flags: int = os.O_RDONLY) -> BinaryIO:
    """Open the regular file that stands there, without waiting; FileNotFoundError for anything else and for what we may not open.

    The step can put in its place what it likes: a folder, a link to elsewhere, a pipe that keeps whoever opens it waiting. A file
    of which it took the modes away is its own still.
    """
    how = flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        try:
            descriptor = os.open(path, how)
        except PermissionError:
            if not stat.S_ISREG(path.lstat().st_mode):
                raise
            path.chmod(0o600)
            descriptor = os.open(path, how)
    except OSError as error:
        if error.errno in GONE:
            raise FileNotFoundError(errno.ENOENT, f"it can't be opened: {error.strerror}", str(path)) from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileNotFoundError(errno.ENOENT, "it is no file", str(path))
    mode = {os.O_RDONLY: "rb", os.O_WRONLY: "wb", os.O_RDWR: "rb+"}[flags & os.O_ACCMODE]
    return cast(BinaryIO, os.fdopen(descriptor, mode))


def json_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file; FileNotFoundError or ValueError where there is none."""
    document = json.loads(path.read_text("utf-8"))
    if not isinstance(document, dict):
        raise ValueError(f"{path.name} holds no JSON object")
    return document


def json_object_or_none(path: Path) -> dict[str, Any] | None:
    """The same; None where the file is absent."""
    try:
        return json_object(path)
    except FileNotFoundError:
        return None


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Put the document in place of the file in one step that survives a crash: write beside it, sync, rename, sync the folder."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(document, file, ensure_ascii=False)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a crash of the machine."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
