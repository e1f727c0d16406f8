"""The index by which the file of a set-up model is known among what jobs have left."""

from persistence.migrations.append_only import create

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    """Create it."""
    create("CREATE INDEX model_version_of_file ON model_version (sha256)", {})
