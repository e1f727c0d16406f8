"""The official GraphQL-over-HTTP audits (npm graphql-http, `serverAudits`): every one has to pass, whatever its level."""

import pytest

from tests.api.node_programs import installed_scripts, node
from tests.api.toy_schema import TOKEN
from tests.api.toy_server import toy_server


@pytest.mark.timeout(240)
async def test_all_audits_pass() -> None:
    folder = installed_scripts()
    async with toy_server() as server, node(folder, "audits.mjs", server.url, TOKEN) as audits:
        results = await audits.lines()
    assert len(results) == 61
    assert [result for result in results if result["status"] != "ok"] == []
