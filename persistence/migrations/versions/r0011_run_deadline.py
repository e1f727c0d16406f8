"""Until when a run of a load test may last, and when it was warned of that."""

from persistence.migrations.append_only import create

revision = "0011"
down_revision = "0009"

COLUMNS = """
ALTER TABLE load_test_run ADD COLUMN deadline {instant}
|
ALTER TABLE load_test_run ADD COLUMN warned_at {instant}
"""


def upgrade() -> None:
    """Add them; runs that are there already have neither."""
    create(COLUMNS, {})
