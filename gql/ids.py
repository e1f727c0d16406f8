"""Reading opaque ids back: of what kind the thing is, and its key."""

import base64
import binascii
import re
from collections.abc import Callable
from typing import TypeVar
from uuid import UUID

from domain.errors import NotFound
from domain.opaque_id import encode as encode

Key = TypeVar("Key")
MAX_LENGTH = 500
_NUMBER = "(?:0|[1-9][0-9]{0,9})"
_UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_KEYS = {
    "Kit": _NUMBER,
    "Job": _UUID,
    "Task": f"{_UUID}:{_NUMBER}",
    "KitEvent": f"{_NUMBER}:{_NUMBER}",
    "Attempt": f"{_UUID}:{_NUMBER}",
    "Artifact": _UUID,
    "DeckRequest": _NUMBER,
    "StepTemplate": "[^:]+",
    "Project": _NUMBER,
    "Target": _NUMBER,
    "LoadTest": _NUMBER,
    "LoadTestRun": _NUMBER,
    "LoadTestAnalysis": _NUMBER,
    "Endpoint": f"{_NUMBER}:{_NUMBER}:{_NUMBER}",
    "PermissionKind": "[A-Z_]+",
    "PermissionRequest": _NUMBER,
    "Grant": _NUMBER,
    "LotRow": _NUMBER,
    "LotImport": _NUMBER,
    "SetUpModel": _NUMBER,
    "ModelAccessRequest": _NUMBER,
    "ModelVersion": f"{_NUMBER}:{_NUMBER}",
    "ModelAssignment": _NUMBER,
    "LotResult": _NUMBER,
    "DailyBatchRun": _NUMBER,
}
_IDS = re.compile("|".join(f"{kind}:{key}" for kind, key in _KEYS.items()))


def decode(text: str) -> tuple[str, list[str]]:
    """Kind and key of an id; NotFound for anything that `encode` did not write."""
    if len(text) > MAX_LENGTH:
        raise NotFound("thing with id", repr(text[:80]))
    try:
        plain = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    except (binascii.Error, ValueError):
        raise NotFound("thing with id", repr(text[:80])) from None
    kind, *key = plain.split(":")
    # One thing has one id: other spellings of a number or UUID lead nowhere.
    if not _IDS.fullmatch(plain) or any(part.isdecimal() and int(part) >= 2**31 for part in key) or encode(kind, *key) != text:
        raise NotFound("thing with id", repr(text[:80]))
    return kind, key


def kit_number(text: str) -> int:
    """The number of the kit with that id; NotFound where it is no kit's."""
    return _integer("Kit", text)


def request_number(text: str) -> int:
    """The number of the deck request with that id."""
    return _integer("DeckRequest", text)


def job_uuid(text: str) -> UUID:
    """The UUID of the job with that id; NotFound where it is no job's."""
    return UUID(_key("Job", text)[0])


def project_number(text: str) -> int:
    """The number of the project with that id."""
    return _integer("Project", text)


def target_number(text: str) -> int:
    """The number of the target with that id."""
    return _integer("Target", text)


def load_test_number(text: str) -> int:
    """The number of the load test with that id."""
    return _integer("LoadTest", text)


def run_number(text: str) -> int:
    """The number of the run with that id."""
    return _integer("LoadTestRun", text)


def analysis_number(text: str) -> int:
    """The number of the analysis with that id."""
    return _integer("LoadTestAnalysis", text)


def permission_request_number(text: str) -> int:
    """The number of the application with that id."""
    return _integer("PermissionRequest", text)


def grant_number(text: str) -> int:
    """The number of the grant with that id."""
    return _integer("Grant", text)


def lot_row_number(text: str) -> int:
    """The number of the lot row with that id."""
    return _integer("LotRow", text)


def lot_import_number(text: str) -> int:
    """The number of the import of lot rows with that id."""
    return _integer("LotImport", text)


def set_up_model_number(text: str) -> int:
    """The number of the set-up model with that id."""
    return _integer("SetUpModel", text)


def model_version_key(text: str) -> tuple[int, int]:
    """The number of the model and that of its version with that id."""
    model_id, number = _key("ModelVersion", text)
    return int(model_id), int(number)


def model_access_number(text: str) -> int:
    """The number of the application for access to a model with that id."""
    return _integer("ModelAccessRequest", text)


def assignment_number(text: str) -> int:
    """The number of the assignment of a model with that id."""
    return _integer("ModelAssignment", text)


def lot_result_number(text: str) -> int:
    """The number of the result for a lot with that id."""
    return _integer("LotResult", text)


def daily_batch_run_number(text: str) -> int:
    """The number of the run of the daily batch with that id."""
    return _integer("DailyBatchRun", text)


def found(decode: Callable[[str], Key], text: str) -> Key | None:
    """What `decode` reads from the id; None where it is none of that kind, which finds nothing like any other id of nothing."""
    try:
        return decode(text)
    except NotFound:
        return None


def wanted(decode: Callable[[str], int], text: str | None) -> int | None:
    """The number in the id that a filter asks for; None where it asks for none, 0, which nothing has, where it leads nowhere."""
    return None if text is None else found(decode, text) or 0


def _key(kind: str, text: str) -> list[str]:
    found, key = decode(text)
    if found != kind:
        raise NotFound(kind.lower(), repr(text[:80]))
    return key


def _integer(kind: str, text: str) -> int:
    return int(_key(kind, text)[0])
