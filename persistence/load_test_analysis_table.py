"""The table of analyses as queries see it; the others stand in `persistence/tables.py`."""

from sqlalchemy import Column, Double, Integer, Table

from persistence.dialect import Document, Instant, Name
from persistence.tables import metadata

load_test_analysis = Table(
    "load_test_analysis",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("project_id", Integer, nullable=False),
    Column("load_test_id", Integer, nullable=False),
    Column("run_id", Integer, nullable=False),
    Column("baseline_run_id", Integer),
    Column("kind", Name, nullable=False),
    Column("model", Name),
    Column("seconds", Double, nullable=False),
    Column("confidence", Double, nullable=False),
    Column("score", Double, nullable=False),
    Column("actor", Name, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("details", Document),
    comment="What each analysis of a run came to; append-only",
)
