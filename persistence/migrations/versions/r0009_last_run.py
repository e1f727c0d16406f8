"""The index of a load test's runs has them in order, so that its last one is found at once.

Without it PostgreSQL goes back through the runs of all load tests until it meets one of this.
"""

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Build it anew."""
    op.get_bind().exec_driver_sql("DROP INDEX load_test_run_of_test")
    op.get_bind().exec_driver_sql("CREATE INDEX load_test_run_of_test ON load_test_run (load_test_id, id)")
