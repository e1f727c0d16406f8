"""Bringing an attempt's inputs to its run folder before the step starts."""

import json
import logging
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from threading import Event, Thread
from typing import Any

from steps.shim.http_exchange import Backoff, Rejected, Unreachable
from steps.shim.server_client import ServerClient, digest
from steps.shim.shim_folder import ShimFolder
from steps.shim.working_data import copy_working_data

LOG = logging.getLogger(__name__)
MOST_REJECTIONS = 5


class InputsFetch(Thread):
    """Fetches the input document and its artifacts, trying for as long as the server can't be reached.

    `error` is what made it give up: among others the same rejection of an artifact with several fresh input documents, as their
    links are fresh too. `trouble` is a sentence about what went wrong last. `secret_environment` is what of the document is for
    the step's environment alone; it stands in no file. `clockOffset` of the document is by how many seconds the server's clock is
    ahead of this machine's, off by half the exchange at most, where the server says what time it is. A thread, because
    the shim has to hear meanwhile that the attempt is to end.
    """

    def __init__(self, folder: ShimFolder, server: ServerClient) -> None:
        super().__init__(name="inputs", daemon=True)
        self.error: Exception | None = None
        self.trouble = ""
        self.secret_environment: Mapping[str, str] = {}
        self._folder = folder
        self._server = server
        self._halt = Event()

    def halt(self) -> None:
        """Give up at the next opportunity."""
        self._halt.set()

    def run(self) -> None:
        """Fetch; called by `start`."""
        try:
            source = self._folder.order()["workingData"]
            if source is not None:
                copy_working_data(Path(source), self._folder.work)
        except OSError as error:
            self.error = OSError(f"the template's working data can't be copied: {error}")
            return
        backoff = Backoff()
        rejections: Counter[str] = Counter()
        while not self._halt.is_set():
            try:
                self._fetch()
                return
            except (Unreachable, Rejected) as error:
                LOG.info("inputs: %s", error)
                self.trouble = f"The inputs can't be had: {error}"
                rejections[self.trouble] += isinstance(error, Rejected)
                if rejections[self.trouble] == MOST_REJECTIONS:
                    self.error = error
                    return
                self._halt.wait(backoff.pause())
            except Exception as error:
                self.error = error
                return

    def _fetch(self) -> None:
        began = time.time()
        document = self._server.input_document()
        if (server_time := document.pop("serverTime", None)) is not None:
            document["clockOffset"] = server_time - (began + time.time()) / 2
        self.secret_environment = document.pop("secretEnvironment", None) or {}
        entries = document.get("inputs") or []
        for entry in entries:
            try:
                self._fetch_one(entry)
            except Rejected as error:
                raise Rejected(f"{entry['name']}: {error}") from error
        shown = {**document, "inputs": [{key: value for key, value in entry.items() if key != "url"} for entry in entries]}
        self._folder.input_document.write_text(json.dumps(shown, ensure_ascii=False), "utf-8")

    def _fetch_one(self, entry: Mapping[str, Any]) -> None:
        place = safe_place(self._folder.inputs, str(entry["name"]))
        sha256 = str(entry["sha256"])
        if place.is_file() and digest(place)[0] == sha256:
            return
        partial = self._folder.downloads / f"{PurePosixPath(sha256).name}.part"
        self._server.download(str(entry["url"]), partial, sha256)
        place.parent.mkdir(parents=True, exist_ok=True)
        partial.replace(place)


def safe_place(folder: Path, name: str) -> Path:
    """The path of `name` in `folder`; ValueError where it would lie outside."""
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\x00" in name:
        raise ValueError(f"{name!r} can't be the name of an artifact")
    return folder.joinpath(*parts)
