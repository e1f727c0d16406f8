"""The history of the tables, by Alembic: each revision carries the statements of both databases as they were then."""
