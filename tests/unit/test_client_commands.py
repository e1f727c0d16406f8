"""What commands print of what a server says."""

from typing import Any

import pytest

from app.client import Client
from app.client_commands import _show_run


def test_a_description_of_a_strangers_document_turns_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    made = {"number": 7, "description": "Values are made up: GET /a\x1b[31m\x1b]0;x\x07/{n}"}

    async def asked() -> dict[str, Any]:
        return {"id": "x", "number": 3, "status": "QUEUED", "loadTest": made}

    _show_run(Client("http://127.0.0.1:1", "token"), asked())
    said = capsys.readouterr()
    assert said.out == "Run 3 is QUEUED.\n" and said.err.startswith("Load test 7: Values are made up: GET /a")
    assert not set(said.err) & {"\x1b", "\x07"}
