"""Since when the server of a run of a load test has not been heard of."""

from persistence.migrations.append_only import create

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Add it; no run that is there already is missed yet."""
    create("ALTER TABLE load_test_run ADD COLUMN unheard_since {instant}", {})
