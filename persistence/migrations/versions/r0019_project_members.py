"""Members of projects with roles, as rows by which what belongs to projects is found; names are single among an owner's projects.

Who was a member is an editor now, as all were able to change everything; who created a project owns it.
"""

import orjson
from alembic import op
from sqlalchemy import text

from persistence.migrations.append_only import create

revision = "0019"
down_revision = "0018"

TABLES = """
CREATE TABLE project_member (
    project_id integer NOT NULL REFERENCES project (id),
    subject {name} NOT NULL,
    role {name} NOT NULL,
    PRIMARY KEY (project_id, subject)
)
|
CREATE INDEX project_member_of_subject ON project_member (subject, project_id)
|
DROP INDEX project_name
|
CREATE UNIQUE INDEX project_name ON project (owner, name) WHERE archived_at IS NULL
"""


def upgrade() -> None:
    """Create them, and make members of those who were named."""
    create(TABLES, {})
    connection = op.get_bind()
    for project_id, owner, members in connection.execute(text("SELECT id, owner, members FROM project")).all():
        named = members if isinstance(members, list) else orjson.loads(members or "[]")
        roles = {**dict.fromkeys(named, "EDITOR"), owner: "OWNER"}
        rows = [{"project_id": project_id, "subject": subject, "role": role} for subject, role in roles.items()]
        insert = text("INSERT INTO project_member (project_id, subject, role) VALUES (:project_id, :subject, :role)")
        connection.execute(insert, rows)
        document = orjson.dumps([{"subject": subject, "role": role} for subject, role in roles.items()]).decode()
        change = text("UPDATE project SET members = CAST(:members AS json) WHERE id = :id")
        if connection.dialect.name != "postgresql":
            change = text("UPDATE project SET members = :members WHERE id = :id")
        connection.execute(change, {"members": document, "id": project_id})
