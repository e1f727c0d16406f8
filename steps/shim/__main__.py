"""The shim: the companion of one attempt on its machine. It outlives the server, and what it knows stands in its run folder.

    python -P -m steps.shim RUN-FOLDER LOCK-DESCRIPTOR

It is given the run folder's lock, already taken, and holds it for life. What it does follows from what it finds there:

- nothing was begun: mark the attempt as begun, fetch its inputs, run the step under its limits, record the ending;
- begun but without a recorded ending: the shim before was lost; end what is left of the attempt and record that;
- the ending is recorded: nothing more to run.

In each case it then sends the reports that the server has not taken yet, and ends. So starting it again is always safe.
Standard library only.
"""

import logging
import os
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from subprocess import SubprocessError
from typing import Any

from steps.shim.fetch_inputs import InputsFetch
from steps.shim.memory_group import MemoryGroup
from steps.shim.memory_watch import MemoryWatch
from steps.shim.process_tree import Process, kill, process, session_of
from steps.shim.report_client import ReportClient
from steps.shim.report_spool import ReportSpool
from steps.shim.server_client import Access, ServerClient, Superseded
from steps.shim.shim_folder import ShimFolder
from steps.shim.step_process import KILL_SECONDS, StepProcess, leftovers
from steps.shim.stop_requests import (
    CANCELLED,
    NOT_STARTED,
    REPORTS_LOST,
    RUNNER_LOST,
    Stop,
    StopRequests,
    TimeLimit,
    UsageLimits,
)

LOG = logging.getLogger(__name__)
TICK_SECONDS = 0.03
PATIENCE_SECONDS = 60.0
INTERRUPTED_PATIENCE_SECONDS = 2.0
LOST_LINES = 'Lines of PLOG_REPORTS have disappeared: the step has to open it for appending (mode "a") and leave what is in it.'


