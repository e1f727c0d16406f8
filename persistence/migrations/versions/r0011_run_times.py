"""Until when a run of a load test may last and when it was warned of that; when what it measured was removed."""

from persistence.migrations.append_only import create

revision = "0011"
down_revision = "0009"

COLUMNS = """
ALTER TABLE load_test_run ADD COLUMN deadline {instant}
|
ALTER TABLE load_test_run ADD COLUMN warned_at {instant}
|
ALTER TABLE load_test_run ADD COLUMN windows_removed_at {instant}
|
ALTER TABLE load_test_run ADD COLUMN cleared_at {instant}
|
CREATE INDEX load_test_run_uncleared ON load_test_run (ended_at) WHERE cleared_at IS NULL
"""


def upgrade() -> None:
    """Add them; runs that are there already have neither."""
    create(COLUMNS, {})
