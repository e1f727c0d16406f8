"""What the viewer may do with kits and jobs, and why not: what is said there is what the commands then answer."""

from typing import Any

from tests.api.in_process import BOTH_DATABASES, Plog, job_command, kit_command
from tests.waiting import eventually

CAN = "isAllowed reason openedBy applyAt"
KIT = f"""query ($id: ID!, $at: DateTime) {{ kit(id: $id, asOf: $at) {{ ... on Kit {{
  viewerCanStart {{ {CAN} }} viewerCanCancel {{ {CAN} }} viewerCanArchive {{ {CAN} }}
  jobs {{ id viewerCanStart {{ {CAN} }} viewerCanRetry {{ {CAN} }} viewerCanCancel {{ {CAN} }} }} }} }} }}"""
COMMANDS = {"Start": "kitStart", "Cancel": "kitCancel", "Archive": "kitArchive"}
OF_JOBS = {"Start": "jobStart", "Retry": "jobRetry", "Cancel": "jobCancel"}


async def capabilities(plog: Plog, kit: dict[str, Any], at: str | None = None) -> dict[str, Any]:
    return await plog.answer(KIT, id=kit["id"], at=at)


def allowed(found: dict[str, Any]) -> set[str]:
    """The commands that are allowed, of the kit and of its first job."""
    kit = {name for name in COMMANDS if found[f"viewerCan{name}"]["isAllowed"]}
    return kit | {f"job {name}" for name in OF_JOBS if found["jobs"][0][f"viewerCan{name}"]["isAllowed"]}


async def has_ended(plog: Plog, kit: dict[str, Any]) -> bool:
    found = await plog.answer("query ($id: ID!) { kit(id: $id) { ... on Kit { endedAt } } }", id=kit["id"])
    return found["endedAt"] is not None


@BOTH_DATABASES
async def test_what_may_be_done_follows_the_state(plog: Plog) -> None:
    kit = await plog.create()
    assert allowed(await capabilities(plog, kit)) == {"Start", "Cancel", "Archive", "job Start", "job Cancel"}
    await plog.command("kitStart", kit)
    assert allowed(await capabilities(plog, kit)) == {"Cancel", "job Cancel"}
    await plog.command("kitCancel", kit)
    await eventually(lambda: has_ended(plog, kit))
    assert allowed(await capabilities(plog, kit)) == {"Archive", "job Retry"}
    await plog.command("kitArchive", kit)
    assert allowed(await capabilities(plog, kit)) == set()


@BOTH_DATABASES
async def test_the_reason_is_what_the_command_answers(plog: Plog) -> None:
    kit = await plog.start()
    found = await capabilities(plog, kit)
    for name, command in COMMANDS.items():
        can = found[f"viewerCan{name}"]
        if not can["isAllowed"]:
            assert (await plog.answer(kit_command(command), id=kit["id"]))["message"] == can["reason"]
    second = found["jobs"][1]
    for name, command in OF_JOBS.items():
        can = second[f"viewerCan{name}"]
        if not can["isAllowed"]:
            assert (await plog.answer(job_command(command), id=second["id"]))["message"] == can["reason"]
    assert found["viewerCanArchive"]["isAllowed"] is False and second["viewerCanStart"]["isAllowed"] is False


async def test_nothing_can_be_done_with_the_past(plog: Plog) -> None:
    kit = await plog.create()
    found = await capabilities(plog, kit, at=kit["createdAt"])
    assert allowed(found) == set() and "was" in found["viewerCanStart"]["reason"]
