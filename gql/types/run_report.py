"""Reports of runs as files to fetch."""

import strawberry

from domain import run_report as domain
from gql.context import Info
from gql.sharing import Volatile
from gql.types.enums import ReportFormat
from resolvers.run_report import report_url


@strawberry.type(
    description=(
        "The report of a run as a file: verdict, thresholds, figures, plots on one time axis, resources, the latest analysis, "
        "and what k6 says itself. The same run with the same analysis gives the same bytes."
    )
)
class LoadTestRunReport:
    format: ReportFormat = strawberry.field(description="How it is written down.")
    name: str = strawberry.field(description="What the file is called.")
    media_type: str = strawberry.field(description="Its media type.")
    size: float = strawberry.field(description="Its size in bytes; a whole number.")
    sha256: str = strawberry.field(description="The SHA-256 checksum of its content in hexadecimal digits, by which it is kept.")
    report: strawberry.Private[domain.StoredReport]

    @strawberry.field(
        description="A link to its content. It needs no sign-in and expires after some minutes.", directives=[Volatile()]
    )
    def download_url(self, info: Info) -> str:
        return report_url(info.context.services, self.report)

    @classmethod
    def of(cls, report: domain.StoredReport) -> "LoadTestRunReport":
        """The type for a report of the domain."""
        return cls(
            format=report.format,
            name=report.name,
            media_type=report.format.media_type,
            size=report.size,
            sha256=report.sha256,
            report=report,
        )
