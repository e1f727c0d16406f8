"""The table of secrets, beside `persistence/tables.py`."""

from sqlalchemy import Column, Integer, LargeBinary, Table

from persistence.dialect import Instant, Name
from persistence.tables import metadata

target_secret = Table(
    "target_secret",
    metadata,
    Column("target_id", Integer, primary_key=True),
    Column("name", Name, primary_key=True),
    Column("origin", Name, nullable=False),
    Column("key_id", Name, nullable=False),
    Column("ciphertext", LargeBinary, nullable=False),
    Column("actor", Name, nullable=False),
    Column("updated_at", Instant, nullable=False),
    comment="The secrets of each target, encrypted with the server's key `key_id`; they are sent to `origin` alone",
)
