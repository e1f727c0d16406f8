"""Runs attempts as processes of this machine, each under a shim of its own (steps/shim) that outlives this server.

The runner holds nothing in memory that it could lose: it starts shims and reads what they wrote. A shim holds the lock of its
run folder for life, so "alive" is a question to the kernel. The lock is taken here, before the shim is started, and handed
over; there is no moment in which an attempt runs unlocked.
"""

import asyncio
import logging
import shutil
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from os import SEEK_END
from pathlib import Path

from adapters.processes.run_folder import REMOVED, RunFolder, lasting_id, run_folders
from domain.attempt import AttemptKey
from domain.runner import EndReason, LaunchFailed, LaunchOrder, LogChunk, Observation, Presence

log = logging.getLogger(__name__)
SHIM_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", "LD_LIBRARY_PATH")
START_SECONDS = 10.0
POLL_SECONDS = 0.01


class ProcessRunner:
    """`domain.ports.Runner` on this machine.

    Args:
        folder: the folder of all runs. It belongs to this runner alone; its lasting id stands there.
        python: the interpreter for shims; the project must be installed for it.
        environment: the server's; of it shims get what `SHIM_ENVIRONMENT` names.
        request_timeout_seconds: how long a shim waits for one network operation before it tries again.
        use_control_groups: hold memory limits by control groups where the platform hands them over; else they are watched.
        log_bytes: how much of an attempt's output is kept; a last line says so where there was more.
        max_reports: how many reports an attempt may write whose order allows no more; one that writes more is ended.
    """

    def __init__(
        self,
        folder: Path,
        python: str,
        environment: Mapping[str, str],
        *,
        request_timeout_seconds: float = 20.0,
        use_control_groups: bool = True,
        log_bytes: int = 64 << 20,
        max_reports: int = 100_000,
    ) -> None:
        self._root = folder.resolve()
        self._python = python
        self._environment = {name: environment[name] for name in SHIM_ENVIRONMENT if name in environment}
        self._log_bytes = log_bytes
        self._options = {
            "requestTimeoutSeconds": request_timeout_seconds,
            "useControlGroups": use_control_groups,
            "logBytes": log_bytes,
            "maxReports": max_reports,
        }
        self._id = lasting_id(self._root)
        self._children: list[subprocess.Popen[bytes]] = []
        self._spawning = threading.Lock()
        for grave in self._root.glob(f"{REMOVED}/*"):
            _remove(grave)

    @property
    def id(self) -> str:
        """The lasting id that stands in the folder."""
        return self._id

    async def launch(self, order: LaunchOrder) -> None:
        """Start the attempt unless it was begun already; its shim is there when this returns.

        `LaunchFailed` where no shim comes up within 10 s. One that is only late is `ALIVE` to the next `observe`.
        """
        folder = RunFolder(self._root, order.key)
        deadline = time.monotonic() + START_SECONDS
        child: subprocess.Popen[bytes] | None = None
        try:
            await asyncio.to_thread(folder.write_order, order, self._options)
            while not folder.is_begun:
                # Without a child of ours, somebody else starts the shim at this moment, or only looks at the lock.
                child = child or await asyncio.to_thread(self._spawn, folder)
                if child is not None and child.poll() is not None and not folder.is_begun:
                    reason = folder.last_shim_output
                    raise LaunchFailed(f"The shim ended with code {child.returncode} at its start: {reason}")
                if time.monotonic() > deadline:
                    raise LaunchFailed(f"The shim did not start within {START_SECONDS:g} s.")
                await asyncio.sleep(POLL_SECONDS)  # no thread waits: there are few, and everything here needs one
        except OSError as error:
            raise LaunchFailed(f"No shim can be started: {error}") from error

    async def renew_access(self, key: AttemptKey, server_url: str, token: str) -> None:
        """Let the attempt reach the server at this address with this token; its shim reads both before each call."""
        await asyncio.to_thread(RunFolder(self._root, key).renew_access, server_url, token)

    async def observe(self, keys: Sequence[AttemptKey]) -> Mapping[AttemptKey, Observation]:
        """What is there of the attempts.

        Where a shim was lost, another one is started on the spot: it ends what is left, records that, and sends the reports
        on. Until that is recorded the attempt is `ALIVE`.
        """
        return await asyncio.to_thread(lambda: {key: self._observe(key) for key in keys})

    async def present(self) -> Sequence[AttemptKey]:
        """The attempts that have a run folder."""
        return await asyncio.to_thread(lambda: [folder.key for folder in run_folders(self._root)])

    async def end(self, key: AttemptKey, reason: EndReason, grace_seconds: float) -> None:
        """Ask the attempt to end; its shim hears that within about 0.1 s, also while it fetches inputs.

        `INTERRUPTED` also shortens the sending of reports after the end to 2 s without an answer, as the server goes down.
        """
        await asyncio.to_thread(self._end, key, reason, grace_seconds)

    async def read_log(self, key: AttemptKey, offset: int, limit: int) -> LogChunk:
        """Output of the attempt; empty where it has written none yet."""
        return await asyncio.to_thread(self._read_log, key, offset, limit)

    async def forget(self, key: AttemptKey) -> None:
        """Remove the run folder; a no-op while a shim runs or sends reports, or while the ending is not known."""
        await asyncio.to_thread(self._forget, key)

    def _observe(self, key: AttemptKey) -> Observation:
        self._collect_children()
        folder = RunFolder(self._root, key)
        is_alive = folder.is_locked()
        ending = folder.ending
        if not is_alive and folder.is_begun and (ending is None or folder.has_unsent_reports):
            try:
                self._spawn(folder)
            except OSError as error:
                log.warning("no shim can be started for attempt %s now: %s", key, error)
            is_alive, ending = True, folder.ending
        if ending is not None:
            return Observation(key=key, presence=Presence.ENDED, ending=ending)
        return Observation(key=key, presence=Presence.ALIVE if is_alive else Presence.ABSENT)

    def _spawn(self, folder: RunFolder) -> "subprocess.Popen[bytes] | None":
        """Start a shim that holds the folder's lock; None where the lock is held already, OSError where none can be started.

        What the shim does follows from the state of the folder (see steps/shim/__main__.py), so this can't start a step twice.
        """
        with folder.lock() as descriptor:
            if descriptor is None:
                return None
            with (folder.path / "shim.log").open("ab") as output:
                child = subprocess.Popen(
                    [self._python, "-P", "-m", "steps.shim", str(folder.path), str(descriptor)],
                    cwd=folder.path,
                    env=self._environment,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    pass_fds=(descriptor,),
                    start_new_session=True,
                )
        with self._spawning:
            self._children.append(child)
        return child

    def _collect_children(self) -> None:
        """Take note of shims of this process that are over, so that they don't stay as zombies."""
        with self._spawning:
            self._children = [child for child in self._children if child.poll() is None]

    def _end(self, key: AttemptKey, reason: EndReason, grace_seconds: float) -> None:
        folder = RunFolder(self._root, key)
        if folder.is_locked():
            folder.write_end(reason, grace_seconds)

    def _read_log(self, key: AttemptKey, offset: int, limit: int) -> LogChunk:
        opened = RunFolder(self._root, key).open_log()
        if opened is None:
            return LogChunk(offset, b"")
        with opened as log:
            log.seek(offset)
            kept = log.read(max(0, min(limit, self._log_bytes - offset)))
            has_more = log.seek(0, SEEK_END) > self._log_bytes
        if kept or not has_more:
            return LogChunk(offset, kept)
        last_line = f"\n[PLOG keeps {self._log_bytes} bytes of an attempt's output; the rest is dropped]\n".encode()
        return LogChunk(offset, last_line[offset - self._log_bytes :][:limit])

    def _forget(self, key: AttemptKey) -> None:
        folder = RunFolder(self._root, key)
        with folder.lock() as descriptor:
            if descriptor is None or (folder.is_begun and folder.ending is None):
                return
            grave = folder.detach()
        _remove(grave)
        with suppress(OSError):  # other attempts of the job are still there
            folder.path.parent.rmdir()


def _remove(folder: Path) -> None:
    """Remove a folder with all that a step has left in it.

    Python's own way ends at folders that may not be written to (Go's module cache) and at a thousand within one another; the
    system's programs go further. Modes of files are left alone: by a hard link they are those of a file elsewhere.
    """
    with suppress(OSError, RecursionError):
        shutil.rmtree(folder)
        return
    opened = ["find", str(folder), "-type", "d", "!", "-perm", "-700", "-execdir", "chmod", "u+rwx", "--", "{}", ";"]
    for command in (opened, ["rm", "-rf", "--", str(folder)]):
        with suppress(OSError):
            subprocess.run(command, capture_output=True, check=False)
    if folder.exists():
        log.warning("what a run has left in %s can't be removed; it is tried again at the next start", folder)
