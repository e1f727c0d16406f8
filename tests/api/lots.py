"""Documents about lot tracking, and the commands that tests give with them."""

import csv
import hashlib
import io
from collections.abc import Iterable, Mapping
from typing import Any

from tests.api.in_process import ERROR, Plog
from tests.waiting import eventually

VALUES = "productLine lotId product step equipment measuredAt quantity attributes"
ROW = f"id number version actor createdAt updatedAt lotImportId {VALUES}"
DUPLICATE = "... on DuplicateLotRow { lotRowId }"
ADD = f"""mutation ($input: LotRowInput!, $key: String) {{ lotRowAdd(input: $input, idempotencyKey: $key) {{ __typename
  ... on LotRowPayload {{ lotRow {{ {ROW} }} }} {ERROR} {DUPLICATE} }} }}"""
ADD_MANY = f"""mutation ($inputs: [LotRowInput!]!, $key: String) {{ lotRowsAdd(inputs: $inputs, idempotencyKey: $key) {{
  __typename ... on LotRowsAddPayload {{ results {{ isAdded code message duplicateOf openedBy applyAt
  problems {{ field message }} lotRow {{ {ROW} }} }} }} {ERROR} }} }}"""
CORRECT = f"""mutation ($id: ID!, $input: LotRowInput!, $reason: String, $expected: Int, $key: String) {{
  lotRowCorrect(id: $id, input: $input, reason: $reason, expectedVersion: $expected, idempotencyKey: $key) {{ __typename
  ... on LotRowPayload {{ lotRow {{ {ROW} }} }} {ERROR} {DUPLICATE}
  ... on VersionConflict {{ seen: expected at: current }} }} }}"""
ROWS = f"""query ($filter: LotRowFilter, $order: LotRowOrder = NUMBER, $descending: Boolean = false, $first: Int = 100,
  $after: String) {{ lotRows(filter: $filter, orderBy: $order, descending: $descending, first: $first, after: $after) {{
  totalCount nodes {{ {ROW} }} pageInfo {{ hasNextPage endCursor }} }} }}"""
VERSIONS = f"""query ($id: ID!, $first: Int = 50, $after: String) {{ lotRow(id: $id) {{ number
  viewerCanCorrect {{ isAllowed openedBy }} versions(first: $first, after: $after) {{ pageInfo {{ hasNextPage endCursor }}
  nodes {{ version actor reason recordedAt {VALUES} }} }} }} }}"""
IMPORT = """id number status fileName sha256 bytesTotal bytesRead percent encoding rowsRead rowsAdded rowsRefused message
  isCancelRequested actor actorName startedAt endedAt version viewerCanCancel { isAllowed } viewerCanResume { isAllowed reason }
  result { id name size mediaType sha256 ownerId actor downloadUrl }"""
START = f"""mutation ($input: LotImportInput!, $key: String) {{ lotImportStart(input: $input, idempotencyKey: $key) {{ __typename
  ... on LotImportPayload {{ lotImport {{ {IMPORT} }} }} {ERROR} }} }}"""
ONE_IMPORT = f"query ($id: ID!) {{ lotImport(id: $id) {{ {IMPORT} }} }}"
IMPORTS = f"""query ($filter: LotImportFilter, $first: Int = 50, $after: String) {{
  lotImports(filter: $filter, first: $first, after: $after) {{ totalCount nodes {{ {IMPORT} }} }} }}"""
HEADER = ("productLine", "lotId", "product", "step", "equipment", "measuredAt", "quantity")


def command(name: str) -> str:
    """The document that cancels or resumes an import."""
    return f"""mutation ($id: ID!, $key: String) {{ lotImport{name}(id: $id, idempotencyKey: $key) {{ __typename
      ... on LotImportPayload {{ lotImport {{ {IMPORT} }} }} {ERROR} ... on IllegalTransition {{ current wanted }} }} }}"""


def lot_row(lot_id: str = "LOT-1", **changes: Any) -> dict[str, Any]:
    """A row as clients send it."""
    row: dict[str, Any] = {
        "productLine": "LOGIC",
        "lotId": lot_id,
        "product": "SoC-7",
        "step": "ETCH-30",
        "equipment": "EQP-12",
        "measuredAt": "2026-07-01T09:30:00.125+09:00",
        "quantity": 25,
        "attributes": {"cd_nm": 17.25, "wafers": 24},
    }
    return {**row, **changes}


async def added(plog: Plog, lot_id: str = "LOT-1", user: str = "ada", **changes: Any) -> dict[str, Any]:
    """A row that was added."""
    answer = await plog.answer(ADD, plog.signed_in(user), input=lot_row(lot_id, **changes))
    assert answer["__typename"] == "LotRowPayload", answer
    return dict(answer["lotRow"])


async def rows_of(plog: Plog, user: str = "ada", **variables: Any) -> list[dict[str, Any]]:
    """The rows of a list's first page."""
    return list((await plog.answer(ROWS, plog.signed_in(user), **variables))["nodes"])


def written(rows: Iterable[Mapping[str, Any]], *attributes: str, delimiter: str = ",") -> str:
    """Rows as a CSV file with these attributes."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerow([*HEADER, *(f"attribute.{name}" for name in attributes)])
    for row in rows:
        writer.writerow([*(row[name] for name in HEADER), *(row["attributes"].get(name, "") for name in attributes)])
    return text.getvalue()


async def upload(plog: Plog, content: bytes, user: str = "ada") -> str:
    """Send a file; its checksum."""
    sha256 = hashlib.sha256(content).hexdigest()
    response = await plog.http.put(f"/uploads/{sha256}?size={len(content)}", content=content, headers=plog.signed_in(user))
    assert response.status_code == 204, response.text
    return sha256


async def start(plog: Plog, content: bytes, user: str = "ada", **given: Any) -> dict[str, Any]:
    """What starting the import of a file answers."""
    sha256 = await upload(plog, content, user)
    return await plog.answer(START, plog.signed_in(user), input={"upload": sha256, **given})


async def started(plog: Plog, content: bytes, user: str = "ada", **given: Any) -> dict[str, Any]:
    """An import that was started."""
    answer = await start(plog, content, user, **given)
    assert answer["__typename"] == "LotImportPayload", answer
    return dict(answer["lotImport"])


async def ended(plog: Plog, started: Mapping[str, Any], user: str = "ada", deadline: float = 60) -> dict[str, Any]:
    """The import once it has ended."""

    async def is_over() -> dict[str, Any] | None:
        found = await plog.answer(ONE_IMPORT, plog.signed_in(user), id=started["id"])
        return found if found["endedAt"] else None

    return dict(await eventually(is_over, deadline=deadline, every=0.1) or {})


async def imported(plog: Plog, content: bytes, user: str = "ada") -> dict[str, Any]:
    """An import that has ended."""
    return await ended(plog, await started(plog, content, user), user)


async def refused_rows(plog: Plog, found: Mapping[str, Any]) -> list[list[str]]:
    """The file of what an import has refused, without its header."""
    response = await plog.http.get(found["result"]["downloadUrl"])
    assert response.status_code == 200 and response.headers["content-type"].startswith("text/csv"), response.text
    assert len(response.content) == found["result"]["size"]
    assert hashlib.sha256(response.content).hexdigest() == found["result"]["sha256"]
    header, *rows = csv.reader(io.StringIO(response.content.decode("utf-8-sig"), newline=""))
    assert header[:2] == ["row", "reason"]
    return rows
