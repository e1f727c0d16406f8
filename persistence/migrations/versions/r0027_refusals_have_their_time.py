"""The daily batch: what runs have refused may be removed some time after them."""

from alembic import op

revision = "0027"
down_revision = "0026"

GUARDS = {"postgresql": ("change", "truncate"), "sqlite": ("update", "delete", "replace")}


def upgrade() -> None:
    """Drop what refuses changes of the table."""
    connection = op.get_bind()
    for what in GUARDS[connection.dialect.name]:
        of_table = " ON daily_batch_refusal" if connection.dialect.name == "postgresql" else ""
        connection.exec_driver_sql(f"DROP TRIGGER daily_batch_refusal_no_{what}{of_table}")
