"""What the terminal shows of a run of the daily batch."""

from app.batch_commands import batch_view

COUNTS = {"considered": 9, "stored": 3, "skipped": 4, "refused": 2, "flagged": 1}
RUN = {"isDryRun": False, "number": 7, "productLine": "LOGIC", "status": "FAILED", "percent": 50.0, "message": "Why.", **COUNTS}
PART = {"status": "FAILED", "message": "It broke.", "modelVersionId": "v", **COUNTS}
QUIET = {**PART, "status": "SUCCEEDED", "message": "", "modelVersionId": "w", "model": None, "modelVersion": None}


def test_a_part_that_has_something_to_say_says_of_which_model_it_is() -> None:
    part = {**PART, "model": {"name": "delay", "number": 5}, "modelVersion": {"number": 2}}
    assert list(batch_view({**RUN, "parts": [part, QUIET]}).lines.values()) == [
        "Run 7 of LOGIC: FAILED, 50 %; 3 stored, 4 skipped, 2 refused, 1 out of range.",
        "Why.",
        "delay (model 5, version 2): FAILED. It broke.",
    ]
