"""What migrations have in common: creating tables in both dialects, and guarding those that only grow."""

from collections.abc import Mapping

from alembic import op

from persistence.migrations.versions.r0001_kits import POSTGRESQL, SQLITE

POSTGRESQL_TRIGGERS = """
CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION refuse_change_of_history()
|
CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_history()
"""
SQLITE_TRIGGERS = """
CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} BEGIN
    SELECT RAISE(ABORT, '{table} is append-only: UPDATE is refused');
END
|
CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} BEGIN
    SELECT RAISE(ABORT, '{table} is append-only: DELETE is refused');
END
|
CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table}
WHEN EXISTS (SELECT 1 FROM {table} WHERE {same}) BEGIN
    SELECT RAISE(ABORT, '{table} is append-only: REPLACE is refused');
END
"""


def create(tables: str, append_only: Mapping[str, tuple[str, ...]]) -> None:
    """Run statements (separated by `|`, types in braces), then refuse changes of some tables, given with their keys."""
    is_postgresql = op.get_bind().dialect.name == "postgresql"
    statements = tables.format(**(POSTGRESQL if is_postgresql else SQLITE)).split("|")
    for table, keys in append_only.items():
        same = " AND ".join(f"{key} = NEW.{key}" for key in keys)
        statements += (POSTGRESQL_TRIGGERS if is_postgresql else SQLITE_TRIGGERS).format(table=table, same=same).split("\n|\n")
    for statement in statements:
        op.get_bind().exec_driver_sql(statement.strip())
