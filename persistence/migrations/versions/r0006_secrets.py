"""Secrets of targets, encrypted. They have no history: what was replaced or deleted is gone."""

from persistence.migrations.append_only import create

revision = "0006"
down_revision = "0005"

TABLES = """
CREATE TABLE target_secret (
    target_id integer NOT NULL REFERENCES target (id),
    name {name} NOT NULL,
    origin {name} NOT NULL,
    key_id {name} NOT NULL,
    ciphertext {bytes} NOT NULL,
    actor {name} NOT NULL,
    updated_at {instant} NOT NULL,
    PRIMARY KEY (target_id, name)
)
"""


def upgrade() -> None:
    """Create everything."""
    create(TABLES, {})