class Shim:
    """One life of the shim."""

    def __init__(self, folder: ShimFolder) -> None:
        self._folder = folder
        self._order = folder.order()
        limits = self._order["limits"]
        self._time_limit = TimeLimit(limits["timeSeconds"], self._order["graceSeconds"], limits.get("warningSeconds"))
        self._requests = StopRequests(folder, self._order["graceSeconds"])
        self._spool = ReportSpool(folder.reports, self._order["maxReports"])
        self._reports = ReportClient(folder, self._server(), self._spool.limit)
        self._requests.is_superseded = self._reports.superseded.is_set

    def run(self) -> None:
        """The whole attempt, up to its recorded ending."""
        self._folder.write_started({"shim": _own_identity()})
        self._folder.prepare()
        fetch = InputsFetch(self._folder, self._server())
        fetch.start()
        while (stop := self._requests.current() or self._time_limit.exceeded()) is None and fetch.is_alive():
            fetch.join(TICK_SECONDS)
        if stop is not None:
            fetch.halt()
            self._write_exit(None, replace(stop, message=f"{stop.message} {fetch.trouble}".strip()))
        elif isinstance(fetch.error, Superseded):
            self._write_exit(None, Stop(CANCELLED, "The server has replaced or closed this attempt.", 0.0))
        elif fetch.error is not None:
            LOG.error("the inputs can't be had", exc_info=fetch.error)
            self._write_exit(None, Stop(NOT_STARTED, f"The inputs can't be had: {fetch.error}", 0.0))
        else:
            self._run_step(fetch.secret_environment)

    def recover(self, started: Mapping[str, Any]) -> None:
        """End what a lost shim left behind, and record that it was lost."""
        with suppress(OSError):  # the step may have left anything in their place, and nothing here needs them
            self._folder.prepare()
        group = MemoryGroup(Path(started["group"]["path"]), started["group"]["version"]) if started.get("group") else None
        deadline = time.monotonic() + KILL_SECONDS
        while left := self._left_by(started, group):
            if time.monotonic() > deadline:
                break
            for each in left:
                kill(each)
            time.sleep(0.01)
        if group is not None:
            group.remove()
        message = "The process that watched over this attempt was lost; the attempt was ended."
        self._write_exit(None, Stop(RUNNER_LOST, message, 0.0), {"unkilled": sorted(each.pid for each in left)})

    def drain(self, total: int) -> None:
        """Send the reports up to number `total`; gives up where nobody answers, as a later shim can go on from there."""
        if self._reports.ident is None:
            self._reports.start()
        self._reports.finish(total)
        while self._reports.is_alive():
            self._reports.join(TICK_SECONDS)
            if self._requests.is_interrupted and self._reports.silent_seconds > INTERRUPTED_PATIENCE_SECONDS:
                return
            if self._reports.failing_seconds > PATIENCE_SECONDS:
                return

        record = self._folder.exit_record()
        if record is not None and self._reports.has_lost_lines.is_set():
            lost = {} if record["cause"] else {"cause": REPORTS_LOST, "message": LOST_LINES}
            self._folder.write_exit({**record, **lost, "reports": self._folder.cursor()["accepted"]})

    def _server(self) -> ServerClient:
        def access() -> Access:
            order = self._folder.order()  # a server that starts anew writes its address and a fresh token into it
            return Access(order["serverUrl"], order["token"])

        return ServerClient(access, self._order["requestTimeoutSeconds"], self._order["subject"])

    def _run_step(self, secret_environment: Mapping[str, str]) -> None:
        limits = self._order["limits"]
        group = None
        if limits["memoryBytes"] is not None and self._order["useControlGroups"]:
            group = MemoryGroup.create("plog-" + self._order["attempt"].replace("/", "-"), limits["memoryBytes"])
        where = None if group is None else {"path": str(group.path), "version": group.version}
        self._folder.write_started({"shim": _own_identity(), "group": where})
        try:
            step = StepProcess(self._folder, self._order, group, secret_environment)
        except (OSError, ValueError, SubprocessError) as error:  # no such program; NUL in an argument; a limit that can't be set
            if group is not None:
                group.remove()
            self._write_exit(None, Stop(NOT_STARTED, f"The command can't be started: {error}", 0.0))
            return
        began = time.monotonic()
        self._folder.write_started({"shim": _own_identity(), "group": where, "step": step.identity, "pid": step.pid})
        self._reports.start()
        memory = MemoryWatch(limits["memoryBytes"], group)
        usage = UsageLimits(memory, self._spool, self._order["graceSeconds"])
        stop = self._watch(step, usage)
        seconds = time.monotonic() - began
        unkilled = step.end_all()
        self._folder.hold_log(self._order["logBytes"])
        # Where all processes are told to end at once, the step may be gone before its shim has looked.
        stop = stop or usage.exceeded() or (self._requests.current() if step.exit_code else None)
        if group is not None:
            group.remove()
        details = {
            "seconds": round(seconds, 3),
            "peakMemoryBytes": memory.peak_bytes,
            "memoryLimit": memory.method,
            "cores": sorted(step.cores) if step.cores is not None else None,
            "unkilled": unkilled,
        }
        self._write_exit(step, stop, details)

    def _watch(self, step: StepProcess, usage: UsageLimits) -> Stop | None:
        """Wait for the end of the step's own process; end it where that is wanted. What wanted it first, if anything."""
        stop: Stop | None = None
        while not step.has_exited():
            if warning := self._time_limit.warning():
                self._folder.add_to_log(warning)
            self._folder.hold_log(self._order["logBytes"])
            for wanted in (self._requests.current(), self._time_limit.exceeded(), usage.exceeded()):
                if wanted is not None and stop is None:
                    step.ask_to_end()
                    stop = wanted
                elif stop is not None:
                    stop = stop.joined(wanted)
            if stop is not None and time.monotonic() >= stop.deadline:
                break
            time.sleep(TICK_SECONDS)
        return stop

    def _write_exit(self, step: StepProcess | None, stop: Stop | None, details: Mapping[str, Any] | None = None) -> None:
        is_over, sent = self._spool.is_over(), self._folder.cursor()
        reports = self._spool.seal(sent["accepted"], sent["offset"])
        if reports is None:
            reports, stop = sent["accepted"], stop or Stop(REPORTS_LOST, LOST_LINES, 0.0)
        code = None if step is None else step.exit_code
        known = {name: value for name, value in (details or {}).items() if value not in (None, [])}
        if is_over:
            known["reportLimit"] = self._spool.limit
        message = "" if stop is None else stop.message
        if code and step is not None:
            message = message or step.last_error_line
        if code is not None and code < 0:
            known["signal"] = _signal_name(-code)
            message = message or ("" if stop is not None else f"The step was ended by {known['signal']}.")
            code = None if stop is not None else 128 - code
        cause = None if stop is None else stop.cause
        self._folder.write_exit({"exitCode": code, "reports": reports, "cause": cause, "message": message, "details": known})

    def _left_by(self, started: Mapping[str, Any], group: MemoryGroup | None) -> list[Process]:
        inside = session_of(started["step"], self._folder.root) if started.get("step") else []
        return [*inside, *leftovers(self._order["attempt"], group)]


def _own_identity() -> str | None:
    found = process(os.getpid())
    return None if found is None else found.identity


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def main(arguments: list[str]) -> None:
    """Do what the state of the folder asks for."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    folder = ShimFolder(Path(arguments[0]).resolve())
    os.set_inheritable(int(arguments[1]), False)  # the lock is the shim's, never the step's
    record = folder.exit_record()
    started = folder.started()
    shim = Shim(folder)
    if record is None and started is None:
        shim.run()
    elif record is None and started is not None:
        shim.recover(started)
    shim.drain((folder.exit_record() or {"reports": 0})["reports"])


if __name__ == "__main__":
    main(sys.argv[1:])
