"""The index of endpoints' paths begins with the path.

One that begins as the primary key does looks as good to PostgreSQL as that for the check that a tag's endpoint exists, where the
table has no statistics yet: it then reads all endpoints of the analysis for each tag.
"""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Build it anew."""
    op.get_bind().exec_driver_sql("DROP INDEX endpoint_path")
    op.get_bind().exec_driver_sql("CREATE INDEX endpoint_path ON endpoint (path, target_id, analysis)")
