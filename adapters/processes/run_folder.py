"""The run folder of one attempt as its runner sees it: what was ordered, who holds the lock, how far things have come.

Everything that has to survive a crash is a file here; steps/shim/shim_folder.py is the same folder from the shim's side.
"""

import errno
import fcntl
import json
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID, uuid4

from domain.attempt import AttemptKey, Cause, Ending
from domain.runner import EndReason, LaunchOrder

REMOVED = ".removed"
NO_FILE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO, errno.EACCES, errno.EPERM})


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The folder `root/JOB-ID/NUMBER` of the attempt `key`."""

    root: Path
    key: AttemptKey

    @property
    def path(self) -> Path:
        """Where it is."""
        return self.root / str(self.key.job_id) / str(self.key.number)

    @property
    def exists(self) -> bool:
        """Whether anything was ever written for this attempt."""
        return self.path.is_dir()

    @property
    def is_begun(self) -> bool:
        """Whether a shim has begun the attempt: from then on it must never be begun again."""
        return (self.path / "started.json").exists()

    @property
    def last_shim_output(self) -> str:
        """The last line that a shim printed: why it could not begin."""
        lines = (self.path / "shim.log").read_text("utf-8", "replace").split("\n")
        return next((line for line in reversed(lines) if line.strip()), "it printed nothing")

    @property
    def has_unsent_reports(self) -> bool:
        """Whether the attempt is over, and the server still has to be told something of it."""
        record = _read(self.path / "exit.json")
        cursor = _read(self.path / "cursor.json") or {"accepted": 0, "closed": False}
        return record is not None and not cursor["closed"] and bool(cursor["accepted"] < record["reports"])

    @property
    def ending(self) -> Ending | None:
        """How the attempt ended; None while it has not."""
        record = _read(self.path / "exit.json")
        if record is None:
            return None
        return Ending(
            exit_code=record["exitCode"],
            reports=record["reports"],
            cause=None if record["cause"] is None else Cause(record["cause"]),
            message=record["message"],
            details=record["details"],
        )

    def write_order(self, order: LaunchOrder, options: Mapping[str, Any]) -> None:
        """Put down what the shim is to run; only the owner may read it, as it holds the attempt's token."""
        limits = order.limits
        document = {
            "attempt": str(order.key),
            "subject": str(order.subject),
            "command": list(order.command),
            "environment": dict(order.environment),
            "workingData": order.working_data,
            "serverUrl": order.server_url,
            "token": order.token,
            "graceSeconds": order.grace_seconds,
            "limits": {
                "timeSeconds": limits.time_seconds,
                "warningSeconds": limits.warning_seconds,
                "memoryBytes": limits.memory_bytes,
                "cpuCores": limits.cpu_cores,
            },
            **options,
            "maxReports": max(limits.reports, options["maxReports"]),
        }
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_json(self.path / "order.json", document)
        for parent in (self.path.parent, self.root):
            _sync_folder(parent)

    def renew_access(self, server_url: str, token: str) -> None:
        """Put another address and token into the order; the shim reads both before each of its calls."""
        order = _read(self.path / "order.json")
        if order is not None:
            write_json(self.path / "order.json", {**order, "serverUrl": server_url, "token": token})

    def write_end(self, reason: EndReason, grace_seconds: float) -> None:
        """Ask the shim to end the attempt. A file and no signal: a process id may be somebody else's by now."""
        write_json(self.path / "end.json", {"reason": reason.value, "graceSeconds": grace_seconds})

    @contextmanager
    def lock(self) -> Iterator[int | None]:
        """The folder's lock as an open descriptor; None where it is held (by the attempt's shim) or the folder is gone.

        The lock belongs to the open file, so a process that inherits the descriptor goes on holding it after the context.
        """
        try:
            descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            yield None
            return
        try:
            yield descriptor if _try_lock(descriptor, fcntl.LOCK_EX) and self._is_current(descriptor) else None
        finally:
            os.close(descriptor)

    def is_locked(self) -> bool:
        """Whether a shim holds the lock. Asked by a shared lock, so that two who ask don't take each other for one."""
        try:
            descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            return not _try_lock(descriptor, fcntl.LOCK_SH)
        finally:
            os.close(descriptor)

    def open_log(self) -> BinaryIO | None:
        """What the attempt has written; None where that is no file: a pipe that its step has put there would never open.

        OSError where it can't be opened now, as with too many open files.
        """
        try:
            descriptor = os.open(self.path / "output.log", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            if error.errno in NO_FILE:
                return None
            raise
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            return None
        return os.fdopen(descriptor, "rb")

    def detach(self) -> Path:
        """Take the folder out of the runs in one step and give its new place, so that half a removal is never taken for a run."""
        grave = self.root / REMOVED / uuid4().hex
        grave.parent.mkdir(exist_ok=True)
        self.path.rename(grave)
        return grave

    def _is_current(self, descriptor: int) -> bool:
        """Whether the lock file is still the one in the folder: the folder may have been detached before the lock was taken."""
        try:
            return os.path.samestat(os.fstat(descriptor), (self.path / "lock").stat())
        except FileNotFoundError:
            return False


def run_folders(root: Path) -> Iterator[RunFolder]:
    """All run folders below `root`."""
    for path in root.glob("*/*/"):
        try:
            key = AttemptKey(UUID(path.parent.name), int(path.name))
        except ValueError:
            continue
        folder = RunFolder(root, key)
        if folder.path == path:
            yield folder


def lasting_id(root: Path) -> str:
    """The id of the runner whose data folder this is, made at the first call; the same for all who ask at the same moment."""
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = root / "runner.json"
    if not file.exists():
        draft = root / f".runner.json.{uuid4().hex}"
        write_json(draft, {"id": str(uuid4())})
        try:
            os.link(draft, file)  # unlike a rename it never replaces what another wrote first
            _sync_folder(root)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return str(json.loads(file.read_text("utf-8"))["id"])


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Put the document in place of the file in one step that survives a crash; readable by the owner alone."""
    draft = path.with_name(f".{path.name}.{uuid4().hex}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(document, file, ensure_ascii=False)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        document: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    return document


def _try_lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
