"""Sessions of browsers, and the sign-ins under way that become some. Of tokens and states only their SHA-256 is stored."""

from persistence.migrations.append_only import create

revision = "0020"
down_revision = "0019"

TABLES = """
CREATE TABLE sign_in (
    state {bytes} NOT NULL PRIMARY KEY,
    next_path text NOT NULL,
    begun_at {instant} NOT NULL
)
|
CREATE TABLE session (
    id {uuid} NOT NULL PRIMARY KEY,
    token {bytes} NOT NULL UNIQUE,
    subject {name} NOT NULL,
    name {name} NOT NULL,
    groups {document},
    created_at {instant} NOT NULL,
    expires_at {instant} NOT NULL,
    ended_at {instant}
)
"""


def upgrade() -> None:
    """Create everything."""
    create(TABLES, {})
