"""The least and the mean number of virtual users of a window, beside the greatest; windows that are there have neither."""

from persistence.migrations.append_only import create

revision = "0015"
down_revision = "0012"

COLUMNS = """
ALTER TABLE metric_window ADD COLUMN vus_least integer
|
ALTER TABLE metric_window ADD COLUMN vus_total bigint NOT NULL DEFAULT 0
|
ALTER TABLE metric_window ADD COLUMN vus_count integer NOT NULL DEFAULT 0
"""


def upgrade() -> None:
    """Add them."""
    create(COLUMNS, {})
