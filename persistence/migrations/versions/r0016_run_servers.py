"""Since when the server that runs a load test has not been heard of, and the server that it puts under load."""

import sqlalchemy as sa
from alembic import op

from domain.target import server_origin
from persistence.migrations.append_only import create

revision = "0016"
down_revision = "0015"

COLUMNS = """
ALTER TABLE load_test_run ADD COLUMN unheard_since {instant}
|
ALTER TABLE load_test_run ADD COLUMN origin {name} NOT NULL DEFAULT ''
|
CREATE INDEX load_test_run_at_origin ON load_test_run (origin) WHERE ended_at IS NULL
"""
RUN = sa.table("load_test_run", sa.column("id"), sa.column("definition", sa.JSON), sa.column("ended_at"), sa.column("origin"))


def upgrade() -> None:
    """Add them. No run is missed yet; those that have ended are under no load, so that their origin stays empty."""
    create(COLUMNS, {})
    connection = op.get_bind()
    servers = sa.select(RUN.c.id, RUN.c.definition["server"].as_string()).where(RUN.c.ended_at.is_(None))
    for number, server in connection.execute(servers).all():
        connection.execute(RUN.update().where(RUN.c.id == number).values(origin=server_origin(server)))
