"""From a line that a step wrote (docs/steps.md) to the report that PLOG's API takes.

Whatever stands in the line, the outcome is a report that the API can read: a line that makes no sense becomes a note that
shows its beginning and says why. So every line has its number and one bad line can't hold up those after it.
"""

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NoReturn

MAX_LINE_BYTES = 128 * 1024
MAX_DEPTH = 64
SHOWN = 200
STATUSES = frozenset({"RUNNING", "SUCCEEDED", "FAILED"})
KEYS = {  # what a line may hold, by what runs
    "JOB": frozenset({"task", "time", "status", "progress", "trial", "point", "metadata", "artifact"}),
    "LOAD_TEST_RUN": frozenset({"time", "metadata", "window", "summary"}),
}
MAIN_KEYS = ("artifact", "trial", "point", "status", "window", "summary")
OF_A_TASK = frozenset({"STATUS", "PROGRESS", "TRIAL", "POINT"})
EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
INTEGERS = range(-(2**63), 2**63)


def report_of(line: bytes, subject: str = "JOB") -> dict[str, Any]:
    """The report that the line (without its newline) stands for, without its number.

    See `TaskReportInput` in the schema, and `LoadTestReportInput` where the subject is `LOAD_TEST_RUN`.
    """
    try:
        if len(line) > MAX_LINE_BYTES:
            raise ValueError(f"the line is longer than {MAX_LINE_BYTES} bytes")
        return _checked(json.loads(line.decode("utf-8"), parse_constant=_refuse_constant), subject)
    except (ValueError, RecursionError) as error:
        reason = _reason(error)
        return _what_counts(line, subject, reason) or note({"malformedReport": shown(line), "reason": reason})


def _what_counts(line: bytes, subject: str, reason: str) -> dict[str, Any] | None:
    """The status, or the loss of an artifact, in a line that makes no sense as a whole: neither may get lost with the rest."""
    if len(line) > MAX_LINE_BYTES:
        return None
    try:
        document = json.loads(line.decode("utf-8", "surrogateescape"), parse_int=_integer)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict) or subject != "JOB":
        return None
    artifact = document.get("artifact")
    if artifact and isinstance(artifact, str | dict):
        name = artifact.get("name") if isinstance(artifact, dict) else artifact
        return artifact_missing(name if isinstance(name, str) else json.dumps(name), reason)
    return _status_alone(document, subject)


def _status_alone(document: dict[str, Any], subject: str) -> dict[str, Any] | None:
    """The status without what makes no sense beside it, as a note says.

    None where it makes none itself, or something stands beside it that is a report of its own: it may be meant for that.
    """
    if any(document.get(key) is not None for key in MAIN_KEYS if key != "status"):
        return None
    alone = {key: document.get(key) for key in ("task", "status")}
    try:
        report = _checked(alone, subject)
    except ValueError:
        return None
    refused = {}
    for key in document.keys() - alone.keys():
        try:
            report |= _checked({**alone, key: document[key]}, subject)
        except ValueError as error:
            refused[_storable(key)] = _reason(error)
    return {**report, "metadata": {**report.get("metadata", {}), "notTaken": refused}}


def _checked(document: Any, subject: str) -> dict[str, Any]:
    _check_storable(document)
    return _report(document, subject)


def _reason(error: Exception) -> str:
    return _storable(str(error))


def _storable(text: str) -> str:
    return shown(text.encode("utf-8", "replace"))


def note(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """A report that only adds to the job's metadata."""
    return {"kind": "NOTE", "metadata": dict(metadata)}


def artifact_missing(name: str, reason: str) -> dict[str, Any]:
    """The note that an artifact, which was said to be finished, can't be kept: the attempt fails by it, with that reason."""
    return note({"artifactMissing": {"name": _storable(name), "reason": _storable(reason)}})


def shown(raw: bytes) -> str:
    """The beginning of a text as every database can hold it."""
    return raw[: 4 * SHOWN].decode("utf-8", "replace").replace("\x00", "\ufffd")[:SHOWN]


def _report(document: Any, subject: str) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise ValueError("a report must be a JSON object")
    if unknown := document.keys() - KEYS[subject]:
        raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
    present = {key: value for key, value in document.items() if value is not None}
    main = [key for key in MAIN_KEYS if key in present]
    if len(main) > 1:
        raise ValueError(f"{' and '.join(main)} can't stand in one report")
    report: dict[str, Any] = {"kind": main[0].upper() if main else _minor_kind(present)}
    if "task" in present:
        report["task"] = _text(present["task"], "task")
    elif report["kind"] in OF_A_TASK:
        raise ValueError("task is missing")
    if "progress" in present:
        report["progress"] = _share(present["progress"], "progress")
    if "time" in present:
        report["reportedAt"] = _time(present["time"])
    if "metadata" in present:
        report["metadata"] = _object(present["metadata"], "metadata")
    return report | _main_fields(main[0], present) if main else report


def _minor_kind(present: Mapping[str, Any]) -> str:
    """A report with metadata is a note even beside progress: progress may be merged away, metadata may not."""
    if "metadata" in present:
        return "NOTE"
    if "progress" in present:
        return "PROGRESS"
    raise ValueError("the report says nothing")


def _main_fields(key: str, present: Mapping[str, Any]) -> dict[str, Any]:
    value = present[key]
    if key == "status":
        if not isinstance(value, str) or value not in STATUSES:
            raise ValueError("status must be RUNNING, SUCCEEDED or FAILED")
        return {"status": value}
    content = _object(value, key)
    if "metadata" in present:
        raise ValueError(f"{key} and metadata can't stand in one report")
    if key == "artifact":
        inputs = content.get("inputs") or []
        if not isinstance(inputs, list):
            raise ValueError("artifact.inputs must be a list")
        return {
            "artifact": {
                "name": _text(content.get("name"), "artifact.name"),
                "mediaType": _text(content.get("mediaType") or "application/octet-stream", "artifact.mediaType"),
                "inputs": [_text(name, "artifact.inputs") for name in inputs],
            }
        }
    return {"metadata": content}


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} must be text")
    return value


def _share(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name} must be a number")
    if not 0 <= value <= 1:
        raise ValueError(f"{name} must be from 0 to 1")
    return float(value)


def _object(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{name} must be an object")
    return value


def _time(value: Any) -> str:
    moment = datetime.fromisoformat(_text(value, "time"))
    if moment.utcoffset() is None:
        raise ValueError("time must have an offset")
    if not EARLIEST <= moment < LATEST:
        raise ValueError("time must be one since 1970")
    return moment.isoformat()


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _integer(digits: str) -> int:
    """The integer; of one that is far too long its beginning, which is too long as well: reading all of it is refused."""
    return int(digits[:30])


def _check_storable(value: Any, depth: int = 0) -> None:
    """ValueError for what JSON readers or databases on the way refuse, so that a report is never sent in vain."""
    if depth > MAX_DEPTH:
        raise ValueError(f"nested deeper than {MAX_DEPTH}")
    if isinstance(value, str):
        if "\x00" in value or any("\ud800" <= character <= "\udfff" for character in value):
            raise ValueError("a text with NUL, a lone surrogate or bytes that are no UTF-8")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError("a number that is not finite")
    elif isinstance(value, int):
        if value not in INTEGERS:
            raise ValueError("an integer of more than 64 bits")
    elif isinstance(value, dict):
        for key, item in value.items():
            _check_storable(key, depth + 1)
            _check_storable(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _check_storable(item, depth + 1)
