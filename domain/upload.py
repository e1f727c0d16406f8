"""Uploads that go on where they broke off: what is said when the two sides disagree about where that is."""

from domain.errors import UserError


class UploadOffsetMismatch(UserError):
    """Content was sent for, or declared complete at, another place than where the upload stands: go on at byte `expected`."""

    code = "UPLOAD_OFFSET_MISMATCH"

    def __init__(self, offset: int, expected: int) -> None:
        self.offset = offset
        self.expected = expected
        super().__init__(f"The upload stands at byte {expected}, not at {offset}.")
