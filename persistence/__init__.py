"""The database: the only package that knows SQLAlchemy. SQLite and PostgreSQL behind one set of repositories."""
