"""Bringing an attempt's inputs to its run folder before the step starts."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from threading import Event, Thread
from typing import Any

from steps.http_exchange import Backoff, Rejected, Unreachable
from steps.server_client import ServerClient
from steps.shim_folder import ShimFolder

LOG = logging.getLogger(__name__)


class InputsFetch(Thread):
    """Fetches the input document and its artifacts, trying until it succeeds; `error` is what made it give up.

    A thread, because the shim has to hear meanwhile that the attempt is to end.
    """

    def __init__(self, folder: ShimFolder, server: ServerClient) -> None:
        super().__init__(name="inputs", daemon=True)
        self.error: Exception | None = None
        self._folder = folder
        self._server = server
        self._halt = Event()

    def halt(self) -> None:
        """Give up at the next opportunity."""
        self._halt.set()

    def run(self) -> None:
        """Fetch; called by `start`."""
        backoff = Backoff()
        while not self._halt.is_set():
            try:
                self._fetch()
                return
            except (Unreachable, Rejected) as error:  # a signed URL may have expired: a new document brings new ones
                LOG.info("inputs: %s", error)
                self._halt.wait(backoff.pause())
            except Exception as error:
                self.error = error
                return

    def _fetch(self) -> None:
        document = self._server.input_document()
        entries = document.get("inputs") or []
        for entry in entries:
            self._fetch_one(entry)
        shown = {**document, "inputs": [{key: value for key, value in entry.items() if key != "url"} for entry in entries]}
        self._folder.input_document.write_text(json.dumps(shown, ensure_ascii=False), "utf-8")

    def _fetch_one(self, entry: Mapping[str, Any]) -> None:
        place = safe_place(self._folder.inputs, str(entry["name"]))
        if place.exists():
            return
        sha256 = str(entry["sha256"])
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
