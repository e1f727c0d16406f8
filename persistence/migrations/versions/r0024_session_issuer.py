"""The issuer at which each session, and each sign-in under way, was begun: a subject means somebody there alone."""

import time

from alembic import op

from persistence.migrations.append_only import create

revision = "0024"
down_revision = "0023"

COLUMNS = """
ALTER TABLE session ADD COLUMN issuer {name} NOT NULL DEFAULT ''
|
ALTER TABLE sign_in ADD COLUMN issuer {name} NOT NULL DEFAULT ''
|
DELETE FROM sign_in
"""


def upgrade() -> None:
    """Add the columns. Whose issuer is not known, which is all that are there, have to sign in again."""
    create(COLUMNS, {})
    connection = op.get_bind()
    now = time.time_ns() // 1000 if connection.dialect.name == "sqlite" else "now()"
    end = f"UPDATE session SET ended_at = {now} WHERE ended_at IS NULL AND expires_at > {now}"
    connection.exec_driver_sql(end)
