"""What tests of real servers share."""

import pytest


@pytest.fixture(params=["sqlite", "postgresql"])
def database_settings(request: pytest.FixtureRequest) -> dict[str, str]:
    """The settings that choose the database."""
    if request.param == "sqlite":
        return {}
    return {"DATABASE__URL": str(request.getfixturevalue("migrated_postgres_url"))}
