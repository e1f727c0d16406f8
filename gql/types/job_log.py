"""The output of attempts."""

import strawberry

from resolvers.job_log import LogFrame


@strawberry.type(description="A piece of what an attempt, or the k6 of a run, wrote to standard output and standard error.")
class JobLog:
    attempt: int = strawberry.field(description="The number of the attempt; 1 of a run, which has no other.")
    offset: int = strawberry.field(description="The byte at which the piece begins.")
    end: int = strawberry.field(description="The byte after it: send it as `after` to read on.")
    text: str = strawberry.field(description="The text; bytes that are no UTF-8 are shown as U+FFFD.")
    is_last: bool = strawberry.field(description="Whether the attempt has ended and nothing follows.")

    @classmethod
    def of(cls, frame: LogFrame) -> "JobLog":
        """The type for a piece of the domain."""
        return cls(attempt=frame.attempt, offset=frame.offset, end=frame.end, text=frame.text, is_last=frame.is_last)
