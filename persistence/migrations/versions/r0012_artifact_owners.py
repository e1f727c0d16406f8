"""Artifacts that belong to a target or a run; the documents that were analysed before become artifacts of their targets."""

from uuid import NAMESPACE_OID, uuid5

import sqlalchemy as sa
from alembic import op

from persistence.migrations.versions.r0001_kits import SQLITE

revision = "0012"
down_revision = "0011"

OWNERS = """
    CONSTRAINT artifact_owner CHECK (CASE
        WHEN kit_id IS NOT NULL THEN job_id IS NOT NULL AND attempt IS NOT NULL AND target_id IS NULL AND run_id IS NULL
        ELSE actor IS NOT NULL AND job_id IS NULL AND attempt IS NULL AND (target_id IS NULL) <> (run_id IS NULL)
    END)"""
POSTGRESQL_CHANGES = f"""
ALTER TABLE artifact
    ALTER COLUMN kit_id DROP NOT NULL,
    ALTER COLUMN job_id DROP NOT NULL,
    ALTER COLUMN attempt DROP NOT NULL,
    ADD COLUMN target_id integer REFERENCES target (id),
    ADD COLUMN run_id integer REFERENCES load_test_run (id),
    ADD COLUMN analysis_id integer REFERENCES load_test_analysis (id),
    ADD COLUMN actor text COLLATE "C",
    ADD {OWNERS}
"""
SQLITE_CHANGES = f"""
CREATE TABLE new_artifact (
    id {{uuid}} PRIMARY KEY,
    kit_id integer REFERENCES kit (id),
    job_id {{uuid}},
    attempt smallint,
    name {{name}} NOT NULL,
    media_type {{name}} NOT NULL,
    sha256 {{name}} NOT NULL,
    size bigint NOT NULL,
    inputs {{document}},
    created_at {{instant}} NOT NULL,
    target_id integer REFERENCES target (id),
    run_id integer REFERENCES load_test_run (id),
    analysis_id integer REFERENCES load_test_analysis (id),
    actor {{name}},{OWNERS}
)
|
INSERT INTO new_artifact (id, kit_id, job_id, attempt, name, media_type, sha256, size, inputs, created_at)
SELECT id, kit_id, job_id, attempt, name, media_type, sha256, size, inputs, created_at FROM artifact
|
DROP TABLE artifact
|
ALTER TABLE new_artifact RENAME TO artifact
|
CREATE UNIQUE INDEX artifact_name ON artifact (job_id, attempt, name)
|
CREATE INDEX artifact_kit ON artifact (kit_id)
"""
ARTIFACT = sa.table("artifact", *(sa.column(name) for name in ("name", "media_type", "sha256", "size", "created_at", "actor")))
ARTIFACT.append_column(sa.column("id", sa.Uuid))
ARTIFACT.append_column(sa.column("target_id"))
DOCUMENTS = """
SELECT target_id, sha256, media_type, size, recorded_at AS created_at, actor FROM target_analysis AS one
WHERE number = (SELECT min(number) FROM target_analysis AS same WHERE same.target_id = one.target_id AND same.sha256 = one.sha256)
"""


def upgrade() -> None:
    """Add the owners, then a record for each document of each target."""
    connection = op.get_bind()
    changes = POSTGRESQL_CHANGES if connection.dialect.name == "postgresql" else SQLITE_CHANGES.format(**SQLITE)
    for statement in (*changes.split("|"), "CREATE INDEX artifact_run ON artifact (run_id)"):
        connection.exec_driver_sql(statement.strip())
    documents = [dict(row) for row in connection.exec_driver_sql(DOCUMENTS.strip()).mappings()]
    for document in documents:
        target, sha256 = document["target_id"], document["sha256"]
        document["id"] = uuid5(NAMESPACE_OID, f"target/{target}/{sha256}")
        document["name"] = f"target-{target}.{document['media_type'].removeprefix('application/')}"
    if documents:
        connection.execute(ARTIFACT.insert(), documents)
