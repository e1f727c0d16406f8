"""Uploads that go on where they broke off: what is said when they can't, and when a person has sent enough for a day."""

from domain.errors import UserError


class UploadOffsetMismatch(UserError):
    """Content was sent for, or declared complete at, another place than where the upload stands: go on at byte `expected`."""

    code = "UPLOAD_OFFSET_MISMATCH"

    def __init__(self, offset: int, expected: int) -> None:
        self.offset = offset
        self.expected = expected
        super().__init__(f"The upload stands at byte {expected}, not at {offset}.")


class UploadQuotaExceeded(UserError):
    """With this file a person would have sent more than `quota` bytes within 24 hours; nothing of it was taken."""

    code = "UPLOAD_QUOTA_EXCEEDED"

    def __init__(self, quota: int) -> None:
        self.quota = quota
        super().__init__(f"With this file you would have uploaded more than {quota} bytes within 24 hours; send it later.")
