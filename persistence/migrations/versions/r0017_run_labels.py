"""What runs of load tests say was tested, and indexes by which the newest ones of a label, target or project are found."""

from persistence.migrations.append_only import create

revision = "0017"
down_revision = "0016"

COLUMNS = """
ALTER TABLE load_test_run ADD COLUMN label {name}
|
CREATE INDEX load_test_run_of_label ON load_test_run (label, id) WHERE label IS NOT NULL
|
CREATE INDEX load_test_run_of_target ON load_test_run (target_id, id)
|
CREATE INDEX load_test_run_of_project ON load_test_run (project_id, id)
"""


def upgrade() -> None:
    """Add them; runs that are there have no label."""
    create(COLUMNS, {})
